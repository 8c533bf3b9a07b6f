/**
 * Collections read out for an archive: rows as lines in primary key order, vectors in the order of the rows.
 * All of it comes from one read transaction, so it is one state of the store, whoever writes meanwhile;
 * writers wait until it is over. What was read goes into blobs piece by piece: no more than a window of
 * vectors and a page of rows is in memory.
 */
import type {
  ArchivedCollection,
  ArchivedVectors,
  ReadOutRequest,
} from '../../src/shared/archive-types.ts';
import { milvusError, throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import { BlobBuilder } from '../archive/pieces.ts';
import { rowLine } from '../archive/row-lines.ts';
import { schemaText, survives } from '../archive/schema-text.ts';
import type { CallScope } from './endpoints.ts';
import { type KeyType, keyFromBytes } from './keys.ts';
import { numberIn } from './pages.ts';
import {
  type ChunkRecord,
  type CollectionRecord,
  parseChunk,
  parseCollection,
  parseHead,
  parseRow,
} from './records.ts';
import { dimensionOf, type FieldSpec, keyField, vectorFields } from './schema.ts';
import { type ReadTransaction, type Storage, type StorageKey, under } from './storage/storage.ts';

/** Bytes of vectors that are put in order at a time. */
const WINDOW_BYTES = 33_554_432;
const ROWS_AT_ONCE = 1_000;
const CHUNKS_AT_ONCE = 8;

const encoder = new TextEncoder();

/**
 * Rejects with Milvus error 100 for a collection that is not there, `storage_lost` where vectors are
 * missing, `aborted`.
 */
export function readOut(
  storage: Storage,
  request: ReadOutRequest,
  { signal, report }: Pick<CallScope, 'signal' | 'report'>,
  windowBytes = WINDOW_BYTES,
): Promise<readonly ArchivedCollection[]> {
  return storage.read(['head', 'collections', 'rows', 'vectors'], async (tx) => {
    // The body may run again on a new connection: everything it makes is its own.
    parseHead(await tx.get('head', 'head'));
    const entries = await tx.scan('collections', null);
    const records = wanted(
      entries.map(({ value }) => parseCollection(value)),
      request.collections,
    );
    const read: ArchivedCollection[] = [];
    let before = 0;
    for (const record of records) {
      const rowsBefore = before;
      const step = (rows: number): void => {
        throwIfAborted(signal);
        report?.({ done: rowsBefore + rows, total: 0 });
      };
      const collection = await new Reading(tx, record, { step, windowBytes }).read();
      before += collection.count;
      read.push(collection);
    }
    return read;
  });
}

function wanted(
  records: readonly CollectionRecord[],
  names: readonly string[] | undefined,
): readonly CollectionRecord[] {
  const chosen =
    names === undefined ? records : [...new Set(names)].map((name) => find(records, name));
  const lossy = chosen.find(({ spec }) => !survives(spec));
  if (lossy === undefined) return chosen;
  throw new WhorlError(
    'unsupported',
    `The schema of collection ${lossy.spec.name} cannot be written into a file so that it comes back the same. Nothing was changed; export the other collections.`,
  );
}

function find(records: readonly CollectionRecord[], name: string): CollectionRecord {
  const found = records.find(({ spec }) => spec.name === name);
  if (found !== undefined) return found;
  throw milvusError(100, `collection not found[database=default][collection=${name}]`);
}

/** A chunk, by where its vectors go: positions in the order of the rows. */
interface Placed {
  readonly key: StorageKey;
  readonly first: number;
  readonly last: number;
}

/** One collection in one transaction. */
class Reading {
  readonly #tx: ReadTransaction;
  readonly #record: CollectionRecord;
  readonly #options: { readonly step: (rows: number) => void; readonly windowBytes: number };
  /** By row number: one more than the position in key order; 0: there is no such row. */
  readonly #position: Uint32Array;
  #count = 0;

  constructor(
    tx: ReadTransaction,
    record: CollectionRecord,
    options: { readonly step: (rows: number) => void; readonly windowBytes: number },
  ) {
    this.#tx = tx;
    this.#record = record;
    this.#options = options;
    this.#position = new Uint32Array(record.nextRow);
  }

  async read(): Promise<ArchivedCollection> {
    const { spec, loaded } = this.#record;
    const rows = await this.#rows();
    const vectors: ArchivedVectors[] = [];
    for (const field of vectorFields(spec)) {
      const fingerprint = this.#record.vectors[field.name]?.fingerprint ?? null;
      const dimension = dimensionOf(field);
      const data = await this.#vectors(field);
      // A field that lost all of its rows keeps its space, but an archive has no use for it.
      const space = this.#count === 0 ? null : fingerprint;
      vectors.push({ field: field.name, dimension, fingerprint: space, data });
    }
    return {
      name: spec.name,
      loaded,
      schema: schemaText(spec),
      count: this.#count,
      rows,
      vectors,
    };
  }

  /** The lines of all rows; learns their order. */
  async #rows(): Promise<Blob> {
    const { id, spec, nextRow } = this.#record;
    const type: KeyType = keyField(spec).type === 'Int64' ? 'Int64' : 'VarChar';
    const lines = new BlobBuilder();
    let range = under(id);
    for (;;) {
      const entries = await this.#tx.scan('rows', range, ROWS_AT_ONCE);
      let text = '';
      for (const entry of entries) {
        const [, bytes] = entry.key as [number, Uint8Array<ArrayBuffer>];
        const { row, values, dynamic } = parseRow(entry.value, nextRow);
        this.#count += 1;
        this.#position[row] = this.#count;
        text += `${rowLine({ key: keyFromBytes(bytes, type), values, dynamic }, spec)}\n`;
      }
      lines.add(encoder.encode(text));
      this.#options.step(this.#count);
      const last = entries.at(-1);
      if (last === undefined || entries.length < ROWS_AT_ONCE) return lines.blob();
      range = { ...range, lower: last.key, lowerOpen: true };
    }
  }

  /**
   * The vectors of a field in the order of the rows, a window at a time. The first pass over the chunks
   * learns which window each of them has a part in; the passes after it read those only. Where rows came
   * in the order of their keys, that is each chunk about once more.
   */
  async #vectors(field: FieldSpec): Promise<Blob> {
    const out = new BlobBuilder();
    const rowBytes = dimensionOf(field) * Float32Array.BYTES_PER_ELEMENT;
    const perWindow = Math.max(1, Math.floor(this.#options.windowBytes / rowBytes));
    let placed: readonly Placed[] | null = null;
    for (let from = 0; from < this.#count; from += perWindow) {
      const part = new VectorWindow(field, this.#position, {
        from,
        to: Math.min(from + perWindow, this.#count),
      });
      if (placed === null) placed = await this.#firstPass(field, part);
      else await this.#laterPass(field, part, placed);
      out.add(this.#whole(part, field));
    }
    return out.blob();
  }

  async #firstPass(field: FieldSpec, part: VectorWindow): Promise<readonly Placed[]> {
    const { id, vectors } = this.#record;
    const placed: Placed[] = [];
    let range = under(id, field.id, vectors[field.name]?.generation ?? 0);
    for (;;) {
      const entries = await this.#tx.scan('vectors', range, CHUNKS_AT_ONCE);
      for (const { key, value } of entries) {
        const span = part.take(parseChunk(value, dimensionOf(field)));
        if (span !== null) placed.push({ key, ...span });
      }
      this.#options.step(this.#count);
      const last = entries.at(-1);
      if (last === undefined || entries.length < CHUNKS_AT_ONCE) return placed;
      range = { ...range, lower: last.key, lowerOpen: true };
    }
  }

  async #laterPass(field: FieldSpec, part: VectorWindow, placed: readonly Placed[]): Promise<void> {
    for (const { key, first, last } of placed) {
      if (last < part.from || first >= part.to) continue;
      part.take(parseChunk(await this.#tx.get('vectors', key), dimensionOf(field)));
      this.#options.step(this.#count);
    }
  }

  #whole(part: VectorWindow, field: FieldSpec): Uint8Array<ArrayBuffer> {
    if (part.isFull) return part.bytes;
    throw new WhorlError(
      'storage_lost',
      `Vectors of field ${field.name} of collection ${this.#record.spec.name} are missing in the storage. Nothing was exported or changed; export the other collections, and insert the rows of this one again.`,
    );
  }
}

/** Vectors of the rows from one position to before another. */
class VectorWindow {
  readonly from: number;
  readonly to: number;
  readonly #dimension: number;
  readonly #position: Uint32Array;
  readonly #numbers: Float32Array<ArrayBuffer>;
  readonly #filled: Uint8Array;
  #left: number;

  constructor(
    field: FieldSpec,
    position: Uint32Array,
    { from, to }: { readonly from: number; readonly to: number },
  ) {
    this.from = from;
    this.to = to;
    this.#dimension = dimensionOf(field);
    this.#position = position;
    this.#numbers = new Float32Array((to - from) * this.#dimension);
    this.#filled = new Uint8Array(to - from);
    this.#left = to - from;
  }

  get isFull(): boolean {
    return this.#left === 0;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#numbers.buffer);
  }

  /** Takes what belongs here; returns the first and last position of all rows of the chunk, or null where it has none. */
  take(chunk: ChunkRecord): { readonly first: number; readonly last: number } | null {
    const data = new Float32Array(chunk.data);
    let first = Number.POSITIVE_INFINITY;
    let last = -1;
    for (let i = 0; i < chunk.rows; i++) {
      const at = (this.#position[numberIn(chunk, i)] ?? 0) - 1;
      if (at < 0) continue;
      first = Math.min(first, at);
      last = Math.max(last, at);
      if (at >= this.from && at < this.to) this.#put(at - this.from, data, i);
    }
    return last < 0 ? null : { first, last };
  }

  #put(slot: number, data: Float32Array, i: number): void {
    const dimension = this.#dimension;
    this.#numbers.set(data.subarray(i * dimension, (i + 1) * dimension), slot * dimension);
    if (this.#filled[slot] === 0) this.#left -= 1;
    this.#filled[slot] = 1;
  }
}
