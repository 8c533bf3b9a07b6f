/** Databases written by former versions, opened by this one. The first version is the present one. */
import 'fake-indexeddb/auto';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { IdbStorage } from '../../workers/index/storage/idb-storage.ts';
import { MemoryDisk, MemoryStorage } from '../../workers/index/storage/memory-storage.ts';
import { letterVector, openCore } from '../unit/index/core-fixture.ts';
import { dump, parseDump, restore } from './storage-dump.ts';

const FIXTURE = new URL('../fixtures/storage/v1.json', import.meta.url);

const INNS = {
  collectionName: 'inns',
  schema: {
    enableDynamicField: true,
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      { fieldName: 'text', dataType: 'VarChar', elementTypeParams: { max_length: 100 } },
      { fieldName: 'stars', dataType: 'Int8' },
      { fieldName: 'rent', dataType: 'Float' },
      { fieldName: 'guests', dataType: 'Int64' },
      { fieldName: 'open', dataType: 'Bool' },
      { fieldName: 'more', dataType: 'JSON' },
      { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 16 } },
    ],
    functions: [
      {
        name: 'embed',
        type: 'TextEmbedding',
        inputFieldNames: ['text'],
        outputFieldNames: ['vector'],
      },
    ],
  },
  indexParams: [{ fieldName: 'vector', metricType: 'COSINE', indexType: 'HNSW' }],
} as const;

const inn = (id: number | string, text: string, extra: object = {}) => ({
  id,
  text,
  stars: 3,
  rent: 1.5,
  guests: '9007199254740993',
  open: true,
  more: { rooms: [1, 2] },
  ...extra,
});

/** The changes whose result the fixture is. */
async function writeInns(open: Parameters<typeof openCore>[0]): Promise<void> {
  const { core, milvus } = await openCore({
    ...open,
    clock: { now: () => 1_700_000_000_000, monotonic: () => performance.now() },
  });
  await milvus.createCollection(INNS);
  await milvus.createCollection({
    collectionName: 'keys',
    dimension: 2,
    idType: 'VarChar',
    metricType: 'L2',
    params: { max_length: 20 },
  });
  const collectionName = 'inns';
  await milvus.insert({
    collectionName,
    data: [
      inn(2, 'The Prancing Pony'),
      inn(-7, '躍る小馬亭', { famous: 'Strider' }),
      inn('9223372036854775807', 'Gone tomorrow'),
    ],
  });
  await milvus.upsert({ collectionName, data: [inn(2, 'The Prancing Pony, Bree')] });
  await milvus.delete({ collectionName, filter: 'text == "Gone tomorrow"' });
  await milvus.insert({
    collectionName: 'keys',
    data: [
      { id: '😀', vector: [1, 2] },
      { id: '～', vector: [3, 4] },
    ],
  });
  await core.close();
}

test('a database of version 1 opens with all it had', async () => {
  await restore('v1', parseDump(readFileSync(FIXTURE, 'utf8')));
  const { core, milvus } = await openCore({ openStorage: () => IdbStorage.open({ name: 'v1' }) });
  expect(await milvus.listCollections({})).toEqual(['inns', 'keys']);
  const rows = await milvus.query({ collectionName: 'inns', filter: '' });
  expect(rows).toEqual([
    { ...inn('-7', '躍る小馬亭'), famous: 'Strider', vector: letterVector('躍る小馬亭', 16) },
    { ...inn('2', 'The Prancing Pony, Bree'), vector: letterVector('The Prancing Pony, Bree', 16) },
  ]);
  const keys = await milvus.query({ collectionName: 'keys', filter: '', outputFields: ['vector'] });
  expect(keys).toEqual([
    { id: '～', vector: Float32Array.of(3, 4) },
    { id: '😀', vector: Float32Array.of(1, 2) },
  ]);
  const [hit] = await milvus.search({ collectionName: 'inns', data: ['躍る小馬亭'], limit: 1 });
  expect(hit).toEqual({ id: '-7', distance: expect.closeTo(1, 5) });
  await milvus.insert({ collectionName: 'inns', data: [inn(9, 'The Green Dragon')] });
  expect(
    await milvus.query({ collectionName: 'inns', filter: 'id == 9', outputFields: ['text'] }),
  ).toEqual([{ id: '9', text: 'The Green Dragon' }]);
  await core.close();
});

test('the fixture is what the present version writes', async () => {
  const disk = new MemoryDisk();
  await writeInns({ openStorage: async () => new MemoryStorage(disk) });
  const written = await dump(new MemoryStorage(disk), 1);
  // A format that changes on purpose gets a fixture of its own: WRITE_STORAGE_FIXTURE=1.
  if (process.env.WRITE_STORAGE_FIXTURE === '1') writeFileSync(FIXTURE, `${written}\n`);
  expect(parseDump(written)).toEqual(parseDump(readFileSync(FIXTURE, 'utf8')));
});

test('a later version is refused and left as it is', async () => {
  const old = parseDump(readFileSync(FIXTURE, 'utf8'));
  await restore('later', { ...old, version: 2 });
  await expect(IdbStorage.open({ name: 'later' })).rejects.toMatchObject({
    code: 'storage_too_new',
  });
  const head = old.stores.head.map(
    ([key, value]) => [key, { ...(value as object), format: 2 }] as const,
  );
  await restore('later-format', { ...old, stores: { ...old.stores, head } });
  await expect(
    openCore({ openStorage: () => IdbStorage.open({ name: 'later-format' }) }),
  ).rejects.toMatchObject({ code: 'storage_too_new' });
});

test.each([
  ['head', 'head', () => ({ format: 1, epoch: 'x' })],
  ['collections', 1, () => ({ id: 1 })],
  ['rows', [1, Uint8Array.of(1)], () => ({ row: 99, values: {}, dynamic: null })],
  ['vectors', [1, 107, 0, 0], (old: object) => ({ ...old, data: new ArrayBuffer(4) })],
  ['vectors', [1, 107, 0, 0], () => undefined],
] as const)('a damaged record of %s is refused by name', async (store, key, damage) => {
  const old = parseDump(readFileSync(FIXTURE, 'utf8'));
  const name = `damaged-${crypto.randomUUID()}`;
  await restore(name, old);
  const storage = await IdbStorage.open({ name });
  await storage.write([store], async (tx) => {
    const before = ((await tx.get(store, key as never)) ?? {}) as object;
    const after = damage(before as never);
    if (after === undefined) tx.delete(store, key as never);
    else tx.put(store, key as never, after);
  });
  storage.close();
  const use = async () => {
    const { milvus } = await openCore({ openStorage: () => IdbStorage.open({ name }) });
    await milvus.search({ collectionName: 'inns', data: ['x'], limit: 1 });
  };
  await expect(use()).rejects.toMatchObject({ code: 'storage_lost' });
});
