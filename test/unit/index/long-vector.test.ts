/** A vector that the kernel cannot compare is refused before it is stored: it would lock its whole field. */
import { expect, test } from 'vitest';
import { openCore } from './core-fixture.ts';

const collectionName = 'long';

test('a vector beyond 1e18 is refused, and one just below it is stored and found', async () => {
  const { core, milvus } = await openCore();
  await milvus.createCollection({ collectionName, dimension: 2, metricType: 'L2' });
  for (const [id, vector] of [
    [1, [1e18, 1]],
    [2, [-9e17, 9e17]],
    [3, [3e38, 3e38]],
  ] as const) {
    const insert = milvus.insert({ collectionName, data: [{ id, vector }] });
    await expect(insert).rejects.toMatchObject({ code: 'milvus', milvusCode: 1804 });
  }
  const vector = [7e17, -7e17];
  await milvus.insert({ collectionName, data: [{ id: 4, vector }] });
  const hits = await milvus.search({ collectionName, data: [[1, 1]], outputFields: ['vector'] });
  expect(hits).toMatchObject([{ id: '4', vector: Float32Array.from(vector) }]);
  await core.close();
});
