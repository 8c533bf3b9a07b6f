/** Stored rows to what a caller asked for; everything that leaves is a copy. */
import type { MilvusRow } from '../../src/shared/milvus-types.ts';
import { invalid } from './body.ts';
import type { StoredRow } from './entity.ts';
import { leaveJson, type StoredJson } from './json.ts';
import { keyText } from './keys.ts';
import { type CollectionSpec, type FieldSpec, keyField } from './schema.ts';

export interface Projection {
  readonly key: boolean;
  readonly scalars: readonly FieldSpec[];
  readonly vectors: readonly FieldSpec[];
  /** `all`: every dynamic key; else those listed. */
  readonly dynamic: 'all' | readonly string[];
}

/**
 * What `outputFields` asks for. `*` is every field; a name that no field has is a dynamic key, or an
 * error where the collection has none.
 */
export function parseProjection(
  names: readonly string[],
  spec: CollectionSpec,
  options: { readonly starVectors: boolean } = { starVectors: true },
): Projection {
  const wanted = new Set(names);
  const star = wanted.delete('*');
  const meta = wanted.delete('$meta');
  const fields = spec.fields.filter((field) => star || wanted.has(field.name));
  const vectors = fields.filter(
    (field) => field.type === 'FloatVector' && (options.starVectors || wanted.has(field.name)),
  );
  for (const field of spec.fields) wanted.delete(field.name);
  for (const name of wanted) checkDynamicName(name, spec);
  return {
    key: fields.some((field) => field.primary),
    scalars: fields.filter((field) => field.type !== 'FloatVector' && !field.primary),
    vectors,
    dynamic: star || meta ? 'all' : [...wanted],
  };
}

function checkDynamicName(name: string, spec: CollectionSpec): void {
  if (!/^[^()[\]]+$/.test(name)) throw invalid(`parse output field name failed: ${name}`);
  if (!spec.dynamic) throw invalid(`field ${name} not exist`);
}

/** One row as it leaves, without the primary key. */
export function projectRow(
  row: StoredRow,
  projection: Projection,
  vector: (field: FieldSpec) => Float32Array,
): { [field: string]: MilvusRow[string] } {
  const out: { [field: string]: MilvusRow[string] } = {};
  for (const field of projection.scalars) {
    const value = row.values[field.name];
    if (value !== undefined) out[field.name] = leaveScalar(value, field);
  }
  for (const field of projection.vectors) out[field.name] = vector(field);
  if (row.dynamic !== null) {
    const keys = projection.dynamic === 'all' ? Object.keys(row.dynamic) : projection.dynamic;
    for (const key of keys) {
      const value = Object.hasOwn(row.dynamic, key) ? row.dynamic[key] : undefined;
      if (value !== undefined) out[key] = leaveJson(value) as MilvusRow[string];
    }
  }
  return out;
}

function leaveScalar(value: StoredJson, field: FieldSpec): MilvusRow[string] {
  if (field.type === 'Int64' && value !== null) return String(value);
  return leaveJson(value) as MilvusRow[string];
}

/** The row with its primary key first. */
export function withKey(
  row: StoredRow,
  spec: CollectionSpec,
  rest: { readonly [field: string]: MilvusRow[string] },
): MilvusRow {
  return { [keyField(spec).name]: keyText(row.key), ...rest };
}
