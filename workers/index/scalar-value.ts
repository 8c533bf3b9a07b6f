/** Values of scalar fields, checked against their field. */
import { milvusError } from '../../src/shared/errors.ts';
import { invalid, isObject } from './body.ts';
import { parseInt64 } from './int64.ts';
import { parseJson, type StoredJson } from './json.ts';
import type { FieldSpec } from './schema.ts';
import { utf8Length } from './utf8.ts';

/** Error 1804: a row that cannot be stored. */
export function badRow(detail: string): Error {
  return milvusError(1804, `fail to deal the insert data, error: ${detail}`);
}

export function castError(value: unknown, type: string, where: string): string {
  const rounded =
    typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
      ? ' (a number beyond 2^53 is already rounded: pass digits or a bigint)'
      : '';
  return `unable to cast ${show(value)} of ${where} to ${type}${rounded}`;
}

export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80));
  if (typeof value === 'object') return Array.isArray(value) ? 'a list' : 'an object';
  return String(value);
}

export function parseText(value: unknown, field: FieldSpec, where: string): string {
  if (typeof value !== 'string') throw badRow(castError(value, 'VarChar', where));
  if (!value.isWellFormed()) {
    throw badRow(`${where} holds half a surrogate pair, which no UTF-8 text can`);
  }
  const bytes = utf8Length(value);
  const limit = field.maxLength ?? 0;
  if (bytes > limit) {
    throw invalid(
      `the length (${bytes}) of ${where} exceeds max length (${limit}), in bytes of UTF-8: invalid parameter`,
    );
  }
  return value;
}

const INT_BOUNDS = { Int8: 127, Int16: 32_767, Int32: 2_147_483_647 } as const;

/** A value of a scalar field that is not null; `where` names it in errors. */
export function parseScalar(value: unknown, field: FieldSpec, where: string): StoredJson {
  switch (field.type) {
    case 'Bool':
      if (typeof value !== 'boolean') throw badRow(castError(value, 'Bool', where));
      return value;
    case 'Int8':
    case 'Int16':
    case 'Int32':
      return parseSmallInt(value, field.type, where);
    case 'Int64': {
      const parsed = parseInt64(value);
      if (parsed === null) throw badRow(castError(value, 'Int64', where));
      return parsed;
    }
    case 'Float':
    case 'Double':
      return parseFloating(value, field.type, where);
    case 'VarChar':
      return parseText(value, field, where);
    case 'JSON':
      if (!isObject(value)) throw badRow(castError(value, 'JSON object', where));
      return parseJson(value, where);
    case 'Array':
      return parseArray(value, field, where);
    case 'FloatVector':
      throw badRow(`${where} is a vector`);
  }
}

function parseSmallInt(value: unknown, type: keyof typeof INT_BOUNDS, where: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  const high = INT_BOUNDS[type];
  if (typeof number !== 'number' || !Number.isInteger(number)) {
    throw badRow(castError(value, type, where));
  }
  if (number > high || number < -high - 1) throw badRow(`${where} is out of the range of ${type}`);
  return number + 0;
}

function parseFloating(value: unknown, type: 'Float' | 'Double', where: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number !== 'number') throw badRow(castError(value, type, where));
  const stored = type === 'Float' ? Math.fround(number) : number;
  if (!Number.isFinite(stored)) throw badRow(`${where} is not a finite ${type}`);
  return stored;
}

/** Whole numbers of Int64 lists are kept as JSON keeps them: a bigint only beyond 2^53. */
function parseArray(value: unknown, field: FieldSpec, where: string): StoredJson {
  const { element, maxCapacity = 0 } = field;
  if (!Array.isArray(value) || element === undefined)
    throw badRow(castError(value, 'Array', where));
  if (value.length > maxCapacity) {
    throw invalid(
      `the length (${value.length}) of ${where} exceeds max capacity (${maxCapacity}): invalid parameter`,
    );
  }
  const item: FieldSpec = { ...field, type: element.type, maxLength: element.maxLength };
  return value.map((each: unknown, i) => {
    const parsed = parseScalar(each, item, `element ${i} of ${where}`);
    if (typeof parsed !== 'bigint') return parsed;
    const number = Number(parsed);
    return Number.isSafeInteger(number) ? number : parsed;
  });
}
