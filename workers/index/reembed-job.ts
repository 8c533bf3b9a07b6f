/**
 * Embeds a function field again after the model changed. New vectors are collected in a generation of
 * their own, chunk by chunk; one last transaction makes them the field's vectors and removes the old
 * ones. Until then the old ones stay, unsearched by text: vectors of two models are never mixed.
 */
import { WhorlError } from '../../src/shared/errors.ts';
import type { Job } from './background.ts';
import { toChunks } from './chunks.ts';
import type { Collection } from './collection.ts';
import { type CoreEmbedder, embedTexts } from './embedder.ts';
import type { Ledger } from './ledger.ts';
import { type NumberRange, untidied } from './pages.ts';
import type { CollectionRecord } from './records.ts';
import type { RowTable } from './rows.ts';
import { dimensionOf, type FieldSpec, functionOf, vectorFields } from './schema.ts';

/** Rows of one commit. */
const ROWS_AT_ONCE = 512;

export interface ReembedOptions {
  readonly ledger: Ledger;
  readonly collection: Collection;
  readonly field: string;
  /** Fingerprint of the present model. */
  readonly present: string;
  readonly embedder: CoreEmbedder;
}

export function reembedJob(options: ReembedOptions): Job {
  return async (pause, signal) => {
    const { ledger, collection, present } = options;
    const field = vectorFields(collection.record.spec).find((f) => f.name === options.field);
    const before = field && collection.record.vectors[field.name];
    // Someone else did it, or the collection is gone, or another tab has to do it.
    if (!field || !before || before.fingerprint === present || ledger.role !== 'leader') return;
    if (ledger.find(collection.name) !== collection) return;
    const generation = before.generation + 1;
    await clearGeneration(options, field, generation);
    for (let from = 0; !(await switchedOver(options, field, { generation, next: from })); ) {
      from = await embedFrom(options, field, { generation, from }, signal);
      await pause();
    }
  };
}

/** Makes the new generation the field's; false where it does not hold all rows (some may have come in meanwhile). */
function switchedOver(
  { ledger, collection, field: name, present }: ReembedOptions,
  field: FieldSpec,
  made: { readonly generation: number; readonly next: number },
): Promise<boolean> {
  return ledger.write(async () => {
    const record = currentRecord({ ledger, collection });
    if (made.next < record.nextRow) return false;
    const { generation } = made;
    const space = { fingerprint: present, generation };
    await ledger.commit({
      kind: 'reembed',
      collection: record.id,
      // Rows may have died since their texts were embedded.
      record: untidied({ ...record, vectors: { ...record.vectors, [name]: space } }, all(record)),
      retired: [{ field: field.id, generation: generation - 1 }],
    });
    collection.dropVectors(name);
    return true;
  });
}

function all({ nextRow }: CollectionRecord): readonly NumberRange[] {
  return nextRow === 0 ? [] : [[0, nextRow - 1]];
}

function currentRecord({
  ledger,
  collection,
}: Pick<ReembedOptions, 'ledger' | 'collection'>): CollectionRecord {
  if (ledger.find(collection.name) === collection) return collection.record;
  throw new WhorlError(
    'aborted',
    `Collection ${collection.name} was dropped while it was embedded again.`,
  );
}

/** Chunks of an attempt that did not come to its end. */
async function clearGeneration(
  options: ReembedOptions,
  field: FieldSpec,
  generation: number,
): Promise<void> {
  await options.ledger.write(async () => {
    const record = currentRecord(options);
    await options.ledger.commit({
      kind: 'reembed',
      collection: record.id,
      record,
      retired: [{ field: field.id, generation }],
    });
  });
}

/** Embeds some rows from a number on; gives the number behind them. */
async function embedFrom(
  options: ReembedOptions,
  field: FieldSpec,
  { generation, from }: { readonly generation: number; readonly from: number },
  signal: AbortSignal,
): Promise<number> {
  const { ledger, collection, present, embedder } = options;
  const { nextRow } = collection.record;
  const input = functionOf(collection.record.spec, field.name)?.input ?? '';
  const { numbers, texts, next } = textsFrom(await ledger.rows(collection), from, input);
  const dimension = dimensionOf(field);
  const result = await embedTexts(embedder, texts, dimension, { signal, priority: 'bulk' });
  if (texts.length > 0 && result.fingerprint !== present) {
    throw new WhorlError(
      'fingerprint_mismatch',
      'The model changed again while a field was embedded again; the next use starts over.',
    );
  }
  await ledger.write(async () => {
    const record = currentRecord(options);
    const target = { fingerprint: present, generation };
    const named = { ...record, vectors: { ...record.vectors, [field.name]: target } };
    const vectors = new Map([[field.name, result.vectors]]);
    const chunks = toChunks(named, numbers, vectors);
    await ledger.commit({ kind: 'reembed', collection: record.id, record, chunks });
  });
  return next ?? nextRow;
}

/** Texts of live rows from a number on, at most {@link ROWS_AT_ONCE}; `next` null where no row follows. */
function textsFrom(rows: RowTable, from: number, input: string) {
  const numbers: number[] = [];
  const texts: string[] = [];
  for (let slot = rows.slotFrom(from); slot < rows.length; slot++) {
    if (numbers.length === ROWS_AT_ONCE) return { numbers, texts, next: rows.numberOf(slot) };
    const stored = rows.at(slot);
    if (stored === undefined) continue;
    numbers.push(rows.numberOf(slot));
    texts.push(String(stored.values[input] ?? ''));
  }
  return { numbers, texts, next: null };
}
