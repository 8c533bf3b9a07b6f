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
import type { CollectionRecord } from './records.ts';
import { dimensionOf, type FieldSpec, functionOf, vectorFields } from './schema.ts';

/** Row numbers of one chunk and one commit. */
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
    for (let from = 0; !(await switchedOver(options, field, { generation, rows: from })); ) {
      const to = Math.min(from + ROWS_AT_ONCE, collection.record.nextRow);
      await embedRange(options, field, { generation, from, to }, signal);
      from = to;
      await pause();
    }
  };
}

/** Makes the new generation the field's; false where it does not hold all rows (some may have come in meanwhile). */
function switchedOver(
  { ledger, collection, field: name, present }: ReembedOptions,
  field: FieldSpec,
  made: { readonly generation: number; readonly rows: number },
): Promise<boolean> {
  return ledger.write(async () => {
    const record = currentRecord({ ledger, collection });
    if (made.rows < record.nextRow) return false;
    const { generation } = made;
    const space = { fingerprint: present, generation };
    await ledger.commit({
      kind: 'reembed',
      collection: record.id,
      record: { ...record, vectors: { ...record.vectors, [name]: space } },
      retired: [{ field: field.id, generation: generation - 1 }],
    });
    collection.dropVectors(name);
    return true;
  });
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

async function embedRange(
  options: ReembedOptions,
  field: FieldSpec,
  range: { readonly generation: number; readonly from: number; readonly to: number },
  signal: AbortSignal,
): Promise<void> {
  const { ledger, collection, present, embedder } = options;
  const dimension = dimensionOf(field);
  const rows = await ledger.rows(collection);
  const input = functionOf(collection.record.spec, field.name)?.input ?? '';
  const live: number[] = [];
  for (let row = range.from; row < range.to; row++) if (rows.isLive(row)) live.push(row);
  const texts = live.map((row) => String(rows.at(row)?.values[input] ?? ''));
  const result = await embedTexts(embedder, texts, dimension, { signal, priority: 'bulk' });
  if (texts.length > 0 && result.fingerprint !== present) {
    throw new WhorlError(
      'fingerprint_mismatch',
      'The model changed again while a field was embedded again; the next use starts over.',
    );
  }
  // Numbers of dead rows keep their place, with zeros.
  const vectors = new Float32Array((range.to - range.from) * dimension);
  live.forEach((row, i) => {
    vectors.set(
      result.vectors.subarray(i * dimension, (i + 1) * dimension),
      (row - range.from) * dimension,
    );
  });
  await ledger.write(async () => {
    const record = currentRecord(options);
    const target = { fingerprint: present, generation: range.generation };
    const named = { ...record, vectors: { ...record.vectors, [field.name]: target } };
    await ledger.commit({
      kind: 'reembed',
      collection: record.id,
      record,
      chunks: toChunks(named, range.from, new Map([[field.name, vectors]])),
    });
  });
}
