/** What lies in the stores, format version 1; docs/storage-format.md describes it for people. */
import { WhorlError } from '../../src/shared/errors.ts';
import type { Fingerprint } from '../../src/shared/types.ts';
import { isObject } from './body.ts';
import type { StoredJson } from './json.ts';
import type { CollectionSpec } from './schema.ts';
import { FORMAT_VERSION } from './storage/idb-open.ts';

/** Store `head`, key `head`: one record, read and checked in every writing transaction. */
export interface HeadRecord {
  readonly format: number;
  /** Counts leaders; only the newest may write. */
  readonly epoch: number;
  /** Counts commits; equals the number of the last log entry. */
  readonly sequence: number;
  readonly nextCollection: number;
  /** Last generated primary key. */
  readonly lastAutoId: bigint;
}

export const EMPTY_HEAD: HeadRecord = {
  format: FORMAT_VERSION,
  epoch: 0,
  sequence: 0,
  nextCollection: 1,
  lastAutoId: 0n,
};

/** The vector space of a field. `caller`: the vectors came with the rows. Null: no vector yet. */
export interface VectorSpace {
  readonly fingerprint: Fingerprint | 'caller' | null;
  /** Counts re-embeddings; part of the key of the field's chunks. */
  readonly generation: number;
}

/** Store `collections`, key: collection number. */
export interface CollectionRecord {
  readonly id: number;
  readonly spec: CollectionSpec;
  readonly loaded: boolean;
  /** Row numbers given out. */
  readonly nextRow: number;
  /** By name of the vector field. */
  readonly vectors: { readonly [field: string]: VectorSpace };
}

/** Store `rows`, key `[collection, key bytes]`. */
export interface RowRecord {
  readonly row: number;
  readonly values: { readonly [field: string]: StoredJson };
  readonly dynamic: { readonly [key: string]: StoredJson } | null;
}

/** Store `vectors`, key `[collection, field id, generation, first row]`; never changed once written. */
export interface ChunkRecord {
  readonly collection: number;
  readonly field: string;
  readonly elementType: 'float32';
  readonly dimension: number;
  readonly fingerprint: Fingerprint | 'caller';
  readonly firstRow: number;
  readonly rows: number;
  /** Little-endian, row-major, rows x dimension. */
  readonly data: ArrayBuffer;
}

/** Store `snapshots`, key `[collection, field id, part]`. */
export interface SnapshotRecord {
  readonly generation: number;
  /** Rows that the graph holds. */
  readonly count: number;
  readonly parts: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export type ChangeKind =
  | 'create'
  | 'drop'
  | 'load'
  | 'release'
  | 'insert'
  | 'upsert'
  | 'delete'
  | 'reembed'
  | 'import';

/** Store `log`, key: sequence. Holds no content of rows, so that what is deleted is gone. */
export interface LogRecord {
  readonly sequence: number;
  readonly epoch: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly kind: ChangeKind;
  readonly collection: number;
  readonly added: number;
  readonly removed: number;
}

function corrupt(what: string): WhorlError {
  return new WhorlError(
    'storage_lost',
    `${what} in the storage is not what this program wrote. It was left as it is; nothing was changed.`,
  );
}

export function parseHead(value: unknown): HeadRecord {
  if (value === undefined) return EMPTY_HEAD;
  if (!isObject(value) || typeof value.format !== 'number') throw corrupt('The head record');
  if (value.format > FORMAT_VERSION) {
    throw new WhorlError(
      'storage_too_new',
      `The storage has format ${value.format}, this program knows ${FORMAT_VERSION}. Nothing was changed; reload to get the later version.`,
    );
  }
  const head = value as unknown as HeadRecord;
  const whole = [head.epoch, head.sequence, head.nextCollection].every(Number.isSafeInteger);
  if (!whole || typeof head.lastAutoId !== 'bigint') throw corrupt('The head record');
  return head;
}

export function parseCollection(value: unknown): CollectionRecord {
  if (!isObject(value) || !isObject(value.spec) || !isObject(value.vectors)) {
    throw corrupt('A collection record');
  }
  const record = value as unknown as CollectionRecord;
  if (!Number.isSafeInteger(record.nextRow) || !Array.isArray(record.spec.fields)) {
    throw corrupt('A collection record');
  }
  return record;
}

export function parseRow(value: unknown, nextRow: number): RowRecord {
  if (!isObject(value) || !isObject(value.values)) throw corrupt('A row');
  const record = value as unknown as RowRecord;
  if (!Number.isSafeInteger(record.row) || record.row < 0 || record.row >= nextRow) {
    throw corrupt('The number of a row');
  }
  return record;
}

export function parseChunk(value: unknown, dimension: number): ChunkRecord {
  if (!isObject(value)) throw corrupt('A chunk of vectors');
  const chunk = value as unknown as ChunkRecord;
  const sound =
    chunk.elementType === 'float32' &&
    chunk.dimension === dimension &&
    chunk.data instanceof ArrayBuffer &&
    chunk.data.byteLength === chunk.rows * dimension * Float32Array.BYTES_PER_ELEMENT;
  if (!sound) throw corrupt(`A chunk of vectors of field ${String(chunk.field)}`);
  return chunk;
}

export function parseSnapshotPart(value: unknown): SnapshotRecord | null {
  if (!isObject(value) || !(value.bytes instanceof Uint8Array)) return null;
  return value as unknown as SnapshotRecord;
}
