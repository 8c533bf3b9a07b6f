/** Tidying up while somebody waits. */
import { expect, test } from 'vitest';
import { MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import { openCore, SharedLock } from './core-fixture.ts';

const collectionName = 'c';
const data = Array.from({ length: 40 }, (_, id) => ({ id, vector: [id, 1] }));

/** Memory that counts how often its copies are made anew. */
class CopiedStorage extends MemoryStorage {
  scrubs = 0;
  trouble: Error | null = null;

  async scrub(): Promise<void> {
    this.scrubs += 1;
    if (this.trouble !== null) throw this.trouble;
  }
}

async function opened() {
  const disk = new MemoryDisk();
  const storage = new CopiedStorage(disk);
  const test = await openCore({ openStorage: async () => storage });
  await test.milvus.createCollection({ collectionName, dimension: 2 });
  await test.milvus.insert({ collectionName, data });
  const chunks = async () => {
    const entries = await storage.read(['vectors'], (tx) => tx.scan('vectors', null));
    return entries.map(({ value }) => (value as { rows: number }).rows);
  };
  return { ...test, storage, chunks, disk };
}

test('compact resolves when the vectors of deleted rows are gone, copies included', async () => {
  const { core, milvus, storage, chunks } = await opened();
  await milvus.delete({ collectionName, filter: 'id < 10' });
  expect(await chunks()).toEqual([40]);
  const progress: unknown[] = [];
  const { compactionID } = await milvus.compact(
    { collectionName, isClustering: false },
    { onProgress: (each) => progress.push(each) },
  );
  expect(await chunks()).toEqual([30]);
  expect(storage.scrubs).toBe(1);
  expect(await milvus.getCompactionState({ jobID: compactionID })).toEqual({
    compactionID,
    state: 'Completed',
    executingPlanNumber: 0,
    timeoutPlanNumber: 0,
    completedPlanNumber: 1,
  });
  await core.close();
});

test('what is wrong is refused: collection, job, members', async () => {
  const { core, milvus, storage } = await opened();
  const refused = (work: Promise<unknown>, milvusCode: number) =>
    expect(work).rejects.toMatchObject({ milvusCode });
  await refused(milvus.compact({ collectionName: 'none' }), 100);
  await refused(milvus.compact({ collectionName, target: 1 } as never), 1100);
  await refused(milvus.getCompactionState({} as never), 1802);
  for (const jobID of [-1, 1e9, 'x', 0.5]) {
    await refused(milvus.getCompactionState({ jobID } as never), 1100);
  }
  await refused(core.milvus('whorl/scrub', {}), 1802);
  expect(storage.scrubs).toBe(0);
  expect(await core.milvus('whorl/scrub', { collectionNames: ['none', collectionName] })).toEqual({
    code: 0,
    data: {},
  });
  expect(storage.scrubs).toBe(1);
  await core.close();
});

test('a copy that cannot be made anew is an error; a follower is told that it does not lead', async () => {
  const { core, milvus, storage } = await opened();
  storage.trouble = new Error('no room');
  await expect(milvus.compact({ collectionName })).rejects.toThrow('no room');
  await core.close();
  const disk = new MemoryDisk();
  class Durable extends MemoryStorage {
    override readonly durable = true as never;
  }
  const lock = new SharedLock();
  const openStorage = async () => new Durable(disk);
  const leader = await openCore({ openStorage, lock });
  const follower = await openCore({ openStorage, lock });
  await leader.milvus.createCollection({ collectionName, dimension: 2 });
  await expect(follower.milvus.compact({ collectionName })).rejects.toMatchObject({
    code: 'not_leader',
  });
  await leader.core.close();
  await follower.core.close();
});

test('closing and cancelling settle whoever waits', async () => {
  const { core, milvus, chunks } = await opened();
  await milvus.delete({ collectionName, filter: 'id < 10' });
  const abort = new AbortController();
  const cancelled = milvus.compact({ collectionName }, { signal: abort.signal });
  abort.abort();
  await expect(cancelled).rejects.toMatchObject({ code: 'aborted' });
  await core.idle();
  expect(await chunks()).toEqual([30]);
  await milvus.delete({ collectionName, filter: 'id < 20' });
  const waiting = milvus.compact({ collectionName });
  waiting.catch(() => {});
  await core.close();
  await expect(waiting).rejects.toMatchObject({ code: 'closed' });
});

test('tidying happens by itself soon after a delete, and not in a hurry', async () => {
  const { core, milvus, chunks } = await opened();
  await milvus.delete({ collectionName, filter: 'id < 10' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await chunks()).toEqual([40]);
  await expect.poll(chunks, { timeout: 3_000 }).toEqual([30]);
  await core.close();
});

test('who tidied long rests long: changes all over a collection do not fill the time', async () => {
  let now = 0;
  const disk = new MemoryDisk();
  // Each look at the clock is five seconds later than the one before.
  const clock = { now: () => Date.now(), monotonic: () => (now += 5_000) };
  const openStorage = async () => new MemoryStorage(disk);
  const { core, milvus } = await openCore({ openStorage, clock });
  await milvus.createCollection({ collectionName, dimension: 2 });
  await milvus.insert({ collectionName, data });
  const rows = async () => {
    const entries = await new MemoryStorage(disk).read(['vectors'], (tx) =>
      tx.scan('vectors', null),
    );
    return entries.map(({ value }) => (value as { rows: number }).rows);
  };
  await milvus.delete({ collectionName, filter: 'id < 10' });
  await core.idle();
  expect(await rows()).toEqual([30]);
  await milvus.delete({ collectionName, filter: 'id < 20' });
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(await rows()).toEqual([30]);
  await milvus.compact({ collectionName });
  expect(await rows()).toEqual([20]);
  await core.close();
});
