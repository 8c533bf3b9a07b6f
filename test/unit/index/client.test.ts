import { existsSync, readFileSync } from 'node:fs';
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

test('docs/milvus.md names every method and endpoint, and its filter is served', async () => {
  const page = readFileSync(new URL('../../../docs/milvus.md', import.meta.url), 'utf8');
  for (const [method, endpoint] of Object.entries(MILVUS_METHODS)) {
    expect(page).toContain(`\`${method}\``);
    expect(page).toContain(endpoint.split('/')[1]);
  }
  const [filter = ''] = page.match(/(?<=^ {4}).+$/m) ?? [];
  const { core, milvus } = await openCore();
  await milvus.createCollection({ collectionName: 'c', dimension: 2 });
  const row = { id: 1, vector: [1, 2], stars: 4, place: 'Bree', open: true };
  await milvus.insert({ collectionName: 'c', data: [row, { ...row, id: 2, place: 'Gondor' }] });
  expect(await milvus.query({ collectionName: 'c', filter, outputFields: ['id'] })).toEqual([
    { id: '1' },
  ]);
  await core.close();
});

test('every page that the README links is there', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const links = [...readme.matchAll(/\]\(([^):#]+\.md)/g)].map(([, path]) => path ?? '');
  expect(links.length).toBeGreaterThan(5);
  const gone = links.filter((path) => !existsSync(new URL(`../../../${path}`, import.meta.url)));
  expect(gone).toEqual([]);
});
