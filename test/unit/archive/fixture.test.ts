/** A file of format 1, as it was written when that format came: it is read for ever, and written the same. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openCore } from '../index/core-fixture.ts';
import { bytesOf, exported, imported } from './archive-fixture.ts';
import { innRows } from './samples.ts';

test('the file of format 1 is read, and exported again byte by byte', async () => {
  const file = readFileSync(new URL('../../fixtures/archive/v1.zip', import.meta.url));
  const { core, milvus } = await openCore();
  const { collections } = await imported(core, new Blob([file]));
  expect(collections.map(({ name, rows }) => [name, rows])).toEqual([
    ['inns', 40],
    ['made', 40],
  ]);
  expect(Buffer.from(await bytesOf(await exported(core))).equals(file)).toBe(true);
  const [row] = innRows(40).filter(({ id }) => id === '31');
  const read = { collectionName: 'inns', id: ['31'], outputFields: ['*'] };
  const [found] = await milvus.get(read);
  expect(found).toMatchObject({ id: '31', text: row?.text, beds: 26, far: String(row?.far) });
  const hits = await milvus.search({
    collectionName: 'inns',
    data: [row?.text as string],
    annsField: 'model',
    limit: 1,
  });
  expect(hits[0]?.distance).toBeCloseTo(1, 5);
  await core.close();
});
