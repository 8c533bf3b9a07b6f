/** Tidying up: vectors of dead rows go, small chunks become one, and nothing that can be read changes. */
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { numberIn, pageRows } from '../../../workers/index/pages.ts';
import type { ChunkRecord, CollectionRecord } from '../../../workers/index/records.ts';
import { MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import type { Entry, Storage } from '../../../workers/index/storage/storage.ts';
import {
  LetterEmbedder,
  letterVector,
  openCore,
  SharedLock,
  type TestCore,
} from './core-fixture.ts';
import { CountingStorage } from './counting-storage.ts';
import { Faults, FaultyStorage } from './faulty-storage.ts';
import { INNS } from './inns.ts';

const collectionName = 'c';
/** A page has 64 rows. */
const DIM = 4_096;
const PAGE = pageRows(DIM);

const create = (dim: number) => ({
  collectionName,
  schema: {
    fields: [
      { fieldName: 'id', dataType: 'Int64' as const, isPrimary: true },
      { fieldName: 'v', dataType: 'FloatVector' as const, elementTypeParams: { dim } },
    ],
  },
  indexParams: [{ fieldName: 'v', metricType: 'L2' as const, indexType: 'HNSW' }],
});

/** A vector that says whose it is. */
function vectorOf(id: number, version: number, dim: number): Float32Array {
  const vector = new Float32Array(dim);
  vector[0] = id;
  vector[1] = version;
  vector[dim - 1] = 1;
  return vector;
}

async function scan(storage: Storage, store: 'vectors' | 'collections'): Promise<readonly Entry[]> {
  return storage.read([store], (tx) => tx.scan(store, null));
}

async function chunksIn(disk: MemoryDisk): Promise<readonly ChunkRecord[]> {
  return (await scan(new MemoryStorage(disk), 'vectors')).map(({ value }) => value as ChunkRecord);
}

/** `id version` of every vector that lies in the storage. */
function held(chunks: readonly ChunkRecord[]): string[] {
  return chunks.flatMap((chunk) => {
    const data = new Float32Array(chunk.data);
    const at = (i: number) => i * chunk.dimension;
    return Array.from({ length: chunk.rows }, (_, i) => `${data[at(i)]} ${data[at(i) + 1]}`);
  });
}

async function shown({ milvus }: TestCore): Promise<string[]> {
  const rows = await milvus.query({
    collectionName,
    filter: '',
    limit: 16_384,
    outputFields: ['v'],
  });
  return rows.map(({ v }) => `${(v as Float32Array)[0]} ${(v as Float32Array)[1]}`).sort();
}

const onDisk = (disk: MemoryDisk) => openCore({ openStorage: async () => new MemoryStorage(disk) });

afterEach(() => vi.restoreAllMocks());

describe('pages', () => {
  test('rows of a page: a MiB of vectors, 1,024 at most, one at least', () => {
    expect([2, 16, 384, 4_096, 32_768, 524_288].map(pageRows)).toEqual([
      1_024, 1_024, 682, 64, 8, 1,
    ]);
  });

  test('any sequence of changes and reopenings: the storage holds the live vectors, one chunk a page', async () => {
    const ids = fc.array(fc.integer({ min: 0, max: 90 }), { minLength: 1, maxLength: 50 });
    const action = fc.oneof(
      fc.record({ kind: fc.constant('upsert' as const), ids }),
      fc.record({ kind: fc.constant('delete' as const), ids }),
      fc.record({ kind: fc.constant('idle' as const) }),
      fc.record({ kind: fc.constant('reopen' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 8 }), async (actions) => {
        const disk = new MemoryDisk();
        let opened = await onDisk(disk);
        await opened.milvus.createCollection(create(DIM));
        const model = new Map<number, number>();
        let version = 0;
        for (const each of actions) {
          if (each.kind === 'idle') await opened.core.idle();
          else if (each.kind === 'reopen') {
            await opened.core.close();
            opened = await onDisk(disk);
          } else if (each.kind === 'delete') {
            await opened.milvus.delete({ collectionName, filter: `id in [${each.ids.join(',')}]` });
            for (const id of each.ids) model.delete(id);
          } else {
            // The same key twice in a call: the later row counts.
            const data = each.ids.map((id) => ({ id, v: vectorOf(id, ++version, DIM) }));
            await opened.milvus.upsert({ collectionName, data });
            for (const { id, v } of data) model.set(id, v[1] ?? 0);
          }
        }
        const wanted = [...model].map(([id, n]) => `${id} ${n}`).sort();
        expect(await shown(opened)).toEqual(wanted);
        await opened.core.idle();
        const chunks = await chunksIn(disk);
        expect(held(chunks).sort()).toEqual(wanted);
        const [entry] = await scan(new MemoryStorage(disk), 'collections');
        const record = entry?.value as CollectionRecord | undefined;
        expect(record).toMatchObject({ id: 1 });
        expect(record?.unswept).toBeUndefined();
        const pages = chunks.map(({ firstRow }) => Math.floor(firstRow / PAGE));
        const full = pages.filter((page) => (page + 1) * PAGE <= (record?.nextRow ?? 0));
        expect(new Set(full).size).toBe(full.length);
        expect(await shown(opened)).toEqual(wanted);
        await opened.core.close();
        const again = await onDisk(disk);
        expect(await shown(again)).toEqual(wanted);
        await again.core.close();
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  test('single inserts are merged as they come in: opening reads few records', async () => {
    const disk = new MemoryDisk();
    const opened = await onDisk(disk);
    await opened.milvus.createCollection(create(16));
    for (let id = 0; id < 2_500; id++) {
      await opened.milvus.insert({ collectionName, data: [{ id, v: vectorOf(id, 0, 16) }] });
      if (id % 500 === 499) await opened.core.idle();
    }
    const chunks = await chunksIn(disk);
    expect(chunks.length).toBeLessThan(2 + 1 + 128);
    expect(chunks.slice(0, 2).map(({ rows }) => rows)).toEqual([1_024, 1_024]);
    await opened.core.close();
    const again = await onDisk(disk);
    expect(await shown(again)).toHaveLength(2_500);
    await again.core.close();
  }, 30_000);

  test('saving one row of 10,000 writes kilobytes, tidying included', async () => {
    const storage = new CountingStorage(new MemoryDisk());
    const { core, milvus } = await openCore({ openStorage: async () => storage });
    await milvus.createCollection(create(384));
    const data = Array.from({ length: 10_000 }, (_, id) => ({ id, v: vectorOf(id, 0, 384) }));
    await milvus.insert({ collectionName, data });
    await core.idle();
    storage.bytes = 0;
    await milvus.insert({ collectionName, data: [{ id: 10_000, v: vectorOf(10_000, 0, 384) }] });
    expect(storage.bytes).toBeGreaterThan(384 * 4);
    expect(storage.bytes).toBeLessThan(4_096);
    for (let id = 10_001; id < 10_200; id++) {
      await milvus.insert({ collectionName, data: [{ id, v: vectorOf(id, 0, 384) }] });
    }
    await core.idle();
    expect(storage.bytes / 200).toBeLessThan(16_384);
    await core.close();
  }, 30_000);
});

describe('chunks of version 1', () => {
  test('one that reaches over the end of a page is divided', async () => {
    const disk = new MemoryDisk();
    const opened = await onDisk(disk);
    await opened.milvus.createCollection(create(DIM));
    const ids = Array.from({ length: PAGE + 10 }, (_, id) => id);
    const data = ids.map((id) => ({ id, v: vectorOf(id, 0, DIM) }));
    await opened.milvus.insert({ collectionName, data });
    await opened.core.close();
    const storage = new MemoryStorage(disk);
    const [whole, tail] = await chunksIn(disk);
    if (whole === undefined || tail === undefined) throw new Error('there are two pages');
    const joined = new Float32Array((PAGE + 10 - 3) * DIM);
    joined.set(new Float32Array(whole.data).subarray(3 * DIM));
    joined.set(new Float32Array(tail.data), (PAGE - 3) * DIM);
    const { checksum: _1, ...first } = whole;
    const head = { ...first, rows: 3, data: whole.data.slice(0, 3 * DIM * 4) };
    const long = { ...first, firstRow: 3, rows: PAGE + 7, data: joined.buffer };
    await storage.write(['vectors', 'collections'], async (tx) => {
      const record = (await tx.get('collections', 1)) as CollectionRecord;
      tx.put('collections', 1, { ...record, unswept: [[0, record.nextRow - 1]] });
      tx.delete('vectors', [1, 101, 0, PAGE]);
      tx.put('vectors', [1, 101, 0, 0], head);
      tx.put('vectors', [1, 101, 0, 3], long);
    });
    const again = await onDisk(disk);
    expect(await shown(again)).toHaveLength(PAGE + 10);
    await again.milvus.delete({ collectionName, filter: `id in [4, ${PAGE + 1}]` });
    await again.core.idle();
    const chunks = await chunksIn(disk);
    expect(chunks.map((chunk) => [chunk.firstRow, chunk.rows])).toEqual([
      [0, PAGE - 1],
      [PAGE, 9],
    ]);
    expect(chunks.map((chunk) => numberIn(chunk, chunk.rows - 1))).toEqual([PAGE - 1, PAGE + 9]);
    await again.core.close();
  });
});

describe('faults while tidying', () => {
  const kinds = ['refused', 'unknown'] as const;
  test.each(kinds)(
    'each operation fails once (%s): nothing is lost, and it is done by the next',
    async (kind) => {
      let failures = 0;
      for (let failAt = 1; ; failAt++) {
        const disk = new MemoryDisk();
        const lock = new SharedLock();
        const opened = await onDisk(disk);
        await opened.milvus.createCollection(create(DIM));
        for (const from of [0, 40, 80]) {
          const data = Array.from({ length: 40 }, (_, i) => ({
            id: from + i,
            v: vectorOf(from + i, 0, DIM),
          }));
          await opened.milvus.insert({ collectionName, data });
        }
        await opened.milvus.delete({ collectionName, filter: 'id in [3, 70, 100]' });
        await opened.core.close();
        const wanted = Array.from({ length: 120 }, (_, id) => id)
          .filter((id) => ![3, 70, 100].includes(id))
          .map((id) => `${id} 0`)
          .sort();
        const faults = new Faults(failAt, kind);
        const openStorage = async () => new FaultyStorage(disk, faults);
        const faulty = await openCore({ openStorage, lock }).catch(() => null);
        await faulty?.core.idle();
        await faulty?.core.close();
        if (!faults.struck) break;
        failures += 1;
        const again = await onDisk(disk);
        expect(await shown(again)).toEqual(wanted);
        await again.core.idle();
        expect(held(await chunksIn(disk)).sort()).toEqual(wanted);
        expect(await shown(again)).toEqual(wanted);
        await again.core.close();
        expect(failAt).toBeLessThan(500);
      }
      expect(failures).toBeGreaterThan(10);
    },
    60_000,
  );
});

describe('embedding again', () => {
  test('a row that dies meanwhile leaves no vector of the new model; remains of a cut attempt go', async () => {
    const disk = new MemoryDisk();
    const openStorage = async () => new MemoryStorage(disk);
    const opened = await openCore({ openStorage });
    await opened.milvus.createCollection(INNS);
    const data = Array.from({ length: 1_200 }, (_, i) => ({ text: `inn number ${i}`, place: 'p' }));
    const { insertIds } = await opened.milvus.insert({ collectionName: 'inns', data });
    await opened.core.close();
    const embedder = new LetterEmbedder();
    embedder.fingerprint = 'letters-2';
    embedder.salt = 3;
    const bytesOf = (text: string) => Buffer.from(letterVector(text, 16, 3).buffer).toString('hex');
    const stored = async () =>
      (await chunksIn(disk)).map(({ data: own }) => Buffer.from(own).toString('hex')).join(' ');
    const again = await openCore({ openStorage, embedder });
    again.core.modelConnected('letters-2');
    await expect.poll(() => embedder.texts.length).toBeGreaterThan(512);
    // Its new vector is stored already, in chunks that no record names yet.
    await again.milvus.delete({ collectionName: 'inns', filter: `id in [${insertIds[7]}]` });
    await again.core.idle();
    const after = await stored();
    expect(after.includes(bytesOf('inn number 8'))).toBe(true);
    expect(after.includes(bytesOf('inn number 7'))).toBe(false);
    await again.core.close();
    // Another model, and an attempt that ends in the middle.
    const third = new LetterEmbedder();
    third.fingerprint = 'letters-3';
    third.salt = 5;
    third.failFrom = 9;
    const cut = await openCore({ openStorage, embedder: third });
    cut.core.modelConnected('letters-3');
    await cut.core.idle();
    const generations = async () => {
      const entries = await scan(new MemoryStorage(disk), 'vectors');
      return new Set(entries.map(({ key }) => (key as number[])[2]));
    };
    expect(await generations()).toEqual(new Set([1, 2]));
    await cut.milvus.delete({ collectionName: 'inns', filter: `id in [${insertIds[8]}]` });
    await cut.core.idle();
    expect(await generations()).toEqual(new Set([1]));
    await cut.core.close();
  });
});

describe('memory', () => {
  test('rows that are replaced again and again take the room of two at most, and are found', async () => {
    const append = vi.spyOn(VectorIndex.prototype, 'append');
    const { core, milvus } = await openCore();
    await milvus.createCollection(create(16));
    const live = 1_500;
    const batch = 300;
    const nearest = (id: number, version: number) =>
      milvus.search({ collectionName, data: [vectorOf(id, version, 16)], limit: 1 });
    for (let version = 0; version < 12; version++) {
      for (let from = 0; from < live; from += batch) {
        const data = Array.from({ length: batch }, (_, i) => {
          const id = from + i;
          return { id, v: vectorOf(id, version, 16) };
        });
        await milvus.upsert({ collectionName, data });
        expect(await nearest(from, version)).toEqual([{ id: String(from), distance: 0 }]);
      }
    }
    const indexes = new Set(append.mock.contexts as VectorIndex[]);
    expect(indexes.size).toBeGreaterThan(5);
    const held = append.mock.results.map(({ value }) => value as number);
    expect(Math.max(...held)).toBeLessThanOrEqual(2 * live);
    await core.close();
  }, 30_000);
});
