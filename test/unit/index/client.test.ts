import { expect, test } from 'vitest';
import { createMilvusClient, MILVUS_METHODS } from '../../../src/milvus/client.ts';
import { openCore } from './core-fixture.ts';

test('each method sends its body to its endpoint and gives the data of the answer', async () => {
  const sent: unknown[] = [];
  const client = createMilvusClient(async (endpoint, body, options) => {
    sent.push([endpoint, body, options]);
    return { code: 0, data: { of: endpoint } };
  });
  expect(Object.keys(client)).toEqual(Object.keys(MILVUS_METHODS));
  const signal = new AbortController().signal;
  const body = { collectionName: 'c' };
  for (const [method, endpoint] of Object.entries(MILVUS_METHODS)) {
    const call = client[method as 'hasCollection'];
    expect(await call(body, { signal })).toEqual({ of: endpoint });
    expect(sent.pop()).toEqual([endpoint, body, { signal }]);
  }
});

test('every method has an endpoint that the store answers', async () => {
  const { core } = await openCore();
  for (const endpoint of Object.values(MILVUS_METHODS)) {
    const code = await core.milvus(endpoint, {}).then(
      () => 0,
      (error: { milvusCode?: number }) => error.milvusCode,
    );
    expect([0, 1802, 1804]).toContain(code);
  }
  await core.close();
});
