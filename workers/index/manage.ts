/** The endpoints that make, show, load and drop collections. */
import { milvusError, throwIfAborted } from '../../src/shared/errors.ts';
import type { CollectionDescription, JsonValue } from '../../src/shared/milvus-types.ts';
import { collectionName, invalid, parseBody } from './body.ts';
import type { CallScope } from './endpoints.ts';
import { leaveJson } from './json.ts';
import type { CollectionRecord } from './records.ts';
import { isIndexed, parseCreate, sameSpec, vectorFields } from './schema.ts';

export const MAX_COLLECTIONS = 1_024;

/** Creating the same collection again succeeds, another one of the same name fails. */
export async function createCollection(scope: CallScope, raw: unknown): Promise<void> {
  const { ledger } = scope;
  const spec = parseCreate(raw);
  await ledger.write(async () => {
    throwIfAborted(scope.signal);
    const known = ledger.find(spec.name);
    if (known !== undefined) {
      if (sameSpec(known.record.spec, spec)) return;
      throw invalid(
        `create duplicate collection with different parameters, collection: ${spec.name}: invalid parameter`,
      );
    }
    if (ledger.size >= MAX_COLLECTIONS) throw invalid(`at most ${MAX_COLLECTIONS} collections`);
    const record: CollectionRecord = {
      id: ledger.head.nextCollection,
      spec,
      loaded: isIndexed(spec),
      nextRow: 0,
      vectors: Object.fromEntries(
        vectorFields(spec).map(({ name }) => [name, { fingerprint: null, generation: 0 }]),
      ),
    };
    await ledger.commit({ ...scope.call, kind: 'create', collection: record.id, record });
  });
}

/** Dropping a collection that is not there succeeds. */
export async function dropCollection(scope: CallScope, raw: unknown): Promise<void> {
  const name = collectionName(parseBody(raw, ['collectionName']));
  const { ledger } = scope;
  await ledger.write(async () => {
    throwIfAborted(scope.signal);
    const id = ledger.find(name)?.record.id;
    if (id === undefined) return;
    await ledger.commit({ ...scope.call, kind: 'drop', collection: id, record: null });
    scope.embedder.erased?.('all');
  });
}

export async function setLoaded(scope: CallScope, raw: unknown, loaded: boolean): Promise<void> {
  const name = collectionName(
    parseBody(raw, ['collectionName', 'replicaNumber', 'resourceGroups', 'refresh']),
  );
  const { ledger } = scope;
  const now = await ledger.view(async () => ledger.require(name).record);
  // What is so already needs no right to write: a second tab may load what is loaded.
  if (now.loaded === loaded) return;
  await ledger.write(async () => {
    throwIfAborted(scope.signal);
    const collection = ledger.require(name);
    const { record } = collection;
    if (record.loaded === loaded) return;
    if (loaded && !isIndexed(record.spec)) {
      throw milvusError(700, `index not found[collection=${name}]`);
    }
    const kind = loaded ? 'load' : 'release';
    const next = { ...record, loaded };
    await ledger.commit({ ...scope.call, kind, collection: record.id, record: next });
    if (!loaded) collection.drop();
  });
}

export function listCollections(scope: CallScope, raw: unknown): Promise<readonly string[]> {
  parseBody(raw ?? {}, []);
  return scope.ledger.view(async () => scope.ledger.collections.map((each) => each.name));
}

export function hasCollection(scope: CallScope, raw: unknown): Promise<boolean> {
  const name = collectionName(parseBody(raw, ['collectionName']));
  return scope.ledger.view(async () => scope.ledger.find(name) !== undefined);
}

export function loadState(
  scope: CallScope,
  raw: unknown,
): Promise<{ readonly loadState: string; readonly loadProgress?: number }> {
  const name = collectionName(parseBody(raw, ['collectionName', 'partitionNames']));
  return scope.ledger.view(async () => {
    const found = scope.ledger.find(name);
    if (found === undefined) return { loadState: 'LoadStateNotExist' };
    if (!found.record.loaded) return { loadState: 'LoadStateNotLoad' };
    return { loadState: 'LoadStateLoaded', loadProgress: 100 };
  });
}

export function describeCollection(scope: CallScope, raw: unknown): Promise<CollectionDescription> {
  const name = collectionName(parseBody(raw, ['collectionName']));
  return scope.ledger.view(async () => describe(scope.ledger.require(name).record));
}

function describe(record: CollectionRecord): CollectionDescription {
  const { spec } = record;
  return {
    collectionName: spec.name,
    collectionID: String(record.id),
    description: spec.description,
    autoId: spec.autoId,
    enableDynamicField: spec.dynamic,
    fields: spec.fields.map((field) => describeField(field, spec.autoId)),
    functions: spec.functions.map(({ name, description, input, output, params }) => ({
      name,
      type: 'TextEmbedding',
      description,
      inputFieldNames: [input],
      outputFieldNames: [output],
      params: structuredClone(params),
    })),
    aliases: [],
    indexes: spec.indexes.map(({ fieldName, indexName, metricType }) => ({
      fieldName,
      indexName,
      metricType,
    })),
    load: record.loaded ? 'LoadStateLoaded' : 'LoadStateNotLoad',
    shardsNum: 1,
    partitionsNum: 1,
    consistencyLevel: 'Strong',
    properties: [],
  };
}

function describeField(
  field: CollectionRecord['spec']['fields'][number],
  autoId: boolean,
): CollectionDescription['fields'][number] {
  const params: { readonly key: string; readonly value: string }[] = [];
  if (field.maxLength !== null) params.push({ key: 'max_length', value: String(field.maxLength) });
  if (field.maxCapacity !== undefined) {
    params.push({ key: 'max_capacity', value: String(field.maxCapacity) });
  }
  if (field.element?.maxLength) {
    params.push({ key: 'max_length', value: String(field.element.maxLength) });
  }
  if (field.dimension !== null) params.push({ key: 'dim', value: String(field.dimension) });
  return {
    name: field.name,
    type: field.type,
    id: field.id,
    primaryKey: field.primary,
    autoId: field.primary && autoId,
    partitionKey: false,
    clusteringKey: false,
    nullable: field.nullable === true,
    ...(field.element ? { elementType: field.element.type } : {}),
    ...(field.defaultValue === undefined
      ? {}
      : { defaultValue: leaveJson(field.defaultValue) as JsonValue }),
    description: field.description,
    params,
  };
}
