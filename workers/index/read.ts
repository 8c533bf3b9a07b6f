/** get and query: rows in primary key order, without repeats. */
import type { MilvusRow } from '../../src/shared/milvus-types.ts';
import { countBits, createBitmap, setBit } from './bitmap.ts';
import {
  type Body,
  collectionName,
  invalid,
  missing,
  parseBody,
  readWindow,
  textList,
} from './body.ts';
import type { Collection } from './collection.ts';
import type { CallScope } from './endpoints.ts';
import { parseIds } from './mutate.ts';
import { type Projection, parseProjection, projectRow, withKey } from './project.ts';
import type { RowTable } from './rows.ts';
import type { FieldSpec } from './schema.ts';
import { StaleView } from './store.ts';
import type { VectorField } from './vector-field.ts';
import { wantedFilter } from './wanted-filter.ts';

const COUNT = 'count(*)';

/** Partitions of a read: `_default` is the only one. */
export function checkPartitions(body: Body): void {
  for (const name of textList(body, 'partitionNames') ?? []) {
    if (name !== '_default') throw invalid(`partition name ${name} not found`);
  }
}

export async function getRows(scope: CallScope, raw: unknown): Promise<readonly MilvusRow[]> {
  const body = parseBody(raw, [
    'collectionName',
    'id',
    'outputFields',
    'partitionNames',
    'partitionName',
    'consistencyLevel',
  ]);
  if (body.id === undefined || body.id === null) throw missing('collectionName', 'id');
  checkPartitions(body);
  return scope.ledger.view(async () => {
    const reading = await startReading(scope, body);
    const { rows, collection } = reading;
    const bitmap = createBitmap(rows.length);
    for (const key of parseIds(body.id, collection.record.spec)) {
      const row = rows.find(key);
      if (row !== undefined) setBit(bitmap, row);
    }
    return reading.project(rows.inOrder({ bitmap, count: countBits(bitmap) }));
  });
}

export async function queryRows(scope: CallScope, raw: unknown): Promise<readonly MilvusRow[]> {
  const body = parseBody(raw, [
    'collectionName',
    'filter',
    'exprParams',
    'limit',
    'offset',
    'outputFields',
    'partitionNames',
    'consistencyLevel',
  ]);
  const counting = isCount(body);
  const { limit, offset } = readWindow(body, 'query');
  return scope.ledger.view(async () => {
    const reading = await startReading(scope, body);
    const { rows, collection } = reading;
    checkPartitions(body);
    const selection = rows.select(wantedFilter(body, collection.record.spec));
    if (counting) return [{ [COUNT]: selection.count }];
    return reading.project(rows.inOrder(selection).subarray(offset, offset + limit));
  });
}

function isCount(body: Body): boolean {
  const fields = textList(body, 'outputFields') ?? [];
  if (!fields.includes(COUNT)) return false;
  if (fields.length > 1) throw invalid(`parse output field name failed: ${COUNT}`);
  if (body.limit !== undefined || body.offset !== undefined) {
    throw invalid('count entities with pagination is not allowed');
  }
  return true;
}

interface Reading {
  readonly collection: Collection;
  readonly rows: RowTable;
  project(rows: Iterable<number>): readonly MilvusRow[];
}

async function startReading(scope: CallScope, body: Body): Promise<Reading> {
  const { ledger } = scope;
  const collection = ledger.require(collectionName(body));
  collection.requireLoaded('query');
  const asked = textList(body, 'outputFields') ?? ['*'];
  const names = asked.length === 0 ? ['*'] : asked.filter((name) => name !== COUNT);
  const projection = parseProjection(names, collection.record.spec);
  const rows = await ledger.rows(collection);
  const vectors = await openVectors(scope, collection, projection);
  if (collection.rows !== rows) throw new StaleView();
  return {
    collection,
    rows,
    project: (chosen) => projectAll(collection, rows, chosen, projection, vectors),
  };
}

/** The vector fields that a projection shows. */
export async function openVectors(
  scope: CallScope,
  collection: Collection,
  projection: Projection,
): Promise<ReadonlyMap<string, VectorField>> {
  const open = new Map<string, VectorField>();
  for (const { name } of projection.vectors) {
    open.set(name, await scope.ledger.vectors(collection, name));
  }
  for (const field of open.values()) if (field.closed) throw new StaleView();
  return open;
}

function projectAll(
  collection: Collection,
  rows: RowTable,
  chosen: Iterable<number>,
  projection: Projection,
  vectors: ReadonlyMap<string, VectorField>,
): readonly MilvusRow[] {
  const out: MilvusRow[] = [];
  for (const row of chosen) {
    const stored = rows.at(row);
    if (stored === undefined) continue;
    const rest = projectRow(stored, projection, (field) => vectorAt(vectors, field, row));
    out.push(withKey(stored, collection.record.spec, rest));
  }
  return out;
}

/** A copy of a vector of a row. */
export function vectorAt(
  vectors: ReadonlyMap<string, VectorField>,
  field: FieldSpec,
  row: number,
): Float32Array {
  const open = vectors.get(field.name);
  if (open === undefined) throw new StaleView();
  return open.vector(row);
}
