/** A fault that only a browser can make: storage wiped under an open connection. */
import { expect, test } from 'vitest';
import { cdp } from 'vitest/browser';
import { IdbStorage } from '../../workers/index/storage/idb-storage.ts';
import { openCore } from '../unit/index/core-fixture.ts';

type Send = (method: string, params: object) => Promise<unknown>;
const send: Send = (method, params) => (cdp() as unknown as { send: Send }).send(method, params);
const collectionName = 'c';

test('storage wiped under us: calls settle, and what is shown is what is stored', async () => {
  const name = `wiped-${crypto.randomUUID()}`;
  const { core, milvus } = await openCore({ openStorage: () => IdbStorage.open({ name }) });
  await milvus.createCollection({ collectionName, dimension: 2 });
  await milvus.insert({ collectionName, data: [{ id: 1, vector: [1, 2] }] });
  const { origin } = location;
  await send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' });
  const insert = () => milvus.insert({ collectionName, data: [{ id: 2, vector: [1, 2] }] });
  await expect(insert()).rejects.toMatchObject({ name: 'WhorlError' });
  // The database is new and empty; nothing of before is pretended to be there.
  expect(await milvus.listCollections({})).toEqual([]);
  await core.close();
});
