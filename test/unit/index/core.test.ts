import { describe, expect, test } from 'vitest';
import { WhorlError } from '../../../src/shared/errors.ts';
import type { MilvusRow } from '../../../src/shared/milvus-types.ts';
import { MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import { LetterEmbedder, letterVector, openCore, SharedLock } from './core-fixture.ts';
import { collectionName, count, DATA, INNS, inns } from './inns.ts';

describe('text to vectors', () => {
  test('rows and searches carry text; progress is reported; keys are generated', async () => {
    const opened = await inns();
    const hits = await opened.milvus.search({
      collectionName,
      data: ['The Green Dragon, cozy', 'zzzz'],
      limit: 2,
      searchParams: { params: { nprobe: 10 } },
      outputFields: ['text', 'stars'],
    });
    expect(hits.map((hit) => hit.text)).toEqual([
      DATA[1]?.text,
      expect.anything(),
      'zzzz',
      expect.anything(),
    ]);
    expect(hits[0]).toMatchObject({ id: opened.ids[1], stars: 4, distance: expect.closeTo(1, 5) });
    const seen: unknown[] = [];
    const data = Array.from({ length: 130 }, (_, i) => ({ text: `t${i}`, place: 'p' }));
    await opened.milvus.insert({ collectionName, data }, { onProgress: (p) => seen.push(p) });
    expect(seen).toEqual([64, 128, 130].map((done) => ({ done, total: 130 })));
    expect(await count(opened)).toBe(133);
  });

  test('nothing is kept when the model fails half-way, is cancelled, or has another dimension', async () => {
    const opened = await inns();
    const data = Array.from({ length: 200 }, (_, i) => ({ text: `t${i}`, place: 'p' }));
    opened.embedder.failFrom = opened.embedder.calls + 3;
    await expect(opened.milvus.insert({ collectionName, data })).rejects.toMatchObject({
      code: 'embedder_unavailable',
    });
    opened.embedder.failFrom = Number.POSITIVE_INFINITY;
    const abort = new AbortController();
    const cancelled = opened.milvus.insert(
      { collectionName, data },
      { signal: abort.signal, onProgress: () => abort.abort() },
    );
    await expect(cancelled).rejects.toMatchObject({ code: 'aborted' });
    opened.embedder.dimension = 8;
    await expect(opened.milvus.insert({ collectionName, data })).rejects.toMatchObject({
      milvusCode: 1100,
    });
    expect(await count(opened)).toBe(3);
  });

  test('a vector for a function field is refused by name', async () => {
    const opened = await inns();
    const data = [{ text: 'x', place: 'y', vector: new Float32Array(16) }];
    await expect(opened.milvus.insert({ collectionName, data })).rejects.toMatchObject({
      milvusCode: 1100,
      message: expect.stringContaining('function embed'),
    });
  });

  test('an upsert with generated keys gives the row a new key, as Milvus does', async () => {
    const opened = await inns();
    const [id] = opened.ids;
    const { upsertIds } = await opened.milvus.upsert({
      collectionName,
      data: [{ id, text: 'The Pony, closed', place: 'Bree' }] as MilvusRow[],
    });
    expect(upsertIds[0]).not.toBe(id);
    expect(await opened.milvus.get({ collectionName, id: id ?? '' })).toEqual([]);
    expect(await count(opened)).toBe(3);
    const noKey = opened.milvus.upsert({ collectionName, data: [{ text: 'x', place: 'y' }] });
    await expect(noKey).rejects.toMatchObject({ milvusCode: 1804 });
  });
});

describe('another model', () => {
  test('its vectors are never mixed: refused until the field was embedded again', async () => {
    const disk = new MemoryDisk();
    const openStorage = async () => new MemoryStorage(disk);
    const first = await inns({ openStorage });
    await first.milvus.delete({ collectionName, filter: 'stars == 1' });
    await first.core.close();

    const embedder = new LetterEmbedder();
    embedder.fingerprint = 'letters-2';
    embedder.salt = 5;
    const second = await openCore({ openStorage, embedder });
    const text = DATA[0]?.text ?? '';
    const search = () => second.milvus.search({ collectionName, data: [text], limit: 1 });
    let open = (): void => {};
    await expect(search()).rejects.toMatchObject({ code: 'fingerprint_mismatch', retryable: true });
    embedder.gate = new Promise((resolve) => {
      open = resolve;
    });
    // Meanwhile rows are read, and what needs no vector is written.
    expect(await count(second)).toBe(2);
    const refused = second.milvus.insert({ collectionName, data: [{ text: 'n', place: 'n' }] });
    open();
    await expect(refused).rejects.toMatchObject({ code: 'fingerprint_mismatch' });
    await second.core.idle();
    const [hit] = await search();
    expect(hit).toMatchObject({ id: first.ids[0], distance: expect.closeTo(1, 5) });
    await second.milvus.insert({ collectionName, data: [{ text: 'new', place: 'n' }] });
    const stored = await second.milvus.query({
      collectionName,
      filter: '',
      outputFields: ['text', 'vector'],
    });
    for (const row of stored) expect(row.vector).toEqual(letterVector(String(row.text), 16, 5));
    const storage = new MemoryStorage(disk);
    const chunks = await storage.read(['vectors'], (tx) => tx.scan('vectors', null));
    const fingerprints = chunks.map(({ value }) => (value as { fingerprint: string }).fingerprint);
    expect(new Set(fingerprints)).toEqual(new Set(['letters-2']));
    await second.core.close();
  });

  test('rows of the old model that come in meanwhile are embedded again, too', async () => {
    const disk = new MemoryDisk();
    const openStorage = async () => new MemoryStorage(disk);
    await (await inns({ openStorage })).core.close();
    const embedder = new LetterEmbedder();
    const { core, milvus } = await openCore({ openStorage, embedder });
    const embed = embedder.embed.bind(embedder);
    let late: Promise<unknown> | null = null;
    embedder.embed = async (request, how) => {
      const isLate = late !== null && embedder.texts.length === 0;
      // A call that the old model had answered just before the new one came.
      if (!isLate) late ??= milvus.insert({ collectionName, data: [{ text: 'late', place: 'n' }] });
      await (isLate ? null : late);
      return { ...(await embed(request, how)), fingerprint: isLate ? 'letters-1' : 'letters-2' };
    };
    core.modelConnected('letters-2');
    await core.idle();
    expect(core.status().why).toBeUndefined();
    expect(await milvus.search({ collectionName, data: ['zzzz'], limit: 9 })).toHaveLength(4);
    await core.close();
  });

  test('connecting it starts the work; a failure leaves the old vectors and is explained', async () => {
    const disk = new MemoryDisk();
    const openStorage = async () => new MemoryStorage(disk);
    await (await inns({ openStorage })).core.close();
    const embedder = new LetterEmbedder();
    embedder.fingerprint = 'letters-2';
    embedder.failFrom = 1;
    const opened = await openCore({ openStorage, embedder });
    opened.core.modelConnected('letters-2');
    await opened.core.idle();
    expect(opened.core.status().why).toContain('No model is connected');
    embedder.failFrom = Number.POSITIVE_INFINITY;
    opened.core.modelConnected('letters-2');
    await opened.core.idle();
    expect(opened.core.status().why).toBeUndefined();
    expect((await opened.milvus.search({ collectionName, data: ['zzzz'], limit: 1 })).length).toBe(
      1,
    );
    await opened.core.close();
  });
});

describe('candidates', () => {
  const base = { collectionName, annsField: 'vector', textFields: ['text', 'place'] };

  test('without a vector: words only, every row of a word, cosines null', async () => {
    const { core, ids } = await inns();
    const { candidates, maxBm25 } = await core.candidates({ ...base, text: 'pony in bree' });
    expect(candidates).toEqual([
      { id: ids[0], row: { id: ids[0], ...DATA[0] }, cosine: null, shifted: null, bm25: maxBm25 },
    ]);
    expect(maxBm25).toBeGreaterThan(0);
    expect(await core.candidates({ ...base, text: 'unheard' })).toEqual({
      candidates: [],
      maxBm25: 0,
    });
  });

  test('union of nearest, shifted, words and included rows, each once, filtered', async () => {
    const { core, milvus, ids } = await inns();
    const vector = letterVector('zzzz', 16);
    const shifted = letterVector(DATA[1]?.text ?? '', 16);
    const request = { ...base, text: 'pony', vector, shifted, depth: 1 };
    const all = await core.candidates(request);
    expect(new Set(all.candidates.map((c) => c.id))).toEqual(new Set(ids));
    const z = all.candidates.find((c) => c.id === ids[2]);
    expect(z).toMatchObject({ cosine: expect.closeTo(1, 5), bm25: 0, row: { stars: 1 } });
    expect(z?.row).not.toHaveProperty('vector');
    const filter = 'place != "nowhere"';
    const some = await core.candidates({
      ...request,
      filter,
      include: [ids[2] ?? '', ids[1] ?? ''],
    });
    expect(new Set(some.candidates.map((c) => c.id))).toEqual(new Set(ids.slice(0, 2)));
    // Words follow what is written after the first question.
    await milvus.delete({ collectionName, filter: `id in [${ids[0]}]` });
    await milvus.insert({ collectionName, data: [{ text: 'another pony', place: 'Rohan' }] });
    const later = await core.candidates({ ...base, text: 'pony', outputFields: ['place'] });
    expect(later.candidates.map((c) => c.row.place)).toEqual(['Rohan']);
  });

  test('bad requests are refused by name', async () => {
    const { core, milvus } = await inns();
    const wrong = async (change: object, part: string) =>
      expect(core.candidates({ ...base, text: 'x', ...change })).rejects.toMatchObject({
        message: expect.stringContaining(part),
      });
    await wrong({ depth: 0 }, 'depth');
    await wrong({ depth: 1_001 }, 'depth');
    await wrong({ vector: new Float32Array(3) }, 'dimension mismatch');
    await wrong({ textFields: ['vector'] }, 'VarChar');
    await wrong({ filter: 'text =~ "a%"' }, 'not supported');
    await milvus.releaseCollection({ collectionName });
    await expect(core.candidates({ ...base, text: 'x' })).rejects.toMatchObject({
      milvusCode: 101,
    });
  });
});

describe('status and lifetime', () => {
  test('denied storage: memory, volatile, and why', async () => {
    const denied = async () => {
      throw new WhorlError('storage_unavailable', 'The browser denies storage.');
    };
    const { core } = await openCore({ openStorage: denied });
    expect(core.status()).toEqual({
      storage: 'memory',
      modes: ['memory_only'],
      durability: 'volatile',
      role: 'leader',
      collections: 0,
      why: expect.stringContaining('denies storage'),
    });
  });

  test('watch tells each change and ends with the core; later calls are refused', async () => {
    const { core, milvus } = await openCore();
    const seen: number[] = [];
    const watching = core.watch(
      (status) => seen.push(status.collections),
      new AbortController().signal,
    );
    await milvus.createCollection(INNS);
    await milvus.dropCollection({ collectionName });
    await core.close();
    await watching;
    expect(seen).toEqual([1, 0]);
    await expect(milvus.listCollections({})).rejects.toMatchObject({ code: 'closed' });
  });

  test('a stolen lock makes a follower that waits for its turn', async () => {
    const disk = new MemoryDisk();
    const lock = new SharedLock();
    const openStorage = async () =>
      Object.defineProperty(new MemoryStorage(disk), 'durable', { value: true });
    const { core, milvus } = await inns({ openStorage, lock });
    lock.steal();
    await expect.poll(() => core.status().role).toBe('follower');
    await expect(milvus.dropCollection({ collectionName })).rejects.toMatchObject({
      code: 'not_leader',
    });
    expect((await milvus.query({ collectionName, filter: '' })).length).toBe(3);
    await core.close();
  });

  test('unknown members and endpoints are refused by name', async () => {
    const { core, milvus } = await inns();
    const body = { collectionName, data: ['x'], groupingField: 'place' };
    await expect(milvus.search(body as never)).rejects.toMatchObject({
      milvusCode: 1100,
      message: expect.stringContaining('groupingField'),
    });
    await expect(core.milvus('indexes/create', {})).rejects.toMatchObject({ milvusCode: 10 });
    await expect(core.milvus('toString', {})).rejects.toMatchObject({ milvusCode: 10 });
    await expect(milvus.query(null as never)).rejects.toMatchObject({ milvusCode: 1801 });
  });

  test('what comes out is a copy', async () => {
    const { milvus, ids } = await inns();
    const id = ids[1] ?? '';
    const read = async () => (await milvus.get({ collectionName, id }))[0] ?? {};
    const before = await read();
    (before.vector as Float32Array).fill(9);
    (before as { stars: number }).stars = 0;
    expect(await read()).toMatchObject({ stars: 4, vector: letterVector(DATA[1]?.text ?? '', 16) });
  });
});

test('a change that the full disk refused costs no cache: the next search reads nothing again', async () => {
  let full = false;
  let reads = 0;
  class FullStorage extends MemoryStorage {
    override write: MemoryStorage['write'] = (stores, body) => {
      if (full) throw new WhorlError('storage_full', 'the disk is full', { retryable: true });
      return super.write(stores, body);
    };
    override read: MemoryStorage['read'] = (stores, body) => {
      if (stores.includes('vectors') || stores.includes('rows')) reads += 1;
      return super.read(stores, body);
    };
  }
  const { milvus, core } = await inns({ openStorage: async () => new FullStorage() });
  const search = () => milvus.search({ collectionName, data: ['pony'], limit: 1 });
  const before = await search();
  full = true;
  const data = [{ text: 'one more', place: 'Bree' }];
  await expect(milvus.insert({ collectionName, data })).rejects.toMatchObject({
    code: 'storage_full',
  });
  reads = 0;
  expect(await search()).toEqual(before);
  expect(reads).toBe(0);
  full = false;
  expect((await milvus.insert({ collectionName, data })).insertCount).toBe(1);
  await core.close();
});
