/** Whether the vectors of an archived collection are those that its schema has. */
import { type CollectionSpec, dimensionOf, functionOf, vectorFields } from '../index/schema.ts';

interface Described {
  readonly field: string;
  readonly dimension: number;
  readonly fingerprint: string | null;
}

/** What is wrong with them, in words, or null. `rows`: of the collection. */
export function vectorTrouble(
  spec: CollectionSpec,
  vectors: readonly Described[],
  rows: number,
): string | null {
  const fields = vectorFields(spec);
  const agree = fields.every((field, i) => {
    const described = vectors[i];
    return described?.field === field.name && described.dimension === dimensionOf(field);
  });
  if (!agree || fields.length !== vectors.length) {
    return 'the vector fields of the schema are not those of the manifest';
  }
  const troubles = vectors.map(({ field, fingerprint }) => {
    const why = spaceTrouble(fingerprint, functionOf(spec, field) !== undefined, rows);
    return why === null ? null : `the vectors of field ${field} ${why}`;
  });
  return troubles.find((trouble) => trouble !== null) ?? null;
}

function spaceTrouble(
  fingerprint: string | null,
  isEmbedded: boolean,
  rows: number,
): string | null {
  if (fingerprint === null) return rows === 0 ? null : 'are of no model, but there are rows';
  if (rows === 0) return 'are said to be of a model, but there are none';
  if (isEmbedded === (fingerprint !== 'caller')) return null;
  return isEmbedded
    ? 'come from a function, but no model is named'
    : `are of the model ${fingerprint}, but no function could embed them again`;
}
