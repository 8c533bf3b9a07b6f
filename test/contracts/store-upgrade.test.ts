/** Databases written by former versions, opened by this one; and the fixture of the present version. */
import 'fake-indexeddb/auto';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { IdbStorage } from '../../workers/index/storage/idb-storage.ts';
import { MemoryDisk, MemoryStorage } from '../../workers/index/storage/memory-storage.ts';
import { FORMAT_VERSION, upgrade } from '../../workers/index/storage/migrate.ts';
import { STORE_NAMES } from '../../workers/index/storage/storage.ts';
import { letterVector, openCore } from '../unit/index/core-fixture.ts';
import { type Dump, dump, parseDump, restore } from './storage-dump.ts';

const fixture = (version: number) =>
  new URL(`../fixtures/storage/v${version}.json`, import.meta.url);
const PRESENT = fixture(FORMAT_VERSION);

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
  await core.idle();
  await milvus.upsert({ collectionName, data: [inn(3, 'Soon another'), inn(4, 'The Last Inn')] });
  await milvus.upsert({ collectionName, data: [inn(3, 'The Forsaken Inn')] });
  await milvus.insert({
    collectionName: 'keys',
    data: [
      { id: '😀', vector: [1, 2] },
      { id: '～', vector: [3, 4] },
    ],
  });
  await core.close();
}

const shown = (id: string, text: string, extra: object = {}) => ({
  ...inn(id, text, extra),
  vector: letterVector(text, 16),
});
const OLD_INNS = [
  shown('-7', '躍る小馬亭', { famous: 'Strider' }),
  shown('2', 'The Prancing Pony, Bree'),
];
const NEW_INNS = [shown('3', 'The Forsaken Inn'), shown('4', 'The Last Inn')];

/** All bytes of vectors that lie in a database. */
async function storedVectors(name: string): Promise<string> {
  const storage = await IdbStorage.open({ name });
  const chunks = await storage.read(['vectors'], (tx) => tx.scan('vectors', null));
  storage.close();
  return chunks
    .map(({ value }) => Buffer.from((value as { data: ArrayBuffer }).data).toString('hex'))
    .join(' ');
}

const hex = (text: string) => Buffer.from(letterVector(text, 16).buffer).toString('hex');

test.each([
  [1, OLD_INNS],
  [2, [...OLD_INNS, ...NEW_INNS]],
])(
  'a database of version %i opens with all it had, and loses what was deleted',
  async (version, inns) => {
    const name = `v${version}`;
    await restore(name, parseDump(readFileSync(fixture(version), 'utf8')));
    const before = await storedVectors(name);
    const dead = version === 1 ? ['The Prancing Pony', 'Gone tomorrow'] : ['Soon another'];
    for (const text of dead) expect(before).toContain(hex(text));
    const { core, milvus } = await openCore({ openStorage: () => IdbStorage.open({ name }) });
    expect(await milvus.listCollections({})).toEqual(['inns', 'keys']);
    expect(await milvus.query({ collectionName: 'inns', filter: '' })).toEqual(inns);
    const keys = await milvus.query({
      collectionName: 'keys',
      filter: '',
      outputFields: ['vector'],
    });
    expect(keys).toEqual([
      { id: '～', vector: Float32Array.of(3, 4) },
      { id: '😀', vector: Float32Array.of(1, 2) },
    ]);
    const [hit] = await milvus.search({ collectionName: 'inns', data: ['躍る小馬亭'], limit: 1 });
    expect(hit).toEqual({ id: '-7', distance: expect.closeTo(1, 5) });
    await milvus.insert({ collectionName: 'inns', data: [inn(9, 'The Green Dragon')] });
    await core.idle();
    await core.close();
    const after = await storedVectors(name);
    for (const text of dead) expect(after).not.toContain(hex(text));
    const again = await openCore({ openStorage: () => IdbStorage.open({ name }) });
    expect(await again.milvus.query({ collectionName: 'inns', filter: '' })).toEqual([
      ...inns,
      shown('9', 'The Green Dragon'),
    ]);
    await again.core.close();
  },
);

test('a migration that is cut leaves the old version whole; the next opening makes it', async () => {
  const name = 'cut';
  const old = parseDump(readFileSync(fixture(1), 'utf8'));
  await restore(name, old);
  await new Promise<void>((resolve) => {
    const request = indexedDB.open(name, FORMAT_VERSION);
    request.onupgradeneeded = ({ oldVersion: from }) => {
      const { result: database, transaction } = request;
      if (transaction === null) throw new Error('no transaction');
      void upgrade({ database, transaction, from, to: FORMAT_VERSION });
      const head = transaction.objectStore('collections').get(1);
      // Behind the migration's own requests.
      head.onsuccess = () => transaction.abort();
    };
    request.onerror = () => resolve();
  });
  expect(await dumpOf(name, 1)).toEqual(old);
  const { core, milvus } = await openCore({ openStorage: () => IdbStorage.open({ name }) });
  expect(await milvus.query({ collectionName: 'inns', filter: '' })).toEqual(OLD_INNS);
  await core.close();
});

/** What lies in a database of an old version, by IndexedDB's own calls. */
function dumpOf(name: string, version: number): Promise<Dump> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const database = request.result;
      const stores: { [store: string]: (readonly [unknown, unknown])[] } = {};
      const transaction = database.transaction([...database.objectStoreNames]);
      for (const store of STORE_NAMES) {
        const list: (readonly [unknown, unknown])[] = [];
        stores[store] = list;
        transaction.objectStore(store).openCursor().onsuccess = ({ target }) => {
          const cursor = (target as IDBRequest<IDBCursorWithValue | null>).result;
          if (cursor === null) return;
          list.push([plainKey(cursor.key), cursor.value]);
          cursor.continue();
        };
      }
      transaction.oncomplete = () => {
        database.close();
        resolve({ version, stores } as unknown as Dump);
      };
    };
  });
}

/** IndexedDB gives binary keys back as ArrayBuffer. */
function plainKey(key: unknown): unknown {
  if (Array.isArray(key)) return key.map(plainKey);
  return key instanceof ArrayBuffer ? new Uint8Array(key) : key;
}

test('the fixture is what the present version writes', async () => {
  const disk = new MemoryDisk();
  await writeInns({ openStorage: async () => new MemoryStorage(disk) });
  const written = await dump(new MemoryStorage(disk), FORMAT_VERSION);
  // A format that changes on purpose gets a fixture of its own: WRITE_STORAGE_FIXTURE=1.
  if (process.env.WRITE_STORAGE_FIXTURE === '1') writeFileSync(PRESENT, `${written}\n`);
  expect(parseDump(written)).toEqual(parseDump(readFileSync(PRESENT, 'utf8')));
});

test('a later version is refused and left as it is', async () => {
  const old = parseDump(readFileSync(PRESENT, 'utf8'));
  await restore('later', { ...old, version: FORMAT_VERSION + 1 });
  await expect(IdbStorage.open({ name: 'later' })).rejects.toMatchObject({
    code: 'storage_too_new',
  });
  const head = old.stores.head.map(
    ([key, value]) => [key, { ...(value as object), format: FORMAT_VERSION + 1 }] as const,
  );
  await restore('later-format', { ...old, stores: { ...old.stores, head } });
  await expect(
    openCore({ openStorage: () => IdbStorage.open({ name: 'later-format' }) }),
  ).rejects.toMatchObject({ code: 'storage_too_new' });
});

/** A chunk of which one bit is not as it was written. */
function flipped(old: object): object {
  const data = (old as { data: ArrayBuffer }).data.slice(0);
  const bytes = new Uint8Array(data);
  bytes[5] = (bytes[5] ?? 0) ^ 1;
  return { ...old, data };
}

test.each([
  ['head', 'head', () => ({ format: 1, epoch: 'x' })],
  ['collections', 1, () => ({ id: 1 })],
  ['rows', [1, Uint8Array.of(1)], () => ({ row: 99, values: {}, dynamic: null })],
  ['collections', 1, (old: object) => ({ ...old, unswept: [[3, 1]] })],
  ['vectors', [1, 107, 0, 1], (old: object) => ({ ...old, data: new ArrayBuffer(4) })],
  ['vectors', [1, 107, 0, 1], (old: object) => ({ ...old, offsets: Uint32Array.of(0, 0) })],
  ['vectors', [1, 107, 0, 1], (old: object) => ({ ...old, offsets: Uint32Array.of(0, 1) })],
  ['vectors', [1, 107, 0, 1], flipped],
  ['vectors', [1, 107, 0, 1], () => undefined],
] as const)('a damaged record of %s is refused by name', async (store, key, damage) => {
  const old = parseDump(readFileSync(PRESENT, 'utf8'));
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
