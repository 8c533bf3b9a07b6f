/** Names, aliases and indexes of collections after their creation. */
import { describe, expect, test } from 'vitest';
import { MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import { openCore, type TestCore } from './core-fixture.ts';

const collectionName = 'inns';
const indexParams = [{ fieldName: 'vector', metricType: 'L2', indexType: 'FLAT' }] as const;
const fields = [
  { fieldName: 'id', dataType: 'Int64', isPrimary: true },
  { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 2 } },
] as const;
const data = [
  { id: 1, vector: [3, 0] },
  { id: 2, vector: [1, 1] },
];

async function opened(disk = new MemoryDisk()): Promise<TestCore> {
  const openStorage = async () => new MemoryStorage(disk);
  return openCore({ openStorage });
}

async function nearest({ milvus }: TestCore, name = collectionName): Promise<unknown[]> {
  const hits = await milvus.search({ collectionName: name, data: [[2, 2]], limit: 2 });
  return hits.map(({ id }) => id);
}

describe('names', () => {
  test('a renamed collection keeps rows, vectors and aliases, also after reopening', async () => {
    const disk = new MemoryDisk();
    const first = await opened(disk);
    await first.milvus.createCollection({ collectionName, schema: { fields }, indexParams });
    await first.milvus.insert({ collectionName, data });
    await first.milvus.createAlias({ collectionName, aliasName: 'houses' });
    expect(await nearest(first)).toEqual(['2', '1']);
    await first.milvus.renameCollection({ collectionName, newCollectionName: 'taverns' });
    expect(await first.milvus.listCollections({})).toEqual(['taverns']);
    await expect(nearest(first)).rejects.toMatchObject({ milvusCode: 100 });
    expect(await nearest(first, 'houses')).toEqual(['2', '1']);
    await first.core.close();

    const second = await opened(disk);
    expect(await nearest(second, 'taverns')).toEqual(['2', '1']);
    const stats = await second.milvus.getCollectionStatistics({ collectionName: 'houses' });
    expect(stats).toEqual({ rowCount: 2 });
    await second.core.close();
  });

  test('a name or alias that is taken is refused', async () => {
    const { core, milvus } = await opened();
    await milvus.createCollection({ collectionName, schema: { fields }, indexParams });
    await milvus.createCollection({ collectionName: 'b', schema: { fields }, indexParams });
    await milvus.createAlias({ collectionName, aliasName: 'al' });
    await milvus.createAlias({ collectionName, aliasName: 'al' });
    const again = milvus.createAlias({ collectionName: 'b', aliasName: 'al' });
    await expect(again).rejects.toMatchObject({ milvusCode: 1602 });
    const rename = (newCollectionName: string) =>
      milvus.renameCollection({ collectionName, newCollectionName });
    for (const taken of ['b', 'al', collectionName]) {
      await expect(rename(taken)).rejects.toMatchObject({ milvusCode: 1100 });
    }
    const byAlias = milvus.renameCollection({ collectionName: 'al', newCollectionName: 'c' });
    await expect(byAlias).rejects.toMatchObject({ milvusCode: 1100 });
    const create = milvus.createCollection({
      collectionName: 'al',
      schema: { fields },
      indexParams,
    });
    await expect(create).rejects.toMatchObject({ milvusCode: 1100 });
    await core.close();
  });

  test('an alias moves to another collection in one change', async () => {
    const { core, milvus } = await opened();
    for (const name of ['a', 'b']) {
      await milvus.createCollection({ collectionName: name, schema: { fields }, indexParams });
    }
    await milvus.createAlias({ collectionName: 'a', aliasName: 'al' });
    await milvus.insert({ collectionName: 'b', data });
    await milvus.alterAlias({ collectionName: 'b', aliasName: 'al' });
    expect(await milvus.listAliases({ collectionName: 'a' })).toEqual([]);
    expect(await milvus.listAliases({})).toEqual(['al']);
    expect(await milvus.describeAlias({ aliasName: 'al' })).toMatchObject({ collectionName: 'b' });
    const stats = await milvus.getCollectionStatistics({ collectionName: 'al' });
    expect(stats).toEqual({ rowCount: 2 });
    await milvus.dropCollection({ collectionName: 'b' });
    expect(await milvus.hasCollection({ collectionName: 'al' })).toEqual({ has: false });
    await core.close();
  });
});

describe('indexes', () => {
  test('another metric finds others first, and what was built is said', async () => {
    const made = await opened();
    const { core, milvus } = made;
    await milvus.createCollection({ collectionName, schema: { fields }, indexParams });
    await milvus.insert({ collectionName, data });
    expect(await nearest(made)).toEqual(['2', '1']);
    await milvus.releaseCollection({ collectionName });
    await milvus.dropIndex({ collectionName, indexName: 'vector' });
    const other = { fieldName: 'vector', indexName: 'ip', metricType: 'IP', indexType: 'IVF_FLAT' };
    await milvus.createIndex({ collectionName, indexParams: [other as never] });
    await milvus.loadCollection({ collectionName });
    expect(await nearest(made)).toEqual(['1', '2']);
    expect(await milvus.describeIndex({ collectionName, indexName: 'ip' })).toMatchObject([
      { indexType: 'IVF_FLAT', metricType: 'IP', totalRows: 2, params: { actual: 'HNSW' } },
    ]);
    await core.close();
  });
});
