/** The index worker as a page has it: real worker, IndexedDB, Web Locks, and a port to an embedder. */
import { afterEach, describe, expect, test } from 'vitest';
import { LetterEmbedder } from '../unit/index/core-fixture.ts';
import { closeTabs, freshName as fresh, openTab, statusOf as status } from './open-tab.ts';

const collectionName = 'inns';
const INNS = {
  collectionName,
  schema: {
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      { fieldName: 'text', dataType: 'VarChar', elementTypeParams: { max_length: 200 } },
      { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 16 } },
    ],
    functions: [
      {
        name: 'embed',
        type: 'TextEmbedding',
        inputFieldNames: ['text'],
        outputFieldNames: ['vector'],
      },
    ],
  },
  indexParams: [{ fieldName: 'vector', metricType: 'COSINE', indexType: 'HNSW' }],
} as const;

const DATA = [
  { id: 1, text: 'The Prancing Pony' },
  { id: '9007199254740993', text: 'The Green Dragon' },
];

afterEach(closeTabs);

describe('the index worker', () => {
  test('text needs a model; with one, rows are stored, searched, and there after a worker death', async () => {
    const tab = openTab(fresh());
    await tab.milvus.createCollection(INNS);
    const insert = () => tab.milvus.insert({ collectionName, data: DATA });
    await expect(insert()).rejects.toMatchObject({ code: 'embedder_unavailable', retryable: true });
    await tab.connect(new LetterEmbedder());
    expect(await insert()).toEqual({ insertCount: 2, insertIds: ['1', '9007199254740993'] });
    const search = () =>
      tab.milvus.search({
        collectionName,
        data: ['The Green Dragon'],
        limit: 1,
        outputFields: ['*'],
      });
    const before = await search();
    expect(before[0]).toMatchObject({ id: '9007199254740993', distance: expect.closeTo(1, 5) });
    expect(before[0]?.vector).toBeInstanceOf(Float32Array);
    // A killed worker tells nobody; the next call finds out and starts a fresh one.
    tab.workers[0]?.terminate();
    tab.workers[0]?.dispatchEvent(new ErrorEvent('error', { message: 'gone' }));
    await tab.connect(new LetterEmbedder());
    expect(await search()).toEqual(before);
    expect(tab.workers.length).toBe(2);
    expect(await status(tab)).toMatchObject({
      storage: 'indexeddb',
      durability: 'durable',
      role: 'leader',
      collections: 1,
      modes: [],
    });
  });

  test('a new port replaces the old one, and what was under way there goes on', async () => {
    const tab = openTab(fresh(), 'memory');
    await tab.milvus.createCollection(INNS);
    const silent = new LetterEmbedder();
    silent.gate = new Promise(() => {});
    await tab.connect(silent);
    const stuck = tab.milvus.insert({ collectionName, data: DATA });
    await expect.poll(() => silent.calls).toBe(1);
    const answering = new LetterEmbedder();
    await tab.connect(answering);
    expect(await stuck).toMatchObject({ insertCount: 2 });
    expect(answering.calls).toBe(1);
    expect(silent.calls).toBe(1);
    expect(await status(tab)).toMatchObject({ storage: 'memory', durability: 'volatile' });
  });

  test('a later version in another tab: ours lets go, says so, and is refused when opened again', async () => {
    const name = fresh();
    const tab = openTab(name);
    await tab.milvus.createCollection(INNS);
    const upgrade = indexedDB.open(`whorl/${name}`, 1_000);
    const upgraded = await new Promise<IDBDatabase>((resolve, reject) => {
      upgrade.onsuccess = () => resolve(upgrade.result);
      upgrade.onblocked = () => reject(new Error('our connection did not close'));
    });
    expect(await status(tab)).toMatchObject({
      role: 'follower',
      why: expect.stringContaining('upgraded'),
    });
    await expect(tab.milvus.listCollections({})).rejects.toMatchObject({ code: 'storage_lost' });
    upgraded.close();
    tab.index.close();
    const late = openTab(name);
    await expect(late.milvus.listCollections({})).rejects.toMatchObject({
      code: 'storage_too_new',
    });
  });

  test('a cancelled call rejects at once and changes nothing', async () => {
    const tab = openTab(fresh(), 'memory');
    await tab.milvus.createCollection(INNS);
    const slow = new LetterEmbedder();
    let go = (): void => {};
    slow.gate = new Promise((resolve) => {
      go = resolve;
    });
    await tab.connect(slow);
    const abort = new AbortController();
    const insert = tab.milvus.insert({ collectionName, data: DATA }, { signal: abort.signal });
    const settled = expect(insert).rejects.toMatchObject({ code: 'aborted' });
    await expect.poll(() => slow.calls).toBe(1);
    abort.abort();
    await settled;
    go();
    const counted = await tab.milvus.query({
      collectionName,
      filter: '',
      outputFields: ['count(*)'],
    });
    expect(counted).toEqual([{ 'count(*)': 0 }]);
  });
});
