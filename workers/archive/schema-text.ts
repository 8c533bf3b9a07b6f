/** A collection's schema as text: the body of `collections/create` that makes the same collection. */
import type { StoredJson } from '../index/json.ts';
import { type CollectionSpec, type FieldSpec, parseCreate, sameSpec } from '../index/schema.ts';
import { JsonTextError, jsonText, parseJsonText } from './json-text.ts';
import { archiveInvalid } from './limits.ts';

const MAX_DEPTH = 66;

/** The canonical text: equal specs give equal bytes. */
export function schemaText(spec: CollectionSpec): string {
  return jsonText(createBody(spec));
}

function createBody(spec: CollectionSpec): StoredJson {
  return {
    collectionName: spec.name,
    schema: {
      autoID: spec.autoId,
      enableDynamicField: spec.dynamic,
      description: spec.description,
      fields: spec.fields.map(fieldBody),
      functions: spec.functions.map(({ name, description, input, output, params }) => ({
        name,
        type: 'TextEmbedding',
        description,
        inputFieldNames: [input],
        outputFieldNames: [output],
        params: params as StoredJson,
      })),
    },
    indexParams: spec.indexes.map((index) => ({
      fieldName: index.fieldName,
      indexName: index.indexName,
      metricType: index.metricType,
      indexType: index.indexType,
      params: index.params as StoredJson,
    })),
  };
}

function fieldBody(field: FieldSpec): StoredJson {
  const params: { [name: string]: StoredJson } = {};
  if (field.maxLength !== null) params.max_length = field.maxLength;
  if (field.element?.maxLength) params.max_length = field.element.maxLength;
  if (field.maxCapacity !== undefined) params.max_capacity = field.maxCapacity;
  if (field.dimension !== null) params.dim = field.dimension;
  return {
    fieldName: field.name,
    dataType: field.type,
    description: field.description,
    isPrimary: field.primary,
    elementTypeParams: params,
    ...(field.element ? { elementDataType: field.element.type } : {}),
    ...(field.nullable ? { nullable: true } : {}),
    ...(field.defaultValue === undefined ? {} : { defaultValue: field.defaultValue }),
  };
}

/** The spec of a text that {@link schemaText} wrote; throws `archive_invalid` for any other. */
export function parseSchemaText(text: string, where: string): CollectionSpec {
  const spec = parseSpec(text, where);
  if (schemaText(spec) !== text) {
    throw archiveInvalid(where, 'it is not written as this format writes a schema');
  }
  return spec;
}

function parseSpec(text: string, where: string): CollectionSpec {
  try {
    return parseCreate(parseJsonText(text, MAX_DEPTH));
  } catch (error) {
    if (error instanceof JsonTextError) throw archiveInvalid(where, `it ${error.message}`);
    throw archiveInvalid(where, (error as Error).message, error);
  }
}

/** Whether the text of a spec gives that spec again: what a store holds and an archive cannot say is not exported. */
export function survives(spec: CollectionSpec): boolean {
  try {
    return sameSpec(parseSchemaText(schemaText(spec), spec.name), spec);
  } catch {
    return false;
  }
}
