/** IndexedDB when it does not behave: lost connections, full disks, blocked upgrades. */
import 'fake-indexeddb/auto';
import { expect, test, vi } from 'vitest';
import { IdbStorage } from '../../../workers/index/storage/idb-storage.ts';
import { openCore } from './core-fixture.ts';

let names = 0;
const fresh = (): string => `idb-${names++}`;

/** The global factory, with each opened connection within reach. */
function watchedFactory(): { readonly factory: IDBFactory; readonly opened: IDBDatabase[] } {
  const opened: IDBDatabase[] = [];
  const factory = {
    open: (name: string, version?: number) => {
      const request = indexedDB.open(name, version);
      request.addEventListener('success', () => opened.push(request.result));
      return request;
    },
  } as IDBFactory;
  return { factory, opened };
}

const put = (storage: IdbStorage, value: unknown) =>
  storage.write(['head'], async (tx) => tx.put('head', 'x', value));
const get = (storage: IdbStorage) => storage.read(['head'], (tx) => tx.get('head', 'x'));

test('a connection that was closed under us is opened again, and the change is made', async () => {
  const { factory, opened } = watchedFactory();
  const storage = await IdbStorage.open({ name: fresh(), factory });
  await put(storage, 1);
  opened[0]?.close();
  await put(storage, 2);
  expect(await get(storage)).toBe(2);
  expect(opened.length).toBe(2);
  storage.close();
});

test('a connection that is lost twice in a row rejects with storage_lost', async () => {
  const { factory, opened } = watchedFactory();
  const storage = await IdbStorage.open({ name: fresh(), factory });
  const die = () => {
    throw new DOMException('Connection to Indexed Database server lost.', 'UnknownError');
  };
  const original = factory.open;
  factory.open = (name, version) => {
    const request = original(name, version);
    request.addEventListener('success', () => {
      request.result.transaction = die;
    });
    return request;
  };
  if (opened[0]) opened[0].transaction = die;
  await expect(put(storage, 1)).rejects.toMatchObject({ code: 'storage_lost', retryable: true });
  factory.open = original;
  await put(storage, 1);
  expect(await get(storage)).toBe(1);
});

test('a full disk: typed, nothing kept, reading goes on, writing resumes', async () => {
  const { factory, opened } = watchedFactory();
  const name = fresh();
  const { core, milvus } = await openCore({
    openStorage: () => IdbStorage.open({ name, factory }),
  });
  await milvus.createCollection({ collectionName: 'c', dimension: 2 });
  const insert = (id: number) =>
    milvus.insert({ collectionName: 'c', data: [{ id, vector: [id, 1] }] });
  await insert(1);
  const [database] = opened;
  if (!database) throw new Error('no connection');
  const transaction = database.transaction.bind(database);
  // As Chromium does it: the requests succeed, the commit fails, the reason sits on the transaction.
  const spy = vi.spyOn(database, 'transaction').mockImplementation((...how) => {
    const native = transaction(...how);
    if (native.mode !== 'readwrite') return native;
    if (!native.objectStoreNames.contains('log')) return native;
    Object.defineProperty(native, 'error', {
      value: new DOMException('full', 'QuotaExceededError'),
    });
    const store = native.objectStore('log');
    const original = store.put.bind(store);
    native.objectStore = ((wanted: string) => {
      if (wanted !== 'log') return IDBTransaction.prototype.objectStore.call(native, wanted);
      store.put = (value: unknown, key?: IDBValidKey) => {
        const request = original(value, key);
        request.addEventListener('success', () => native.abort());
        return request;
      };
      return store;
    }) as typeof native.objectStore;
    return native;
  });
  await expect(insert(2)).rejects.toMatchObject({ code: 'storage_full', retryable: true });
  // A probe finds room at once: only this change was too much.
  await expect.poll(() => core.status().modes).toEqual([]);
  const read = async () =>
    (await milvus.query({ collectionName: 'c', filter: '' })).map((row) => row.id);
  expect(await read()).toEqual(['1']);
  spy.mockRestore();
  await insert(2);
  expect(await read()).toEqual(['1', '2']);
  await core.close();
});

test('an older version that stays open is reported after a second, and opening later works', async () => {
  const name = fresh();
  // A database of a former version whose tab ignores `versionchange`.
  const stubborn = await new Promise<IDBDatabase>((resolve) => {
    const request = indexedDB.open(name, 1);
    request.onsuccess = () => resolve(request.result);
  });
  const newer = { version: 2, upgrade: () => {} };
  const from = performance.now();
  await expect(IdbStorage.open({ name, ...newer })).rejects.toMatchObject({
    code: 'storage_blocked',
    retryable: true,
  });
  expect(performance.now() - from).toBeGreaterThan(900);
  stubborn.close();
  const storage = await IdbStorage.open({ name, ...newer });
  storage.close();
});

test('no IndexedDB, or a browser that denies it: storage_unavailable', async () => {
  const denied = {
    open: () => {
      throw new DOMException('denied', 'SecurityError');
    },
  } as unknown as IDBFactory;
  await expect(IdbStorage.open({ name: fresh(), factory: denied })).rejects.toMatchObject({
    code: 'storage_unavailable',
  });
});
