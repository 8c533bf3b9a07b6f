/** Whoever keeps vectors of text is told when the text is gone from the store. */
import { expect, test } from 'vitest';
import { LetterEmbedder, openCore } from './core-fixture.ts';
import { collectionName, INNS } from './inns.ts';

class Remembering extends LetterEmbedder {
  readonly told: (readonly string[] | 'all')[] = [];

  erased(texts: readonly string[] | 'all'): void {
    this.told.push(texts);
  }
}

/** The inns, with keys of the caller's where `keys` says so. */
async function inns(keys: 'generated' | 'given') {
  const embedder = new Remembering();
  const opened = await openCore({ embedder });
  const { schema } = INNS;
  const fields = schema.fields.map((field) =>
    'isPrimary' in field ? { ...field, autoID: keys === 'generated' } : field,
  );
  const autoID = keys === 'generated';
  await opened.milvus.createCollection({ ...INNS, schema: { ...schema, fields, autoID } });
  return { ...opened, told: embedder.told };
}

const row = (id: number, text: string) => ({ id, text, place: 'p' });

test('a delete tells the texts of the rows that it removed', async () => {
  const { milvus, told } = await inns('given');
  const data = [row(1, 'ale'), row(2, 'bread'), row(3, 'cheese')];
  await milvus.insert({ collectionName, data });
  expect(told).toEqual([]);
  await milvus.delete({ collectionName, filter: 'id in [1, 3]' });
  expect(told).toEqual([['ale', 'cheese']]);
  await milvus.delete({ collectionName, filter: 'id in [1, 3]' });
  expect(told).toHaveLength(1);
});

test('an upsert tells what it replaced, and not what is there again', async () => {
  const { milvus, told } = await inns('given');
  await milvus.insert({ collectionName, data: [row(1, 'ale'), row(2, 'bread')] });
  await milvus.upsert({ collectionName, data: [row(1, 'ale'), row(2, 'bread'), row(3, 'new')] });
  expect(told).toEqual([]);
  await milvus.upsert({ collectionName, data: [row(1, 'beer'), row(2, 'bread')] });
  expect(told).toEqual([['ale']]);
});

test('an upsert with generated keys tells what the named row held', async () => {
  const { milvus, told } = await inns('generated');
  const { insertIds } = await milvus.insert({
    collectionName,
    data: [{ text: 'ale', place: 'p' }],
  });
  const id = insertIds[0] as string;
  await milvus.upsert({ collectionName, data: [{ id, text: 'beer', place: 'p' }] });
  expect(told).toEqual([['ale']]);
});

test('dropping a collection tells of all its texts; dropping none, of nothing', async () => {
  const { milvus, told } = await inns('given');
  await milvus.insert({ collectionName, data: [row(1, 'ale')] });
  await milvus.dropCollection({ collectionName: 'another' });
  expect(told).toEqual([]);
  await milvus.dropCollection({ collectionName });
  expect(told).toEqual(['all']);
});

test('thousands of texts are told of as all', async () => {
  const { milvus, told } = await inns('given');
  const data = Array.from({ length: 5_000 }, (_, i) => row(i + 1, `text ${i}`));
  await milvus.insert({ collectionName, data });
  await milvus.delete({ collectionName, filter: 'id > 0' });
  expect(told).toEqual(['all']);
});
