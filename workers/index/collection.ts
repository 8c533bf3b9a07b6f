/**
 * One collection in memory: its rows, its vectors, its words. All of it is a cache of the storage,
 * filled when it is first needed and dropped when it is in doubt.
 */
import { milvusError, WhorlError } from '../../src/shared/errors.ts';
import type { StoredRow } from './entity.ts';
import { keyFromBytes } from './keys.ts';
import type { LexicalIndex } from './lexical/lexical-index.ts';
import { LexicalFields } from './lexical-fields.ts';
import type { CollectionRecord } from './records.ts';
import { RowTable } from './rows.ts';
import { runsAre } from './runs.ts';
import { dimensionOf, type FieldSpec, keyField, vectorFields } from './schema.ts';
import { StaleView, type Store } from './store.ts';
import { VectorField } from './vector-field.ts';
import { VectorFill } from './vector-fill.ts';

/** Dead slots up to which a table is kept however few live ones there are. */
const DEAD_AT_LEAST = 1_024;

/** Rows that were committed: numbers from `first` on, vectors by field name. */
export interface Appended {
  readonly first: number;
  readonly rows: readonly StoredRow[];
  readonly vectors: ReadonlyMap<string, Float32Array>;
}

export class Collection {
  #record: CollectionRecord;
  #rows: RowTable | null = null;
  #lexical = new LexicalFields();
  readonly #vectors = new Map<string, VectorField>();

  constructor(record: CollectionRecord) {
    this.#record = record;
  }

  get record(): CollectionRecord {
    return this.#record;
  }

  get name(): string {
    return this.#record.spec.name;
  }

  /** The rows when they are in memory, else null. */
  get rows(): RowTable | null {
    return this.#rows;
  }

  get openVectors(): readonly VectorField[] {
    return [...this.#vectors.values()].filter((each) => !each.closed);
  }

  /** Takes the record of a change that was committed here, where the caches follow by hand. */
  advance(record: CollectionRecord): void {
    this.#record = record;
  }

  /** Takes a record that another tab may have written: the caches are dropped. */
  replace(record: CollectionRecord): void {
    this.#record = record;
    this.drop();
  }

  /** Lets go of all memory; the next use reads the storage. */
  drop(): void {
    for (const field of this.#vectors.values()) field.close();
    this.#vectors.clear();
    this.#lexical = new LexicalFields();
    this.#rows = null;
  }

  /** Lets go of all memory where most of it is for dead rows; read again, it holds live ones only. */
  shed(): void {
    const table = this.#rows;
    if (table !== null && table.dead > Math.max(table.count, DEAD_AT_LEAST)) this.drop();
  }

  /** Lets go of a field's vectors only. */
  dropVectors(field: string): void {
    this.#vectors.get(field)?.close();
    this.#vectors.delete(field);
  }

  requireLoaded(what: 'query' | 'search'): void {
    if (!this.#record.loaded) {
      throw milvusError(101, `failed to ${what}: collection not loaded[collection=${this.name}]`);
    }
  }

  /** Reads the rows unless they are here. The caller keeps changes away meanwhile. */
  async openRows(store: Store, sequence: number): Promise<RowTable> {
    if (this.#rows !== null) return this.#rows;
    const { id, spec } = this.#record;
    const type = keyField(spec).type === 'Int64' ? 'Int64' : 'VarChar';
    const read: { readonly row: number; readonly stored: StoredRow }[] = [];
    await store.rows(id, sequence, ({ key, record: { row, values, dynamic } }) => {
      read.push({ row, stored: { key: keyFromBytes(key, type), values, dynamic } });
    });
    // Stored in key order; slots follow the order of the numbers, as vectors are stored.
    read.sort((a, b) => a.row - b.row);
    const rows = new RowTable();
    let before = -1;
    for (const { row, stored } of read) {
      if (row === before) throw sameNumber(row, this.name);
      rows.add(stored, row);
      before = row;
    }
    this.#rows = rows;
    return rows;
  }

  /** Reads the vectors of a field unless they are here. The caller keeps changes away meanwhile. */
  async openVectorField(name: string, store: Store, sequence: number): Promise<VectorField> {
    const known = this.#vectors.get(name);
    if (known !== undefined && !known.closed) return known;
    const { field, index } = this.#indexed(name);
    const { id, vectors } = this.#record;
    const generation = vectors[name]?.generation ?? 0;
    const rows = await this.openRows(store, sequence);
    const opened = await VectorField.create(field, index, generation);
    try {
      const at = { id, field: field.id, generation };
      const fill = new VectorFill(opened, rows, dimensionOf(field));
      await store.chunks(at, sequence, dimensionOf(field), (chunk) => fill.take(chunk));
      if (!fill.finish()) throw lostVectors(name, this.name);
      await restoreGraph(opened, store, this.#record, rows);
    } catch (error) {
      opened.close();
      throw error;
    }
    this.#vectors.set(name, opened);
    return opened;
  }

  #indexed(name: string) {
    const { spec } = this.#record;
    const field = vectorFields(spec).find((each) => each.name === name);
    const index = spec.indexes.find((each) => each.fieldName === name);
    if (field === undefined || index === undefined) {
      throw milvusError(700, `index not found[collection=${this.name}][field=${name}]`);
    }
    return { field, index };
  }

  /** The BM25 index over some VarChar fields. The rows must be open. */
  words(fields: readonly string[]): LexicalIndex {
    if (this.#rows === null) throw new StaleView();
    return this.#lexical.of(fields, this.#record.spec, this.#rows);
  }

  /** Brings the caches up to a committed insert or upsert. */
  applyAppended({ first, rows, vectors }: Appended): void {
    const table = this.#rows;
    if (table === null) return;
    rows.forEach((stored, i) => {
      const slot = table.length;
      const dead = table.add(stored, first + i);
      if (dead !== undefined) this.#lexical.remove(dead);
      this.#lexical.add(slot, stored);
    });
    for (const [name, field] of this.#vectors) {
      const more = vectors.get(name);
      if (more !== undefined) field.append(more);
    }
  }

  /** Brings the caches up to a committed delete. */
  applyRemoved(keys: Iterable<StoredRow['key']>): void {
    if (this.#rows === null) return;
    for (const key of keys) {
      const dead = this.#rows.remove(key);
      if (dead !== undefined) this.#lexical.remove(dead);
    }
  }
}

/** Takes the saved graph where it belongs to these vectors; else it is built anew in the background. */
async function restoreGraph(
  field: VectorField,
  store: Store,
  record: CollectionRecord,
  rows: RowTable,
): Promise<void> {
  if (field.spec.built === 'FLAT' || field.count === 0) return;
  const saved = await store.snapshot(record.id, field.field.id);
  if (saved === null || saved.generation !== field.generation) return;
  if (saved.model !== record.vectors[field.field.name]?.fingerprint) return;
  if (!runsAre(saved, rows)) return;
  if (field.restore(saved.bytes)) field.savedCount = saved.count;
}

function lostVectors(field: string, collection: string): WhorlError {
  return new WhorlError(
    'storage_lost',
    `Vectors of field ${field} of collection ${collection} are missing in the storage. The rows are there and can be queried; insert them again, or drop the collection.`,
  );
}

function sameNumber(row: number, collection: string): WhorlError {
  return new WhorlError(
    'storage_lost',
    `Two rows of collection ${collection} have the number ${row} in the storage. It was left as it is; nothing was changed.`,
  );
}

/** The vector field that a search means: the one named, or the only one. */
export function searchedField(record: CollectionRecord, name: string): FieldSpec {
  const { spec } = record;
  const fields = vectorFields(spec);
  if (name === '') {
    const [only, ...more] = fields;
    if (only !== undefined && more.length === 0) return only;
    throw milvusError(
      1100,
      `multiple anns_fields exist, please specify a anns_field in search_params: ${fields.map((f) => f.name).join(', ')}`,
    );
  }
  const field = spec.fields.find((each) => each.name === name);
  if (field === undefined) {
    throw milvusError(
      1100,
      `failed to create query plan: failed to get field schema by name: fieldName(${name}) not found`,
    );
  }
  if (field.type !== 'FloatVector') {
    throw milvusError(
      1100,
      `failed to create query plan: field (${name}) to search is not of vector data type`,
    );
  }
  return field;
}
