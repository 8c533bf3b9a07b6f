/** Vector indexes after the creation of their collection: one for each field, as on the recorded server. */
import { milvusError, throwIfAborted } from '../../src/shared/errors.ts';
import type { IndexDescription } from '../../src/shared/milvus-types.ts';
import { collectionName, invalid, isObject, missing, parseBody, requiredText } from './body.ts';
import type { CallScope } from './endpoints.ts';
import type { CollectionRecord } from './records.ts';
import { type CollectionSpec, sameIndex, type VectorIndexSpec } from './schema.ts';
import { parseIndexes } from './schema-index.ts';

/** Making the same index again succeeds, another one on its field fails. */
export async function createIndexes(scope: CallScope, raw: unknown): Promise<void> {
  const body = parseBody(raw, ['collectionName', 'indexParams']);
  const name = collectionName(body);
  const { ledger } = scope;
  if (body.indexParams === undefined) throw missing('indexParams');
  await ledger.write(async () => {
    throwIfAborted(scope.signal);
    const collection = ledger.require(name);
    const { record } = collection;
    const more = wanted(body.indexParams, record.spec).filter(
      (index) => !isKnown(index, record.spec),
    );
    if (more.length === 0) return;
    const next = withIndexes(record, [...record.spec.indexes, ...more]);
    await ledger.commit({ ...scope.call, kind: 'alter', collection: record.id, record: next });
    for (const { fieldName } of more) collection.dropVectors(fieldName);
  });
}

function wanted(raw: unknown, { fields }: CollectionSpec): readonly VectorIndexSpec[] {
  for (const each of Array.isArray(raw) ? raw : []) {
    const name = isObject(each) ? each.fieldName : undefined;
    if (typeof name === 'string' && !fields.some((field) => field.name === name)) {
      throw invalid(`cannot create index on non-exist field: ${name}`);
    }
  }
  return parseIndexes(raw, fields);
}

function isKnown(index: VectorIndexSpec, { indexes }: CollectionSpec): boolean {
  const known = indexes.find((each) => each.fieldName === index.fieldName);
  if (known === undefined) {
    if (!indexes.some((each) => each.indexName === index.indexName)) return false;
    throw invalid('CreateIndex failed: at most one distinct index is allowed per field');
  }
  if (sameIndex(known, index)) return true;
  throw invalid(
    known.indexName === index.indexName
      ? 'CreateIndex failed: at most one distinct index is allowed per field'
      : 'CreateIndex failed: creating multiple indexes on same field is not supported',
  );
}

/** Dropping an index that is not there succeeds; a loaded collection keeps its indexes. */
export async function dropIndex(scope: CallScope, raw: unknown): Promise<void> {
  const body = parseBody(raw, ['collectionName', 'indexName']);
  const [name, indexName] = [collectionName(body), requiredText(body, 'indexName')];
  const { ledger } = scope;
  await ledger.write(async () => {
    throwIfAborted(scope.signal);
    const collection = ledger.require(name);
    const { record } = collection;
    const gone = record.spec.indexes.find((each) => each.indexName === indexName);
    if (gone === undefined) return;
    if (record.loaded) {
      throw invalid('index cannot be dropped, collection is loaded, please release it first');
    }
    const left = record.spec.indexes.filter((each) => each !== gone);
    const next = withIndexes(record, left);
    await ledger.commit({ ...scope.call, kind: 'alter', collection: record.id, record: next });
    collection.dropVectors(gone.fieldName);
  });
}

function withIndexes(
  record: CollectionRecord,
  indexes: readonly VectorIndexSpec[],
): CollectionRecord {
  return { ...record, spec: { ...record.spec, indexes } };
}

export function listIndexes(scope: CallScope, raw: unknown): Promise<readonly string[]> {
  const name = collectionName(parseBody(raw, ['collectionName']));
  return scope.ledger.view(async () =>
    scope.ledger.require(name).record.spec.indexes.map(({ indexName }) => indexName),
  );
}

/** Null for a name that no index has, as recorded. */
export function describeIndex(
  scope: CallScope,
  raw: unknown,
): Promise<readonly IndexDescription[] | null> {
  const body = parseBody(raw, ['collectionName', 'indexName']);
  const [name, indexName] = [collectionName(body), requiredText(body, 'indexName')];
  const { ledger } = scope;
  return ledger.view(async () => {
    const collection = ledger.require(name);
    const index = collection.record.spec.indexes.find((each) => each.indexName === indexName);
    if (index === undefined) return null;
    const { count } = await ledger.rows(collection);
    return [describe(index, count)];
  });
}

/** Rows that no graph holds yet are searched exactly: none is pending for a caller. */
function describe(index: VectorIndexSpec, rows: number): IndexDescription {
  const { fieldName, indexName, metricType, indexType, built, params } = index;
  return {
    fieldName,
    indexName,
    indexType,
    metricType,
    indexState: 'Finished',
    failReason: '',
    totalRows: rows,
    indexedRows: rows,
    pendingRows: 0,
    params: { ...structuredClone(params), actual: built },
  };
}

/** Milvus's error for a collection without an index, used where one is needed. */
export function indexNotFound(name: string): Error {
  return milvusError(700, `index not found[collection=${name}]`);
}
