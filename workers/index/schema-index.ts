/** Vector indexes that a create body asks for. */
import { milvusError } from '../../src/shared/errors.ts';
import type { MetricType } from '../../src/shared/milvus-types.ts';
import { type Body, invalid, isObject, optionalText, refuseUnknown, wholeNumber } from './body.ts';
import { parseJson } from './json.ts';
import type { FieldSpec, VectorIndexSpec } from './schema.ts';

const METRICS: readonly MetricType[] = ['L2', 'IP', 'COSINE'];

/** Index types of Milvus for float vectors; all but FLAT are served by the graph. */
const TYPES = [
  'FLAT',
  'HNSW',
  'AUTOINDEX',
  'IVF_FLAT',
  'IVF_SQ8',
  'IVF_PQ',
  'IVF_RABITQ',
  'HNSW_SQ',
  'HNSW_PQ',
  'HNSW_PRQ',
  'DISKANN',
  'SCANN',
];

/** Milvus's bounds of graph parameters. */
const BOUNDS = { M: [2, 2_048], efConstruction: [1, 2_147_483_647] } as const;

export function parseIndexes(
  raw: unknown,
  fields: readonly FieldSpec[],
): readonly VectorIndexSpec[] {
  if (!Array.isArray(raw)) throw invalid('"indexParams" must be a list');
  const indexes = raw.map((each: unknown) => parseIndex(each, fields));
  const seen = new Set<string>();
  for (const { fieldName } of indexes) {
    if (seen.has(fieldName)) {
      throw invalid('CreateIndex failed: creating multiple indexes on same field is not supported');
    }
    seen.add(fieldName);
  }
  return indexes;
}

function parseIndex(raw: unknown, fields: readonly FieldSpec[]): VectorIndexSpec {
  if (!isObject(raw)) throw invalid('an item of "indexParams" must be an object');
  refuseUnknown(
    raw,
    ['fieldName', 'indexName', 'metricType', 'indexType', 'params'],
    'indexParams',
  );
  const fieldName = optionalText(raw, 'fieldName');
  const field = fields.find((each) => each.name === fieldName);
  if (field === undefined) {
    throw milvusError(
      1802,
      `missing required parameters, error: hasn't defined field: ${fieldName} in schema`,
    );
  }
  if (field.type !== 'FloatVector') {
    throw invalid(`index on field ${fieldName} of type ${field.type} is not supported`);
  }
  const params = raw.params ?? {};
  if (!isObject(params)) throw invalid('"params" of an index must be an object');
  const { indexType, hoisted } = indexTypeOf(raw, params);
  checkGraph(hoisted);
  return {
    fieldName,
    indexName: optionalText(raw, 'indexName') || fieldName,
    metricType: metricOf(raw),
    indexType,
    built: indexType === 'FLAT' ? 'FLAT' : 'HNSW',
    params: parseJson(hoisted, 'params of an index') as VectorIndexSpec['params'],
  };
}

/** REST v2 also takes the index type inside `params`, as `index_type`. */
function indexTypeOf(raw: Body, params: Body): { indexType: string; hoisted: Body } {
  const { index_type: inner, ...hoisted } = params;
  const indexType = raw.indexType ?? inner ?? 'AUTOINDEX';
  if (typeof indexType !== 'string' || !TYPES.includes(indexType)) {
    throw invalid(`invalid index type: ${String(indexType)}, supported: ${TYPES.join(', ')}`);
  }
  return { indexType, hoisted };
}

function metricOf(raw: Body): MetricType {
  const asked = raw.metricType ?? 'COSINE';
  const metric = METRICS.find((each) => each === asked);
  if (metric === undefined) {
    throw invalid(`metric type not found or not supported, supported: [${METRICS.join(' ')}]`);
  }
  return metric;
}

function checkGraph(params: Body): void {
  for (const [name, [low, high]] of Object.entries(BOUNDS)) {
    if (params[name] === undefined) continue;
    const value = wholeNumber(params[name]);
    if (value === null || value < low || value > high) {
      throw invalid(`${name} out of range: [${low}, ${high}]`);
    }
  }
}
