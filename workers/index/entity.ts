/**
 * Rows that callers bring, checked against the schema before anything is stored: one bad row refuses
 * the whole call. Errors are 1804 with the place of the row, 1100 for what Milvus checks later.
 */
import { type Body, invalid, isObject } from './body.ts';
import { parseInt64 } from './int64.ts';
import { parseJson, type StoredJson } from './json.ts';
import type { PrimaryKey } from './keys.ts';
import { badRow, castError, parseScalar, parseText, show } from './scalar-value.ts';
import {
  type CollectionSpec,
  dimensionOf,
  type FieldSpec,
  functionOf,
  keyField,
} from './schema.ts';
import { isForbiddenName } from './schema-field.ts';
import { isComparable } from './vector-length.ts';

/** A row as it is kept: declared scalars by name (Int64 as bigint), dynamic keys apart, vectors elsewhere. */
export interface StoredRow {
  readonly key: PrimaryKey;
  readonly values: { readonly [field: string]: StoredJson };
  readonly dynamic: { readonly [key: string]: StoredJson } | null;
}

/** A checked row; the key is null where it is still to be generated. */
export interface DraftRow {
  readonly key: PrimaryKey | null;
  readonly values: { readonly [field: string]: StoredJson };
  readonly dynamic: { readonly [key: string]: StoredJson } | null;
}

export interface DraftRows {
  readonly rows: readonly DraftRow[];
  /** By vector field whose vectors the caller brought: row-major, rows x dimension. */
  readonly vectors: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
}

/** The `data` member of insert and upsert: a row or a list of rows. */
export function parseRows(
  data: unknown,
  spec: CollectionSpec,
  mode: 'insert' | 'upsert',
): DraftRows {
  const list = Array.isArray(data) ? data : data === undefined || data === null ? [] : [data];
  if (list.length === 0) throw badRow('missing required parameters: [data]');
  const vectors = new Map<string, Float32Array<ArrayBuffer>>();
  for (const field of spec.fields) {
    if (field.type === 'FloatVector' && functionOf(spec, field.name) === undefined) {
      vectors.set(field.name, new Float32Array(list.length * dimensionOf(field)));
    }
  }
  const rows = list.map((row: unknown, at) => parseRow(row, at, spec, mode, vectors));
  return { rows, vectors };
}

/** One row; `at` names it in errors. `vectors` takes those that the caller brings, by field. */
export function parseRow(
  raw: unknown,
  at: number,
  spec: CollectionSpec,
  mode: 'insert' | 'upsert',
  vectors: ReadonlyMap<string, Float32Array>,
): DraftRow {
  if (!isObject(raw)) throw badRow(`row ${at} is no object`);
  const values: { [field: string]: StoredJson } = {};
  for (const field of spec.fields) {
    if (field.primary) continue;
    if (field.type === 'FloatVector') readVector(raw, field, at, spec, vectors);
    else values[field.name] = readScalar(raw, field, at);
  }
  return { key: parseRowKey(raw, at, spec, mode), values, dynamic: parseDynamic(raw, at, spec) };
}

/** What is missing or null is the default where there is one, else null where the field may be. */
function readScalar(raw: Body, field: FieldSpec, at: number): StoredJson {
  const value = Object.hasOwn(raw, field.name) ? raw[field.name] : undefined;
  if (value === undefined || value === null) {
    if (field.defaultValue !== undefined) return field.defaultValue;
    if (field.nullable === true) return null;
  }
  return parseScalar(present(raw, field, at), field, `field ${field.name} of row ${at}`);
}

function present(raw: Body, field: FieldSpec, at: number): unknown {
  const value = Object.hasOwn(raw, field.name) ? raw[field.name] : undefined;
  if (value === undefined) throw badRow(`row ${at} misses field ${field.name}`);
  if (value === null) throw badRow(`field ${field.name} of row ${at} is null, but not nullable`);
  return value;
}

function parseRowKey(
  raw: Body,
  at: number,
  spec: CollectionSpec,
  mode: 'insert' | 'upsert',
): PrimaryKey | null {
  const field = keyField(spec);
  if (spec.autoId && mode === 'insert') {
    if (Object.hasOwn(raw, field.name)) {
      throw invalid(
        `the key ${field.name} of row ${at} is generated (autoID) and cannot be given: invalid parameter`,
      );
    }
    return null;
  }
  return parseKey(present(raw, field, at), field, `field ${field.name} of row ${at}`);
}

/** A primary key as a caller writes it: digits, number or bigint for Int64, a string for VarChar. */
export function parseKey(value: unknown, field: FieldSpec, where: string): PrimaryKey {
  const key = field.type === 'Int64' ? parseInt64(value) : null;
  if (key !== null) return key;
  if (field.type === 'Int64') throw badRow(castError(value, 'Int64', where));
  return parseText(value, field, where);
}

/** A key that a read names: any key is asked for that could be one, whatever its length. */
export function parseWantedKey(value: unknown, field: FieldSpec, where: string): PrimaryKey {
  if (field.type === 'VarChar') {
    if (typeof value === 'string') return value;
    // A VarChar key may be written as a number, as on a server.
    if (typeof value === 'number') return String(value);
  } else {
    const key = parseInt64(value);
    if (key !== null) return key;
  }
  throw invalid(castError(value, field.type, where));
}

function readVector(
  raw: Body,
  field: FieldSpec,
  at: number,
  spec: CollectionSpec,
  vectors: ReadonlyMap<string, Float32Array>,
): void {
  const where = `field ${field.name} of row ${at}`;
  const into = vectors.get(field.name);
  if (into === undefined) {
    const fills = functionOf(spec, field.name)?.name;
    if (!Object.hasOwn(raw, field.name)) return;
    throw invalid(
      `${where} is the output of function ${fills} and cannot be given: leave it out, or declare a vector field without a function`,
    );
  }
  const dimension = dimensionOf(field);
  copyVector(present(raw, field, at), into.subarray(at * dimension, (at + 1) * dimension), (why) =>
    badRow(`${where}: ${why}`),
  );
}

/** Copies a caller's vector into `into`, whose length is the dimension; refuses other dimensions, numbers that float32 cannot hold, and vectors beyond the kernel's length. */
export function copyVector(
  value: unknown,
  into: Float32Array,
  refuse: (why: string) => Error,
): void {
  if (!Array.isArray(value) && !(value instanceof Float32Array)) {
    throw refuse(`a vector is a list of numbers or a Float32Array, got ${show(value)}`);
  }
  if (value.length !== into.length) {
    throw refuse(`vector dimension mismatch: expected ${into.length}, got ${value.length}`);
  }
  let squares = 0;
  for (let i = 0; i < into.length; i++) {
    const number: unknown = value[i];
    if (typeof number !== 'number') throw refuse(`element ${i} is no number: ${show(number)}`);
    into[i] = number;
    if (!Number.isFinite(into[i])) throw refuse(`element ${i} is not a finite float32: ${number}`);
    squares += (into[i] as number) ** 2;
  }
  // Stored, it would keep the whole field from being searched.
  if (!isComparable(squares)) throw refuse('the vector is longer than 1e18');
}

function parseDynamic(
  raw: Body,
  at: number,
  spec: CollectionSpec,
): { readonly [key: string]: StoredJson } | null {
  const extra: { [key: string]: unknown } = {};
  let count = 0;
  for (const key of Object.keys(raw)) {
    if (spec.fields.some((field) => field.name === key)) continue;
    if (!spec.dynamic) {
      throw badRow(
        `row ${at} has field ${key}, which collection ${spec.name} has not (enableDynamicField is off)`,
      );
    }
    if (isForbiddenName(key) || key === '$meta')
      throw badRow(`row ${at} has the forbidden name ${key}`);
    extra[key] = raw[key];
    count += 1;
  }
  if (count === 0) return null;
  return parseJson(extra, `dynamic field of row ${at}`) as { [key: string]: StoredJson };
}
