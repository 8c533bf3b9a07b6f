/** Vectors of records, for what is reckoned with them here. */
import type { BaseCollection } from './collection.ts';
import { unit } from './memory.ts';
import { vectorOf } from './turn-store.ts';
import type { LoopStore } from './types.ts';

/** Unit vectors by record id; records that are gone or have no direction are left out. */
export async function unitVectors(
  store: LoopStore,
  { name, keyField, annsField }: BaseCollection,
  ids: readonly string[],
  call: { readonly signal: AbortSignal },
): Promise<Map<string, Float32Array>> {
  if (ids.length === 0) return new Map();
  const body = { collectionName: name, id: ids, outputFields: [keyField, annsField] };
  const vectors = new Map<string, Float32Array>();
  for (const row of await store.get(body, call)) {
    const vector = vectorOf(row[annsField]);
    const normed = vector && unit(vector);
    if (normed) vectors.set(String(row[keyField]), normed);
  }
  return vectors;
}
