/** What an import does to a store: names, keys, models, one state, and what is refused. */
import { describe, expect, test } from 'vitest';
import type { MilvusRow } from '../../../src/shared/milvus-types.ts';
import { readOut } from '../../../workers/index/archive-out.ts';
import { MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import { World } from '../../sim/world.ts';
import { LetterEmbedder, openCore, SharedLock } from '../index/core-fixture.ts';
import { bytesOf, checked, exported, imported, textOf } from './archive-fixture.ts';
import { fill, INNS, innRows, MADE } from './samples.ts';

async function filled(rows = 12) {
  const store = await openCore();
  await fill(store, rows);
  return store;
}

const all = ({ milvus }: Awaited<ReturnType<typeof openCore>>, collectionName: string) =>
  milvus.query({ collectionName, filter: '', limit: 16_384, outputFields: ['*'] });

describe('an import', () => {
  test('generates keys above those that came', async () => {
    const source = await filled();
    const late = await openCore({ clock: { now: () => 1_000, monotonic: () => 0 } });
    await imported(late.core, await exported(source.core));
    const [highest] = (await all(late, 'made')).map(({ id }) => BigInt(id as string)).slice(-1);
    const { insertIds } = await late.milvus.insert({
      collectionName: 'made',
      data: [{ vector: [1, 2] }],
    });
    expect(BigInt(insertIds[0] as string)).toBeGreaterThan(highest as bigint);
    expect(await all(late, 'made')).toHaveLength(13);
    await Promise.all([source.core.close(), late.core.close()]);
  });

  test('of vectors of another model keeps them, and embeds them again with the present one', async () => {
    const source = await filled();
    const file = await exported(source.core);
    const embedder = new LetterEmbedder();
    embedder.fingerprint = 'letters-2';
    embedder.salt = 5;
    const target = await openCore({ embedder });
    target.core.modelConnected('letters-2');
    await imported(target.core, file);
    await target.core.idle();
    const text = '龍亭 1';
    const hits = await target.milvus.search({
      collectionName: 'inns',
      data: [text],
      annsField: 'model',
      limit: 1,
      outputFields: ['text'],
    });
    expect(hits).toMatchObject([{ text, distance: expect.closeTo(1, 4) }]);
    const [inns] = await checked(await exported(target.core));
    expect(inns?.vectors.map(({ fingerprint }) => fingerprint)).toEqual(['caller', 'letters-2']);
    const own = (rows: readonly MilvusRow[]) => rows.map(({ model: _, ...rest }) => rest);
    expect(own(await all(target, 'inns'))).toEqual(own(await all(source, 'inns')));
    await Promise.all([source.core.close(), target.core.close()]);
  });

  test('of vectors of the present model embeds nothing', async () => {
    const source = await filled();
    const target = await openCore();
    target.core.modelConnected('letters-1');
    await imported(target.core, await exported(source.core));
    await target.core.idle();
    expect(target.embedder.calls).toBe(0);
    expect(await all(target, 'inns')).toEqual(await all(source, 'inns'));
    await Promise.all([source.core.close(), target.core.close()]);
  });

  test('of nothing, and of empty collections, comes back the same', async () => {
    const [none, empty, target] = [await openCore(), await openCore(), await openCore()];
    const file = await exported(none.core);
    expect(await imported(none.core, file)).toEqual({ collections: [] });
    await empty.milvus.createCollection(INNS);
    await empty.milvus.createCollection(MADE);
    await empty.milvus.releaseCollection({ collectionName: 'made' });
    const bytes = await exported(empty.core);
    const { collections } = await imported(target.core, bytes);
    expect(collections.map(({ name, rows }) => [name, rows])).toEqual([
      ['inns', 0],
      ['made', 0],
    ]);
    expect(await textOf(await exported(target.core))).toBe(await textOf(bytes));
    const state = await target.milvus.getCollectionLoadState({ collectionName: 'made' });
    expect(state.loadState).toBe('LoadStateNotLoad');
    await target.milvus.insert({ collectionName: 'inns', data: innRows(3) });
    expect(await all(target, 'inns')).toHaveLength(3);
    await Promise.all([none, empty, target].map(({ core }) => core.close()));
  });

  test('refuses names that clash, that nobody has, or that none can be', async () => {
    const store = await filled();
    const file = await exported(store.core);
    const before = await textOf(file);
    const odd: readonly [readonly (readonly [string, string])[], string][] = [
      [[], 'already'],
      [[['inns', 'made']], 'already'],
      [
        [
          ['inns', 'a'],
          ['made', 'a'],
        ],
        'same name',
      ],
      [[['none', 'a']], '"none"'],
      [
        [
          ['inns', 'a b'],
          ['made', 'c'],
        ],
        'Invalid collection name',
      ],
    ];
    for (const [rename, says] of odd) {
      await expect(imported(store.core, file, { rename })).rejects.toThrow(says);
    }
    expect(await textOf(await exported(store.core))).toBe(before);
    await store.core.close();
  });

  test('is refused where nobody can be asked to make it, and an export works', async () => {
    const [disk, lock] = [new MemoryDisk(), new SharedLock()];
    const openStorage = async () =>
      Object.assign(new MemoryStorage(disk), { durable: true as const });
    const leader = await openCore({ openStorage, lock });
    await fill(leader);
    const follower = await openCore({ openStorage, lock });
    expect(follower.core.status().role).toBe('follower');
    const file = await exported(follower.core);
    expect(await textOf(file)).toBe(await textOf(await exported(leader.core)));
    const rename = [['inns', 'b'] as const, ['made', 'c'] as const];
    await expect(imported(follower.core, file, { rename })).rejects.toMatchObject({
      code: 'not_leader',
    });
    await imported(leader.core, file, { rename });
    expect(await follower.milvus.listCollections({})).toEqual(['inns', 'made', 'b', 'c']);
    await Promise.all([leader.core.close(), follower.core.close()]);
  });

  test('of a tab that does not lead is made by the one that does', async () => {
    const source = await filled();
    const collections = await checked(await exported(source.core));
    const world = new World();
    const [leader, follower] = [await world.open(), await world.open()];
    const reported: number[] = [];
    const request = { collections, onConflict: 'refuse', rename: [['made', 'b']] } as const;
    const report = ({ done }: { readonly done: number }) => reported.push(done);
    const result = await follower.core.archives.takeIn(request, { report });
    expect(result.collections.map(({ name, rows }) => [name, rows])).toEqual([
      ['inns', 12],
      ['b', 12],
    ]);
    expect(follower.core.status()).toMatchObject({ role: 'follower', collections: 2 });
    expect(reported.at(-1)).toBe(24);
    expect(await textOf(await exported(follower.core, ['inns']))).toBe(
      await textOf(await exported(source.core, ['inns'])),
    );
    await expect(follower.core.archives.takeIn(request)).rejects.toThrow('already');
    await Promise.all([leader, follower, source].map(({ core }) => core.close()));
  });

  test('that is told to stop at any piece keeps nothing, and the store goes on', async () => {
    const source = await filled();
    const file = await exported(source.core);
    const collections = await checked(file);
    for (let stopAt = 1; stopAt <= 2; stopAt++) {
      const target = await openCore();
      const stop = new AbortController();
      let pieces = 0;
      const report = () => {
        pieces += 1;
        if (pieces === stopAt) stop.abort();
      };
      const request = { collections, onConflict: 'refuse', rename: [] } as const;
      const work = target.core.archives.takeIn(request, { signal: stop.signal, report });
      await expect(work).rejects.toMatchObject({ code: 'aborted' });
      expect(await target.milvus.listCollections({})).toEqual([]);
      await imported(target.core, file);
      expect(await textOf(await exported(target.core))).toBe(await textOf(file));
      await target.core.close();
    }
    await source.core.close();
  });
});

describe('an export', () => {
  test('is one state of the store, whoever writes meanwhile', async () => {
    const store = await filled();
    const [inns] = await checked(await exported(store.core));
    const reading = store.core.archives.readOut({});
    const writing = store.milvus.delete({ collectionName: 'inns', filter: 'beds > -100' });
    const read = await reading;
    await writing;
    const found = read.find(({ name }) => name === 'inns');
    expect(found?.count).toBe(12);
    expect(await bytesOf(found?.rows as Blob)).toEqual(await bytesOf(inns?.rows as Blob));
    await store.core.close();
  });

  test('puts vectors in the order of the rows, whatever the window, after upserts and deletes', async () => {
    const disk = new MemoryDisk();
    const openStorage = async () => new MemoryStorage(disk);
    const store = await openCore({ openStorage });
    await fill(store, 40);
    for (const row of [...innRows(40)].reverse().filter((_, i) => i % 3 === 0)) {
      await store.milvus.upsert({ collectionName: 'inns', data: [row] });
    }
    await store.milvus.delete({ collectionName: 'inns', filter: 'beds in [-4, 3, 10, 17]' });
    const storage = new MemoryStorage(disk);
    const scope = { signal: undefined, report: undefined };
    const [whole] = await readOut(storage, { collections: ['inns'] }, scope);
    const vectors = await Promise.all(whole?.vectors.map(({ data }) => bytesOf(data)) ?? []);
    for (const windowBytes of [1, 64, 100, 700]) {
      const [read] = await readOut(storage, { collections: ['inns'] }, scope, windowBytes);
      const windows = await Promise.all(read?.vectors.map(({ data }) => bytesOf(data)) ?? []);
      expect(windows).toEqual(vectors);
    }
    const rows = await all(store, 'inns');
    expect(rows.flatMap(({ vector }) => Array.from(vector as Float32Array))).toEqual(
      Array.from(new Float32Array((vectors[0] as Uint8Array<ArrayBuffer>).buffer)),
    );
    await store.core.close();
  });

  test('of a collection that is not there is refused by name; of some has those only', async () => {
    const store = await filled();
    await expect(exported(store.core, ['inns', 'none'])).rejects.toMatchObject({ milvusCode: 100 });
    const some = await checked(await exported(store.core, ['made', 'made']));
    expect(some.map(({ name }) => name)).toEqual(['made']);
    await store.core.close();
  });
});
