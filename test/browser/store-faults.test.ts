/** A fault that only a browser can make: storage wiped under an open connection. */
import { expect, test } from 'vitest';
import { cdp } from 'vitest/browser';
import type { WhorlError } from '../../src/shared/errors.ts';
import { IdbStorage } from '../../workers/index/storage/idb-storage.ts';
import { openCore } from '../unit/index/core-fixture.ts';

type Send = (method: string, params: object) => Promise<unknown>;
const send: Send = (method, params) => (cdp() as unknown as { send: Send }).send(method, params);
const collectionName = 'c';

const SEEDS = [1, 2, 3] as const;

test.each(SEEDS)(
  'F06 storage wiped under us: calls settle, and nothing goes on over an empty database, seed %i',
  async (seed) => {
    const name = `wiped-${crypto.randomUUID()}`;
    const openStorage = (onRetired: (why: WhorlError) => void) =>
      IdbStorage.open({ name, onRetired });
    const { core, milvus } = await openCore({ openStorage });
    await milvus.createCollection({ collectionName, dimension: 2 });
    const row = (id: number) => ({ id, vector: [id, 1] });
    const data = Array.from({ length: 10 ** seed }, (_, id) => row(id));
    await milvus.insert({ collectionName, data });
    const change = () =>
      seed === 2
        ? milvus.delete({ collectionName, filter: 'id > 3' })
        : milvus.upsert({ collectionName, data: data.slice(0, 10 * seed) });
    // Changes that are under way meanwhile are kept or refused, typed; none hangs.
    const underWay = Array.from({ length: seed }, change).map((call) =>
      call.then(
        () => 'kept',
        (error: WhorlError) => error.code,
      ),
    );
    const { origin } = location;
    await send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' });
    for (const end of await Promise.all(underWay)) {
      expect(['kept', 'storage_lost', 'outcome_unknown', 'not_leader']).toContain(end);
    }
    await expect(change()).rejects.toMatchObject({
      code: expect.stringMatching(/^(storage_lost|not_leader)$/),
    });
    expect(core.status()).toMatchObject({ role: 'follower', modes: ['read_only'] });
    await expect(milvus.listCollections({})).rejects.toMatchObject({ code: 'storage_lost' });
    await core.close();
    const again = await openCore({ openStorage });
    expect(await again.milvus.listCollections({})).toEqual([]);
    await again.core.close();
  },
);
