/** A fault that only a browser can make: storage wiped under an open connection. */
import { expect, test } from 'vitest';
import { cdp } from 'vitest/browser';
import type { WhorlError } from '../../src/shared/errors.ts';
import { IdbStorage } from '../../workers/index/storage/idb-storage.ts';
import { openCore } from '../unit/index/core-fixture.ts';

type Send = (method: string, params: object) => Promise<unknown>;
const send: Send = (method, params) => (cdp() as unknown as { send: Send }).send(method, params);
const collectionName = 'c';

test('storage wiped under us: calls settle, and nothing goes on over an empty database', async () => {
  const name = `wiped-${crypto.randomUUID()}`;
  const openStorage = (onRetired: (why: WhorlError) => void) =>
    IdbStorage.open({ name, onRetired });
  const { core, milvus } = await openCore({ openStorage });
  await milvus.createCollection({ collectionName, dimension: 2 });
  await milvus.insert({ collectionName, data: [{ id: 1, vector: [1, 2] }] });
  const { origin } = location;
  await send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' });
  const insert = () => milvus.insert({ collectionName, data: [{ id: 2, vector: [1, 2] }] });
  await expect(insert()).rejects.toMatchObject({ code: 'storage_lost' });
  expect(core.status()).toMatchObject({ role: 'follower', modes: ['read_only'] });
  await expect(milvus.listCollections({})).rejects.toMatchObject({ code: 'storage_lost' });
  await core.close();
  const again = await openCore({ openStorage });
  expect(await again.milvus.listCollections({})).toEqual([]);
  await again.core.close();
});
