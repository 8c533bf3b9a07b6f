/** Many rows, large answers, and bodies that ask for what there is not. */
import { describe, expect, test, vi } from 'vitest';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import { openCore } from './core-fixture.ts';

const collectionName = 'large';

test('a graph is built in slices between calls, saved, and taken again on opening', {
  timeout: 60_000,
}, async () => {
  const disk = new MemoryDisk();
  const openStorage = async () =>
    Object.defineProperty(new MemoryStorage(disk), 'durable', { value: true });
  const { core, milvus } = await openCore({ openStorage });
  await milvus.createCollection({ collectionName, dimension: 8, metricType: 'L2' });
  let seed = 1;
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const data = Array.from({ length: 6_000 }, (_, id) => ({
    id,
    vector: Float32Array.from({ length: 8 }, random),
  }));
  await milvus.insert({ collectionName, data });
  const query = { collectionName, data: [data[77]?.vector ?? []], limit: 3 };
  const before = await milvus.search(query);
  expect(before[0]).toEqual({ id: '77', distance: 0 });
  await core.idle();
  const storage = new MemoryStorage(disk);
  const parts = await storage.read(['snapshots'], (tx) => tx.scan('snapshots', null));
  expect(parts.map(({ value }) => (value as { count: number }).count)).toEqual([6_000]);
  await core.close();
  const again = await openCore({ openStorage });
  expect(await again.milvus.search(query)).toEqual(before);
  await again.core.close();
});

test('a saved graph that holds every row is tried after opening, so that searches may walk it', {
  timeout: 60_000,
}, async () => {
  const disk = new MemoryDisk();
  const openStorage = async () =>
    Object.defineProperty(new MemoryStorage(disk), 'durable', { value: true });
  const { core, milvus } = await openCore({ openStorage });
  await milvus.createCollection({ collectionName, dimension: 4, metricType: 'L2' });
  let seed = 1;
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const data = Array.from({ length: 10_500 }, (_, id) => ({
    id,
    vector: Float32Array.from({ length: 4 }, random),
  }));
  await milvus.insert({ collectionName, data });
  const query = { collectionName, data: [data[77]?.vector ?? []], limit: 3 };
  await milvus.search(query);
  await core.idle();
  await core.close();
  const build = vi.spyOn(VectorIndex.prototype, 'build');
  const restore = vi.spyOn(VectorIndex.prototype, 'restore');
  const again = await openCore({ openStorage });
  await again.milvus.search(query);
  expect(restore.mock.results.map(({ value }) => value)).toEqual([true]);
  await again.core.idle();
  const index = build.mock.contexts[0] as VectorIndex | undefined;
  expect(index?.trusted).toBe(true);
  vi.restoreAllMocks();
  await again.core.close();
});

test('a large insert shows life while it is written, and no more than is true', async () => {
  const { core, milvus } = await openCore();
  await milvus.createCollection({ collectionName, dimension: 2 });
  const data = Array.from({ length: 3_500 }, (_, id) => ({ id, vector: [id, 1] }));
  const seen: unknown[] = [];
  await milvus.insert({ collectionName, data }, { onProgress: (p) => seen.push(p) });
  expect(seen).toEqual([1_000, 2_000, 3_000].map((done) => ({ done, total: 3_500 })));
  await core.close();
});

describe('what is asked for is never ignored', () => {
  const refused = (body: object) => async () => {
    const { core, milvus } = await openCore();
    await expect(milvus.createCollection({ collectionName, ...body })).rejects.toMatchObject({
      milvusCode: 1100,
      message: expect.stringMatching(/params|elementTypeParams|metricType/),
    });
    await core.close();
  };
  const fields = [{ fieldName: 'id', dataType: 'Int64', isPrimary: true }] as const;

  test('quick create with params that are no object', refused({ dimension: 2, params: [1] }));
  test('create with params that are no object', refused({ schema: { fields }, params: 'x' }));
  test(
    'a field with type parameters that are no object',
    refused({ schema: { fields: [{ ...fields[0], elementTypeParams: 'x' }] } }),
  );
  test(
    'a metric beside indexes that name their own',
    refused({ dimension: 2, metricType: 'L2', indexParams: [{ fieldName: 'vector' }] }),
  );

  test('an answer of more hits than fit in one message is refused before it is made', async () => {
    const { core, milvus } = await openCore();
    await milvus.createCollection({ collectionName, dimension: 2 });
    const rows = Array.from({ length: 200 }, (_, id) => ({ id, vector: [id, 2] }));
    await milvus.insert({ collectionName, data: rows });
    const data = Array.from({ length: 16_384 }, () => [1, 2]);
    const search = (filter: string) =>
      milvus.search({ collectionName, data, limit: 16_384, filter });
    await expect(search('')).rejects.toMatchObject({
      milvusCode: 1100,
      message: expect.stringContaining('3276800 hits'),
    });
    expect((await search('id < 2')).length).toBe(2 * 16_384);
    await core.close();
  });
});
