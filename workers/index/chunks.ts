/** Vectors cut into the chunks that storage keeps. */

import type { CollectionRecord } from './records.ts';
import { dimensionOf, vectorFields } from './schema.ts';
import type { Change } from './store.ts';

/** Bytes of a chunk: large enough that reading is fast, small enough to copy without a pause. */
const CHUNK_BYTES = 1_048_576;

/** Chunks of all vector fields for rows from `first` on, in the spaces that the record names. */
export function toChunks(
  record: CollectionRecord,
  first: number,
  vectors: ReadonlyMap<string, Float32Array<ArrayBuffer>>,
): NonNullable<Change['chunks']> {
  const chunks: NonNullable<Change['chunks']>[number][] = [];
  for (const field of vectorFields(record.spec)) {
    const all = vectors.get(field.name);
    const space = record.vectors[field.name];
    if (all === undefined || !space?.fingerprint) continue;
    const dimension = dimensionOf(field);
    const rows = all.length / dimension;
    const atOnce = Math.max(1, Math.floor(CHUNK_BYTES / (dimension * all.BYTES_PER_ELEMENT)));
    for (let from = 0; from < rows; from += atOnce) {
      const part = all.slice(from * dimension, (from + atOnce) * dimension);
      chunks.push({
        field: field.id,
        generation: space.generation,
        chunk: {
          collection: record.id,
          field: field.name,
          elementType: 'float32',
          dimension,
          fingerprint: space.fingerprint,
          firstRow: first + from,
          rows: part.length / dimension,
          data: part.buffer,
        },
      });
    }
  }
  return chunks;
}
