import { describe, expect, it } from 'vitest';
import { bm25, fakeLoopStore, matcher } from '../../fakes/loop-store.ts';
import { embedWords } from '../../fakes/word-embedder.ts';

const field = (fieldName: string) => ({
  fieldName,
  dataType: 'VarChar' as const,
  elementTypeParams: { max_length: 10 },
});

async function small() {
  const store = fakeLoopStore();
  await store.createCollection({
    collectionName: 'c',
    schema: {
      fields: [
        { ...field('id'), isPrimary: true },
        field('text'),
        { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 2 } },
      ],
    },
    indexParams: [{ fieldName: 'vector' }],
  });
  const row = (id: string, text: string, x: number) => ({
    id,
    text,
    vector: new Float32Array([x, 1 - x]),
  });
  return { store, row };
}

describe('the store double', () => {
  it('writes all rows or none, and keeps copies', async () => {
    const { store, row } = await small();
    const bad = { ...row('b', 'far too long a text', 0) };
    await expect(
      store.insert({ collectionName: 'c', data: [row('a', 'x', 1), bad] }),
    ).rejects.toMatchObject({ milvusCode: 1804 });
    expect(await store.query({ collectionName: 'c' })).toEqual([]);
    const given = row('a', 'ale', 1);
    await store.upsert({ collectionName: 'c', data: [given] });
    given.vector[0] = 9;
    const [got] = await store.get({
      collectionName: 'c',
      id: ['a', 'zz'],
      outputFields: ['vector'],
    });
    expect(got).toEqual({ vector: new Float32Array([1, 0]) });
  });

  it('searches by inner product under a filter, counts and deletes', async () => {
    const { store, row } = await small();
    await store.insert({
      collectionName: 'c',
      data: [row('a', 'x', 1), row('b', 'y', 0.5), row('d', 'y', 0)],
    });
    const hits = await store.search({
      collectionName: 'c',
      data: [new Float32Array([1, 0])],
      annsField: 'vector',
      filter: 'text == "y"',
      outputFields: ['text'],
    });
    expect(hits).toEqual([
      { id: 'b', text: 'y', distance: 0.5 },
      { id: 'd', text: 'y', distance: 0 },
    ]);
    const counted = await store.query({
      collectionName: 'c',
      filter: 'id > "a"',
      outputFields: ['count(*)'],
    });
    expect(counted).toEqual([{ 'count(*)': '2' }]);
    await store.delete({ collectionName: 'c', filter: 'id in ["a", "b"]' });
    expect(await store.query({ collectionName: 'c', outputFields: ['id'] })).toEqual([{ id: 'd' }]);
  });

  it('answers with the errors of the real one', async () => {
    const { store } = await small();
    await expect(store.get({ collectionName: 'zz', id: ['a'] })).rejects.toMatchObject({
      milvusCode: 100,
    });
    expect(() => matcher('a == b')).toThrow(expect.objectContaining({ milvusCode: 1100 }));
    expect(() => matcher('a == 1 or b == 2')).toThrow(
      expect.objectContaining({ milvusCode: 1100 }),
    );
    store.failNext('query c', new Error('once'));
    await expect(store.query({ collectionName: 'c' })).rejects.toThrow('once');
    await expect(store.query({ collectionName: 'c' })).resolves.toEqual([]);
  });

  it('ranks by rare words, and embeds like texts alike', () => {
    const scores = bm25(['ale ale beer', 'beer', 'wine'], 'ale beer');
    expect(scores[0]).toBeGreaterThan(scores[1]!);
    expect(scores[2]).toBe(0);
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    const one = embedWords('good ale in bree');
    expect(dot(one, embedWords('good ale in stock'))).toBeGreaterThan(0.5);
    expect(Math.abs(dot(one, embedWords('quite another matter')))).toBeLessThan(0.4);
    expect(dot(one, one)).toBeCloseTo(1, 5);
  });
});
