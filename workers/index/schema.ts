/**
 * What a collection is, parsed from the body of `collections/create`. A spec is plain data: it is
 * stored as it is, and two creates are the same exactly when their specs are.
 */
import { milvusError } from '../../src/shared/errors.ts';
import type { DataType, JsonValue, MetricType } from '../../src/shared/milvus-types.ts';
import {
  type Body,
  collectionName,
  invalid,
  isObject,
  missing,
  optionalFlag,
  optionalObject,
  optionalText,
  parseBody,
  refuseUnknown,
  wholeNumber,
} from './body.ts';
import type { StoredJson } from './json.ts';
import { parseField } from './schema-field.ts';
import { parseFunctions } from './schema-function.ts';
import { parseIndexes } from './schema-index.ts';

export interface FieldSpec {
  /** Milvus numbers fields from 100. */
  readonly id: number;
  readonly name: string;
  readonly type: DataType;
  readonly description: string;
  readonly primary: boolean;
  /** VarChar: bytes of UTF-8. */
  readonly maxLength: number | null;
  /** FloatVector. */
  readonly dimension: number | null;
  /** Array: what its elements are. */
  readonly element?: ElementSpec;
  /** Array: most elements. */
  readonly maxCapacity?: number;
  /** Absent: a value must be given. */
  readonly nullable?: true;
  /** Taken where no value, or null, is given. */
  readonly defaultValue?: StoredJson;
}

export interface ElementSpec {
  readonly type: Exclude<DataType, 'Array' | 'JSON' | 'FloatVector'>;
  /** VarChar: bytes of UTF-8. */
  readonly maxLength: number | null;
}

export interface VectorIndexSpec {
  readonly fieldName: string;
  readonly indexName: string;
  readonly metricType: MetricType;
  /** As asked for; what is really built is {@link VectorIndexSpec.built}. */
  readonly indexType: string;
  readonly built: 'FLAT' | 'HNSW';
  readonly params: { readonly [key: string]: JsonValue };
}

/** A TextEmbedding function: the text of one field becomes the vector of another. */
export interface FunctionSpec {
  readonly name: string;
  readonly description: string;
  readonly input: string;
  readonly output: string;
  readonly params: { readonly [key: string]: JsonValue };
}

export interface CollectionSpec {
  readonly name: string;
  readonly description: string;
  readonly autoId: boolean;
  readonly dynamic: boolean;
  readonly fields: readonly FieldSpec[];
  readonly functions: readonly FunctionSpec[];
  readonly indexes: readonly VectorIndexSpec[];
}

const FIRST_FIELD_ID = 100;
const MAX_FIELDS = 64;

const CREATE_MEMBERS = [
  'collectionName',
  'description',
  'schema',
  'indexParams',
  'dimension',
  'metricType',
  'idType',
  'autoID',
  'primaryFieldName',
  'vectorFieldName',
  'params',
  'consistencyLevel',
];

/** Members of `params` that change nothing in a single page: there is one shard, one partition, and reads see all writes. */
const HARMLESS_PARAMS = ['shardsNum', 'partitionsNum', 'consistencyLevel'];

/** The spec that a create body asks for; throws the error of Milvus where it asks for something impossible. */
export function parseCreate(raw: unknown): CollectionSpec {
  const body = parseBody(raw, CREATE_MEMBERS);
  const name = collectionName(body);
  const draft = body.schema === undefined ? quickSchema(body) : fullSchema(body, name);
  checkFields(draft.fields, name);
  const { functions, fields } = draft;
  const spec = { ...draft, name, description: draft.description, indexes: [] };
  return {
    ...spec,
    functions: parseFunctions(functions, fields),
    indexes: parseIndexes(draft.indexes, fields),
  };
}

interface Draft {
  readonly description: string;
  readonly autoId: boolean;
  readonly dynamic: boolean;
  readonly fields: readonly FieldSpec[];
  readonly functions: unknown;
  readonly indexes: unknown;
}

function quickSchema(body: Body): Draft {
  const dimension = body.dimension;
  if (dimension === undefined) throw missing('dimension');
  const params = optionalObject(body, 'params');
  refuseUnknown(params, ['max_length', 'enableDynamicField', ...HARMLESS_PARAMS], 'params');
  if (body.indexParams !== undefined && body.metricType !== undefined) {
    throw invalid('"metricType" cannot stand beside "indexParams", which name their own');
  }
  const vector = optionalText(body, 'vectorFieldName', 'vector');
  const key = {
    fieldName: optionalText(body, 'primaryFieldName', 'id'),
    dataType: optionalText(body, 'idType', 'Int64'),
    isPrimary: true,
    elementTypeParams: params.max_length === undefined ? {} : { max_length: params.max_length },
  };
  const fields = [
    parseField(key, FIRST_FIELD_ID),
    parseField(
      { fieldName: vector, dataType: 'FloatVector', elementTypeParams: { dim: dimension } },
      FIRST_FIELD_ID + 1,
    ),
  ];
  return {
    description: optionalText(body, 'description'),
    autoId: optionalFlag(body, 'autoID', false),
    dynamic: optionalFlag(params, 'enableDynamicField', true),
    fields,
    functions: [],
    indexes: body.indexParams ?? [
      { fieldName: vector, metricType: body.metricType ?? 'COSINE', indexType: 'AUTOINDEX' },
    ],
  };
}

function fullSchema(body: Body, name: string): Draft {
  const schema = body.schema;
  if (!isObject(schema)) throw invalid('"schema" must be an object');
  for (const quick of [
    'dimension',
    'idType',
    'primaryFieldName',
    'vectorFieldName',
    'metricType',
  ]) {
    if (body[quick] !== undefined) {
      throw invalid(`"${quick}" belongs to quick create and cannot stand beside "schema"`);
    }
  }
  refuseUnknown(
    schema,
    ['autoID', 'autoId', 'enableDynamicField', 'description', 'fields', 'functions'],
    'schema',
  );
  refuseUnknown(optionalObject(body, 'params'), HARMLESS_PARAMS, 'params');
  if (!Array.isArray(schema.fields)) throw missing('schema.fields');
  if (schema.fields.length > MAX_FIELDS) {
    throw invalid(`maximum field's number should be limited to ${MAX_FIELDS}, collection ${name}`);
  }
  return {
    description: optionalText(body, 'description', optionalText(schema, 'description')),
    autoId: optionalFlag(
      schema,
      'autoID',
      optionalFlag(schema, 'autoId', optionalFlag(body, 'autoID', false)),
    ),
    dynamic: optionalFlag(schema, 'enableDynamicField', false),
    fields: schema.fields.map((field, i) => parseField(field, FIRST_FIELD_ID + i)),
    functions: schema.functions,
    indexes: body.indexParams ?? [],
  };
}

function checkFields(fields: readonly FieldSpec[], name: string): void {
  const seen = new Set<string>();
  for (const field of fields) {
    if (seen.has(field.name)) throw invalid(`duplicated field name: ${field.name}`);
    seen.add(field.name);
  }
  const keys = fields.filter((field) => field.primary);
  if (keys.length === 0) throw invalid(`there is no primary key in collection ${name}`);
  if (keys.length > 1) {
    throw invalid(
      `there are more than one primary key, field name = ${keys.map((k) => k.name).join(', ')}`,
    );
  }
  if (!fields.some((field) => field.type === 'FloatVector')) {
    throw invalid(`schema does not contain vector field: invalid parameter[collection=${name}]`);
  }
}

/** The primary key field; every spec has one. */
export function keyField(spec: CollectionSpec): FieldSpec {
  const field = spec.fields.find((each) => each.primary);
  if (field === undefined) throw milvusError(105, `collection ${spec.name} has no primary key`);
  return field;
}

export function vectorFields(spec: CollectionSpec): readonly FieldSpec[] {
  return spec.fields.filter((field) => field.type === 'FloatVector');
}

/** The function that fills a vector field, or undefined when the caller brings the vectors. */
export function functionOf(spec: CollectionSpec, fieldName: string): FunctionSpec | undefined {
  return spec.functions.find((each) => each.output === fieldName);
}

/** Whether each vector field has an index: the collection can be loaded. */
export function isIndexed(spec: CollectionSpec): boolean {
  return vectorFields(spec).every(({ name }) =>
    spec.indexes.some((index) => index.fieldName === name),
  );
}

/** Dimension of a vector field; 0 for any other. */
export function dimensionOf(field: FieldSpec): number {
  return wholeNumber(field.dimension) ?? 0;
}

/** True when two creates ask for the same collection. */
export function sameSpec(a: CollectionSpec, b: CollectionSpec): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    isObject(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
