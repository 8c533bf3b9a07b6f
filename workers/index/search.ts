/** search: nearest rows by vector or by text, filtered, ranged, paged. */
import type { SearchHit } from '../../src/shared/milvus-types.ts';
import {
  type Body,
  collectionName,
  invalid,
  missing,
  optionalObject,
  optionalText,
  parseBody,
  readWindow,
  refuseUnknown,
  textList,
} from './body.ts';
import { type Collection, searchedField } from './collection.ts';
import { embedTexts, mismatch } from './embedder.ts';
import type { CallScope } from './endpoints.ts';
import { copyVector } from './entity.ts';
import type { CompiledFilter } from './filter/compile.ts';
import { type Projection, parseProjection, projectRow, withKey } from './project.ts';
import { checkPartitions, openVectors, vectorAt } from './read.ts';
import type { RowTable, Selection } from './rows.ts';
import { dimensionOf, type FieldSpec, functionOf } from './schema.ts';
import { StaleView } from './store.ts';
import type { Nearest, VectorField } from './vector-field.ts';
import { wantedFilter } from './wanted-filter.ts';

const MEMBERS = [
  'collectionName',
  'data',
  'annsField',
  'filter',
  'exprParams',
  'limit',
  'offset',
  'outputFields',
  'searchParams',
  'partitionNames',
  'consistencyLevel',
];
/** Query vectors of one call. */
const MAX_QUERIES = 16_384;
/** Hits of one answer: some hundred megabytes as a message. Milvus has its bound in bytes. */
const MAX_HITS = 2_000_000;

interface SearchPlan {
  readonly body: Body;
  readonly limit: number;
  readonly offset: number;
  readonly ef: number | undefined;
  readonly range: Range | null;
  readonly metricType: unknown;
}

/** IP and COSINE keep `radius < score <= rangeFilter`, L2 the reverse. */
interface Range {
  readonly radius: number;
  readonly rangeFilter: number | null;
}

export interface SearchAnswer {
  readonly data: readonly SearchHit[];
  readonly topks: readonly number[];
}

export async function search(scope: CallScope, raw: unknown): Promise<SearchAnswer> {
  const plan = parsePlan(raw);
  const { ledger } = scope;
  const name = collectionName(plan.body);
  const before = await ledger.view(async () => searchable(ledger.require(name), plan));
  const queries = await readQueries(scope, before.collection, before.field, plan.body);
  return ledger.view(async () => {
    const { collection, field } = searchable(ledger.require(name), plan);
    checkSpace(scope, collection, field, queries.fingerprint);
    const projection = projectionOf(plan.body, collection);
    const rows = await ledger.rows(collection);
    const vectors = await ledger.vectors(collection, field.name);
    const shown = await openVectors(scope, collection, projection);
    if (vectors.closed || collection.rows !== rows) throw new StaleView();
    const filter = wantedFilter(plan.body, collection.record.spec);
    const selection = selectRows(rows, filter);
    checkHits(queries.vectors.length, plan.limit, selection?.count ?? rows.count);
    const hits = queries.vectors.map((query) => nearest(vectors, query, plan, selection, rows));
    return {
      data: hits.flatMap((each) =>
        each.map(({ row, score }) => toHit(collection, rows, row, score, projection, shown)),
      ),
      topks: hits.map((each) => each.length),
    };
  });
}

function parsePlan(raw: unknown): SearchPlan {
  const body = parseBody(raw, MEMBERS);
  const window = readWindow(body, 'search');
  const wanted = optionalObject(body, 'searchParams');
  refuseUnknown(wanted, ['metricType', 'params', 'ignoreGrowing', 'hints'], 'searchParams');
  const params = optionalObject(wanted, 'params');
  for (const later of ['group_by_field', 'iterator']) {
    if (params[later] !== undefined) throw invalid(`"${later}" is not supported`);
  }
  checkPartitions(body);
  return {
    body,
    ...window,
    ef: finite(params, 'ef'),
    range: parseRange(params),
    metricType: wanted.metricType ?? params.metric_type,
  };
}

/** Parameters of index types that are not built here (`nprobe` and the like) are taken and change nothing, as on a server. */
function finite(params: Body, name: string): number | undefined {
  const value = params[name];
  if (value === undefined) return undefined;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) {
    throw invalid(`"${name}" must be a number`);
  }
  return name === 'ef' ? Math.ceil(number) : number;
}

function parseRange(params: Body): Range | null {
  const radius = finite(params, 'radius');
  const rangeFilter = finite(params, 'range_filter');
  if (radius === undefined) {
    if (rangeFilter !== undefined) throw invalid('"range_filter" needs "radius"');
    return null;
  }
  return { radius, rangeFilter: rangeFilter ?? null };
}

function searchable(
  collection: Collection,
  plan: SearchPlan,
): { readonly collection: Collection; readonly field: FieldSpec } {
  collection.requireLoaded('search');
  const { record } = collection;
  const field = searchedField(record, optionalText(plan.body, 'annsField'));
  const index = record.spec.indexes.find((each) => each.fieldName === field.name);
  if (plan.metricType !== undefined && plan.metricType !== index?.metricType) {
    throw invalid(
      `metric type not match: invalid parameter[expected=${index?.metricType}][actual=${String(plan.metricType)}]`,
    );
  }
  checkRange(plan.range, index?.metricType === 'L2');
  return { collection, field };
}

function checkRange(range: Range | null, ascending: boolean): void {
  if (range === null || range.rangeFilter === null) return;
  const sound = ascending ? range.rangeFilter < range.radius : range.rangeFilter > range.radius;
  if (sound) return;
  throw invalid(
    ascending
      ? 'range_filter must be less than radius for L2'
      : 'range_filter must be greater than radius for IP and COSINE',
  );
}

interface Queries {
  readonly vectors: readonly Float32Array[];
  /** Of the model that embedded texts; null where the caller brought vectors. */
  readonly fingerprint: string | null;
}

async function readQueries(
  scope: CallScope,
  collection: Collection,
  field: FieldSpec,
  body: Body,
): Promise<Queries> {
  const { data } = body;
  if (data === undefined || data === null) throw missing('collectionName', 'data');
  if (!Array.isArray(data) || data.length === 0) {
    throw invalid('"data" must be a list of vectors or of texts, and not empty');
  }
  if (data.length > MAX_QUERIES) {
    throw invalid(
      `nq [${data.length}] is invalid, nq (number of search vector per search request) should be in range [1, ${MAX_QUERIES}]`,
    );
  }
  const dimension = dimensionOf(field);
  if (!data.every((each) => typeof each === 'string')) {
    return {
      vectors: data.map((each: unknown, at) => queryVector(each, at, dimension)),
      fingerprint: null,
    };
  }
  if (functionOf(collection.record.spec, field.name) === undefined) {
    throw invalid(`field ${field.name} has no TextEmbedding function: search it with vectors`);
  }
  const options = { signal: scope.signal, priority: 'query' } as const;
  const { vectors, fingerprint } = await embedTexts(scope.embedder, data, dimension, options);
  return {
    vectors: data.map((_, i) => vectors.subarray(i * dimension, (i + 1) * dimension)),
    fingerprint,
  };
}

function queryVector(raw: unknown, at: number, dimension: number): Float32Array {
  const vector = new Float32Array(dimension);
  copyVector(raw, vector, (why) => invalid(`query ${at} of "data": ${why}`));
  return vector;
}

/** A text is never compared with vectors of another model. */
export function checkSpace(
  scope: CallScope,
  collection: Collection,
  field: FieldSpec,
  fingerprint: string | null,
): void {
  const stored = collection.record.vectors[field.name]?.fingerprint ?? null;
  const isFunction = functionOf(collection.record.spec, field.name) !== undefined;
  const present = fingerprint ?? (isFunction ? scope.fingerprint() : null);
  if (!isFunction || stored === null || present === null || stored === present) return;
  scope.differs(collection, field.name, present);
  throw mismatch(
    stored,
    present,
    `Field ${field.name} of ${collection.name} holds vectors of another model and is being embedded again; try again when that is done. Rows can be queried meanwhile.`,
  );
}

function checkHits(queries: number, limit: number, matching: number): void {
  const hits = queries * Math.min(limit, matching);
  if (hits <= MAX_HITS) return;
  throw invalid(
    `${queries} queries would give ${hits} hits, one answer holds at most ${MAX_HITS}: lower "limit", or send fewer queries at a time`,
  );
}

function projectionOf(body: Body, collection: Collection): Projection {
  return parseProjection(textList(body, 'outputFields') ?? [], collection.record.spec);
}

/** Null where every row of the index is live and none is filtered: the search then needs no bitmap. */
export function selectRows(rows: RowTable, filter: CompiledFilter | null): Selection | null {
  if (filter === null && rows.count === rows.length) return null;
  return rows.select(filter);
}

interface Scored {
  readonly row: number;
  readonly score: number;
}

function nearest(
  field: VectorField,
  query: Float32Array,
  plan: SearchPlan,
  selection: Selection | null,
  rows: RowTable,
): readonly Scored[] {
  const { limit, offset, range, ef } = plan;
  const matching = selection?.count ?? rows.count;
  if (matching === 0 || offset >= matching) return [];
  if (range !== null) {
    const all = field.nearest(query, { limit: matching, selection, exact: true });
    const inside = pairs(all).filter(({ score }) => inRange(score, range, field));
    return inside.slice(offset, offset + limit);
  }
  const found = field.nearest(query, {
    limit: Math.min(offset + limit, matching),
    selection,
    ...(ef === undefined ? {} : { ef }),
  });
  return pairs(found).slice(offset);
}

function pairs({ rows, scores }: Nearest): readonly Scored[] {
  return Array.from(rows, (row, i) => ({ row, score: scores[i] ?? 0 }));
}

function inRange(score: number, { radius, rangeFilter }: Range, field: VectorField): boolean {
  if (field.spec.metricType === 'L2') {
    return score < radius && (rangeFilter === null || score >= rangeFilter);
  }
  return score > radius && (rangeFilter === null || score <= rangeFilter);
}

function toHit(
  collection: Collection,
  rows: RowTable,
  row: number,
  distance: number,
  projection: Projection,
  shown: ReadonlyMap<string, VectorField>,
): SearchHit {
  const stored = rows.at(row);
  if (stored === undefined) throw new StaleView();
  const rest = projectRow(stored, projection, (field) => vectorAt(shown, field, row));
  return { ...withKey(stored, collection.record.spec, rest), distance };
}
