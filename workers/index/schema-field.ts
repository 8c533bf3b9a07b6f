/** One field of a schema. */
import { milvusError } from '../../src/shared/errors.ts';
import type { DataType } from '../../src/shared/milvus-types.ts';
import {
  type Body,
  invalid,
  isObject,
  optionalFlag,
  optionalObject,
  optionalText,
  refuseUnknown,
  wholeNumber,
} from './body.ts';
import type { StoredJson } from './json.ts';
import { parseScalar } from './scalar-value.ts';
import type { ElementSpec, FieldSpec } from './schema.ts';

const TYPES: readonly DataType[] = [
  'Bool',
  'Int8',
  'Int16',
  'Int32',
  'Int64',
  'Float',
  'Double',
  'VarChar',
  'JSON',
  'Array',
  'FloatVector',
];

const FIELD_MEMBERS = [
  'fieldName',
  'dataType',
  'isPrimary',
  'elementTypeParams',
  'elementDataType',
  'description',
  'autoID',
  'nullable',
  'defaultValue',
  'isPartitionKey',
  'isClusteringKey',
];

const ELEMENT_TYPES: readonly ElementSpec['type'][] = [
  'Bool',
  'Int8',
  'Int16',
  'Int32',
  'Int64',
  'Float',
  'Double',
  'VarChar',
];

/** Milvus's bounds. */
const MAX_CAPACITY = 4_096;
const MAX_LENGTH = 65_535;
/** The kernel of the vector index ends here; Milvus goes to 32,768. */
const MAX_DIMENSION = 4_096;
const MIN_DIMENSION = 2;
const MAX_NAME = 255;

/** Names that JavaScript objects already answer to. */
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);

export function isForbiddenName(name: string): boolean {
  return FORBIDDEN.has(name);
}

export function parseField(raw: unknown, id: number): FieldSpec {
  if (!isObject(raw)) throw invalid('a field of the schema must be an object');
  const name = fieldName(raw);
  refuseUnknown(raw, FIELD_MEMBERS, `field ${name}`);
  for (const later of ['isPartitionKey', 'isClusteringKey']) {
    if (optionalFlag(raw, later, false))
      throw invalid(`"${later}" of field ${name} is not supported`);
  }
  const type = dataType(raw, name);
  const primary = optionalFlag(raw, 'isPrimary', false);
  if (primary && type !== 'Int64' && type !== 'VarChar') {
    throw invalid(
      `the data type of primary key should be Int64 or VarChar, field ${name} is ${type}`,
    );
  }
  const params = optionalObject(raw, 'elementTypeParams');
  refuseUnknown(
    params,
    ['max_length', 'max_capacity', 'dim'],
    `elementTypeParams of field ${name}`,
  );
  const field: FieldSpec = {
    id,
    name,
    type,
    description: optionalText(raw, 'description'),
    primary,
    maxLength: type === 'VarChar' ? maxLength(params, name, primary) : null,
    dimension: type === 'FloatVector' ? dimension(params, name) : null,
    ...(type === 'Array' ? arrayOf(raw, params, name) : {}),
    ...(isNullable(raw, name, type, primary) ? { nullable: true } : {}),
  };
  if (type !== 'Array' && raw.elementDataType !== undefined) {
    throw invalid(`"elementDataType" of field ${name} belongs to fields of type Array`);
  }
  return raw.defaultValue == null ? field : { ...field, defaultValue: defaultOf(raw, field) };
}

function arrayOf(
  raw: Body,
  params: Body,
  name: string,
): Required<Pick<FieldSpec, 'element' | 'maxCapacity'>> {
  const type = ELEMENT_TYPES.find((each) => each === raw.elementDataType);
  if (type === undefined) {
    throw invalid(
      `element type ${String(raw.elementDataType)} of field ${name} is unknown or not supported, error: supported, case sensitive: ${ELEMENT_TYPES.join(', ')}`,
    );
  }
  const maxCapacity = wholeNumber(params.max_capacity);
  if (maxCapacity === null || maxCapacity < 1 || maxCapacity > MAX_CAPACITY) {
    throw invalid(
      `the maximum capacity specified for an Array should be in (0, ${MAX_CAPACITY}]: invalid parameter[field=${name}]`,
    );
  }
  const length = type === 'VarChar' ? maxLength(params, name, false) : null;
  return { element: { type, maxLength: length }, maxCapacity };
}

function isNullable(raw: Body, name: string, type: DataType, primary: boolean): boolean {
  if (!optionalFlag(raw, 'nullable', false)) return false;
  if (!primary && type !== 'FloatVector') return true;
  throw invalid(`a ${primary ? 'primary key' : 'vector field'} cannot be nullable: field ${name}`);
}

/** Kept as a row would keep it. */
function defaultOf(raw: Body, field: FieldSpec): StoredJson {
  const { name, type, primary } = field;
  if (primary || type === 'FloatVector' || type === 'JSON' || type === 'Array') {
    throw invalid(`field ${name} of type ${type} cannot have a default value`);
  }
  try {
    return parseScalar(raw.defaultValue, field, `the default value of field ${name}`);
  } catch (error) {
    throw invalid((error as Error).message);
  }
}

function fieldName(raw: Body): string {
  const name = raw.fieldName;
  const wrong = (why: string) =>
    milvusError(1701, `${why}: field name invalid[field=${typeof name === 'string' ? name : ''}]`);
  if (typeof name !== 'string' || name === '') throw wrong('field name should not be empty');
  if (name.length > MAX_NAME) {
    throw wrong(
      `Invalid field name: ${name}. The length of a field name must be less than 255 characters.`,
    );
  }
  if (!/^[A-Za-z_]/.test(name)) {
    throw wrong(
      `Invalid field name: ${name}. The first character of a field name must be an underscore or letter.`,
    );
  }
  if (!/^[A-Za-z0-9_]+$/.test(name) || isForbiddenName(name)) {
    throw wrong(
      `Invalid field name: ${name}. Field name cannot only contain numbers, letters, and underscores.`,
    );
  }
  return name;
}

function dataType(raw: Body, name: string): DataType {
  const type = TYPES.find((each) => each === raw.dataType);
  if (type === undefined) {
    throw invalid(
      `data type ${String(raw.dataType)} of field ${name} is unknown or not supported, error: supported, case sensitive: ${TYPES.join(', ')}`,
    );
  }
  return type;
}

function maxLength(params: Body, name: string, primary: boolean): number {
  if (params.max_length === undefined) {
    // Milvus gives a quick-created VarChar key its full length.
    if (primary) return MAX_LENGTH;
    throw invalid(
      `type param(max_length) should be specified for varChar field of collection, field ${name}`,
    );
  }
  const length = wholeNumber(params.max_length);
  if (length === null || length < 1 || length > MAX_LENGTH) {
    throw invalid(
      `the maximum length specified for a VarChar should be in (0, ${MAX_LENGTH}]: invalid parameter[field=${name}]`,
    );
  }
  return length;
}

function dimension(params: Body, name: string): number {
  if (params.dim === undefined) {
    throw invalid(
      `dimension is not defined in field type params, check type param \`dim\` for vector field ${name}`,
    );
  }
  const value = wholeNumber(params.dim);
  if (value === null || value < MIN_DIMENSION || value > MAX_DIMENSION) {
    throw invalid(
      `invalid dimension: ${String(params.dim)} of field ${name}. should be in range ${MIN_DIMENSION} ~ ${MAX_DIMENSION}`,
    );
  }
  return value;
}
