/**
 * Archives as the threads hand them on: the index worker reads out and takes in, the archive worker packs
 * and checks. Types only; docs/archive-format.md describes the file.
 */
import type { Fingerprint } from './types.ts';

/** The vectors of one field, in the order of the rows. */
export interface ArchivedVectors {
  readonly field: string;
  readonly dimension: number;
  /** The vector space: a model's fingerprint, `caller` where the rows brought them, null where there is none yet. */
  readonly fingerprint: Fingerprint | 'caller' | null;
  /** Little-endian float32, row-major, count x dimension. */
  readonly data: Blob;
}

/** One collection outside of a store. */
export interface ArchivedCollection {
  readonly name: string;
  readonly loaded: boolean;
  /** The body of `collections/create` that makes it, as canonical JSON. */
  readonly schema: string;
  readonly count: number;
  /** One row a line, in primary key order; see docs/archive-format.md. */
  readonly rows: Blob;
  /** One for each vector field, in the schema's order. */
  readonly vectors: readonly ArchivedVectors[];
}

/** How far an export or import is. */
export interface ArchiveProgress {
  /** `read` and `store`: rows; `pack` and `check`: bytes. */
  readonly stage: 'read' | 'pack' | 'check' | 'store';
  readonly done: number;
  /** Of this stage; 0 while it is not known. */
  readonly total: number;
}

/**
 * What happens to a collection whose name is taken: `refuse` the whole import, `replace` the one that is
 * there, or `skip` the one that would come.
 */
export type ImportConflict = 'refuse' | 'replace' | 'skip';

export interface ReadOutRequest {
  /** Default: all. */
  readonly collections?: readonly string[];
}

export interface TakeInRequest {
  readonly collections: readonly ArchivedCollection[];
  readonly onConflict: ImportConflict;
  /** Names in the archive, each with the name to store it under. */
  readonly rename: readonly (readonly [from: string, to: string])[];
}

export interface ImportedCollection {
  /** Its name in the archive. */
  readonly from: string;
  /** Its name in the store. */
  readonly name: string;
  /** Rows that were stored; 0 where it was skipped. */
  readonly rows: number;
  readonly action: 'created' | 'replaced' | 'skipped';
}

export interface ImportResult {
  readonly collections: readonly ImportedCollection[];
}

/** The archive worker, as the page sees it. It lives for one call. */
export interface ArchiveContract {
  /** One file of some collections; equal collections give equal bytes. */
  pack(request: { readonly collections: readonly ArchivedCollection[] }): { readonly file: Blob };
  /** What a file holds, every byte of it checked. Rejects with `archive_invalid`, `too_large`, `storage_too_new`. */
  check(request: { readonly file: Blob }): { readonly collections: readonly ArchivedCollection[] };
}
