/**
 * Tidying up the vectors of a collection, a page at a time: vectors of dead rows go, small chunks become
 * one. Each page is one transaction that changes nothing that can be read; a crash between two pages
 * leaves the rest noted in the collection's record (`unswept`), for whoever writes next.
 */
import { kindOf, toPages } from './chunks.ts';
import type { Collection } from './collection.ts';
import type { Ledger } from './ledger.ts';
import { numberIn, pageOf, pageRows, tidied } from './pages.ts';
import { type ChunkRecord, type CollectionRecord, parseChunk } from './records.ts';
import type { RowTable } from './rows.ts';
import { dimensionOf, type FieldSpec, vectorFields } from './schema.ts';
import { type KeyRange, under, type WriteTransaction } from './storage/storage.ts';

/** A page of one vector field. */
interface Page {
  readonly collection: number;
  readonly field: FieldSpec;
  readonly generation: number;
  readonly from: number;
  /** The number behind its last. */
  readonly to: number;
}

/** Tidies the first page that wants it; true when none does any more. The caller goes on until then. */
export function sweepPage(ledger: Ledger, collection: Collection): Promise<boolean> {
  return ledger.write(async () => {
    const isGone = ledger.find(collection.name) !== collection;
    if (isGone || collection.record.unswept === undefined) return true;
    const rows = await collection.openRows(ledger.store, ledger.head.sequence);
    const { id } = collection.record;
    const dropped = new Set<string>();
    const record = await ledger.store.rewrite(ledger.head, id, (tx, stored) => {
      dropped.clear();
      return sweepFirst(tx, stored, rows, dropped);
    });
    collection.advance(record);
    for (const field of collection.openVectors) {
      // Its graph knows rows that are gone; it is saved anew without them.
      if (dropped.has(field.field.name)) field.savedCount = 0;
    }
    return record.unswept === undefined;
  });
}

/** Sweeps the lowest page that wants it in all fields; gives the record that does not want it any more. */
async function sweepFirst(
  tx: WriteTransaction,
  record: CollectionRecord,
  rows: RowTable,
  dropped: Set<string>,
): Promise<CollectionRecord> {
  const [first] = record.unswept ?? [];
  if (first === undefined) return record;
  const fields = vectorFields(record.spec);
  await dropRemains(tx, record);
  const [from, last] = first;
  let next = last + 1;
  let isEmpty = true;
  for (const field of fields) {
    const page = pageAt(record, field, from);
    next = Math.min(next, page.to);
    const { chunks, hasDropped } = await rewritePage(tx, page, rows);
    isEmpty &&= chunks === 0;
    if (hasDropped) dropped.add(field.name);
  }
  return tidied(record, from, isEmpty ? await nextChunk(tx, record, from, last) : next);
}

function pageAt(record: CollectionRecord, field: FieldSpec, number: number): Page {
  const { from, to } = pageOf(number, pageRows(dimensionOf(field)));
  const generation = record.vectors[field.name]?.generation ?? 0;
  return { collection: record.id, field, generation, from, to };
}

/** The first number at or after `from` that has a vector, or the one behind `last`: empty pages are not visited. */
async function nextChunk(
  tx: WriteTransaction,
  record: CollectionRecord,
  from: number,
  last: number,
): Promise<number> {
  let next = last + 1;
  for (const field of vectorFields(record.spec)) {
    const { generation } = pageAt(record, field, from);
    const { upper } = under(record.id, field.id, generation);
    const range: KeyRange = { lower: [record.id, field.id, generation, from], upper };
    for (const { value } of await tx.scan('vectors', range, 1)) {
      next = Math.min(next, parseChunk(value, dimensionOf(field)).firstRow);
    }
  }
  return next;
}

/** Chunks of generations that the record does not name: of an embedding anew that was cut. */
async function dropRemains(tx: WriteTransaction, record: CollectionRecord): Promise<void> {
  for (const field of vectorFields(record.spec)) {
    const { generation } = pageAt(record, field, 0);
    const { lower, upper } = under(record.id, field.id);
    const own = under(record.id, field.id, generation);
    tx.deleteRange('vectors', { lower, upper: own.lower });
    tx.deleteRange('vectors', { lower: [record.id, field.id, generation + 1], upper });
  }
}

async function rewritePage(
  tx: WriteTransaction,
  page: Page,
  rows: RowTable,
): Promise<{ readonly chunks: number; readonly hasDropped: boolean }> {
  const { collection, field, generation, from, to } = page;
  const place = [collection, field.id, generation] as const;
  const range: KeyRange = { lower: [...place, from], upper: [...place, to - 1] };
  const entries = await tx.scan('vectors', range);
  const chunks = entries.map(({ value }) => parseChunk(value, dimensionOf(field)));
  const [first] = chunks;
  if (first === undefined) return { chunks: 0, hasDropped: false };
  const { numbers, vectors, held } = gather(chunks, rows);
  const hasDropped = numbers.length < held;
  // A chunk of version 1 may reach into the next page.
  const isTidy = chunks.length === 1 && !hasDropped && numberIn(first, first.rows - 1) < to;
  if (!isTidy) {
    tx.deleteRange('vectors', range);
    if (hasDropped) tx.deleteRange('snapshots', under(collection, field.id));
    const kind = kindOf(collection, field, first.fingerprint);
    for (const chunk of toPages(kind, numbers, vectors)) {
      tx.put('vectors', [...place, chunk.firstRow], chunk);
    }
  }
  return { chunks: chunks.length, hasDropped };
}

/** The vectors of live rows, one after the other, with their numbers; `held` counts those of dead ones, too. */
function gather(
  chunks: readonly ChunkRecord[],
  rows: RowTable,
): { readonly numbers: readonly number[]; readonly vectors: Float32Array; readonly held: number } {
  const held = chunks.reduce((sum, chunk) => sum + chunk.rows, 0);
  const dimension = chunks[0]?.dimension ?? 0;
  const vectors = new Float32Array(held * dimension);
  const numbers: number[] = [];
  for (const chunk of chunks) {
    const data = new Float32Array(chunk.data);
    for (let i = 0; i < chunk.rows; i++) {
      const number = numberIn(chunk, i);
      if (!rows.holds(number)) continue;
      vectors.set(data.subarray(i * dimension, (i + 1) * dimension), numbers.length * dimension);
      numbers.push(number);
    }
  }
  return { numbers, vectors, held };
}
