/** What lies in the stores, format version 2; docs/storage-format.md describes it for people. */
import { WhorlError } from '../../src/shared/errors.ts';
import type { Fingerprint } from '../../src/shared/types.ts';
import { isObject } from './body.ts';
import type { StoredJson } from './json.ts';
import { checksumOf } from './kernel/snapshot.ts';
import type { NumberRange } from './pages.ts';
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
  /** Row numbers given out; those of dead rows are not given out again. */
  readonly nextRow: number;
  /** By name of the vector field. */
  readonly vectors: { readonly [field: string]: VectorSpace };
  /**
   * Row numbers whose pages want tidying: vectors of dead rows lie in them, or many small chunks.
   * Ascending, without overlap, at most 64. Absent: none.
   */
  readonly unswept?: readonly NumberRange[];
}

/** Store `rows`, key `[collection, key bytes]`. */
export interface RowRecord {
  /** Names its vectors; never used twice in a collection. */
  readonly row: number;
  readonly values: { readonly [field: string]: StoredJson };
  readonly dynamic: { readonly [key: string]: StoredJson } | null;
}

/**
 * Store `vectors`, key `[collection, field id, generation, first row]`; never changed once written. The
 * numbers of a chunk lie in one page (`pages.ts`); those of the chunks of a field never interleave.
 */
export interface ChunkRecord {
  readonly collection: number;
  readonly field: string;
  readonly elementType: 'float32';
  readonly dimension: number;
  readonly fingerprint: Fingerprint | 'caller';
  /** Number of its first vector. */
  readonly firstRow: number;
  /** Vectors that it holds. */
  readonly rows: number;
  /** Numbers of its vectors, less `firstRow`, ascending from 0. Absent: 0, 1, 2, ... */
  readonly offsets?: Uint32Array<ArrayBuffer>;
  /** Of `data`, see `checksumOf`. Absent in chunks that version 1 wrote. */
  readonly checksum?: number;
  /** Little-endian, row-major, rows x dimension. */
  readonly data: ArrayBuffer;
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
  /** Identity of the call that made the change, where it came from another tab. */
  readonly call?: string;
  /** The last of the primary keys that were generated: one run, as long as `added`. */
  readonly lastAutoId?: bigint;
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
  if (!(record.unswept ?? []).every(isRange)) throw corrupt('A collection record');
  return record;
}

function isRange(range: unknown): boolean {
  if (!Array.isArray(range) || !range.every(Number.isSafeInteger)) return false;
  return range.length === 2 && range[0] >= 0 && range[0] <= range[1];
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
    Number.isSafeInteger(chunk.firstRow) &&
    chunk.data instanceof ArrayBuffer &&
    chunk.data.byteLength === chunk.rows * dimension * Float32Array.BYTES_PER_ELEMENT &&
    offsetsHold(chunk) &&
    (chunk.checksum === undefined || chunk.checksum === checksumOf(new Uint32Array(chunk.data)));
  if (!sound) throw corrupt(`A chunk of vectors of field ${String(chunk.field)}`);
  return chunk;
}

function offsetsHold({ offsets, rows }: ChunkRecord): boolean {
  if (offsets === undefined) return true;
  if (!(offsets instanceof Uint32Array) || offsets.length !== rows || offsets[0] !== 0)
    return false;
  return offsets.every((offset, i) => i === 0 || offset > (offsets[i - 1] as number));
}
