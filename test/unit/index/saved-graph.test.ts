/** Graphs as they are saved: any doubt about one, and it is not taken. */
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import {
  joinParts,
  partsOf,
  type SavedGraph,
  type SnapshotPart,
} from '../../../workers/index/saved-graph.ts';
import { MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import { openCore, type TestCore } from './core-fixture.ts';

const MIB = 1_048_576;
const collectionName = 'c';

afterEach(() => vi.restoreAllMocks());

function graph(bytes: number, seed: number, extra: Partial<SavedGraph> = {}): SavedGraph {
  const content = Uint8Array.from(
    { length: bytes },
    (_, i) => (i * 31 + seed * 7 + (i >>> 8)) & 255,
  );
  return {
    generation: 0,
    model: 'm',
    count: 3,
    runs: Float64Array.of(0, 3),
    bytes: content,
    ...extra,
  };
}

/** As a storage gives them back: by their key. */
const stored = (saved: SavedGraph): SnapshotPart[] =>
  [...partsOf(saved)].sort((a, b) => a.part - b.part);

describe('parts of a graph', () => {
  test.each([0, 4, 4 * MIB, 4 * MIB + 4, 9 * MIB])(
    '%i bytes come back as they were; part 0 is saved last',
    (size) => {
      const saved = graph(size, 1);
      const parts = [...partsOf(saved)];
      expect(parts.at(-1)?.part).toBe(0);
      expect(parts).toHaveLength(Math.max(1, Math.ceil(size / (4 * MIB))));
      const back = joinParts(stored(saved));
      expect(back).toMatchObject({ generation: 0, model: 'm', count: 3 });
      expect(Buffer.from(back?.bytes ?? []).equals(Buffer.from(saved.bytes))).toBe(true);
    },
  );

  test('one is missing, doubled, of another graph, in another place, or no part at all', () => {
    const own = stored(graph(9 * MIB, 1));
    const other = stored(graph(9 * MIB, 2));
    expect(joinParts([])).toBeNull();
    for (let i = 0; i < own.length; i++) {
      expect(joinParts(own.filter((_, at) => at !== i))).toBeNull();
      expect(joinParts(own.with(i, other[i] as SnapshotPart))).toBeNull();
      expect(joinParts(own.with(i, own[(i + 1) % own.length] as SnapshotPart))).toBeNull();
      for (const thing of [null, 7, {}, { ...own[i], bytes: [1] }]) {
        expect(joinParts((own as unknown[]).with(i, thing))).toBeNull();
      }
      for (const change of [
        { model: 'n' },
        { generation: 1 },
        { count: 4 },
        { whole: 1 },
        { parts: 4 },
      ]) {
        expect(joinParts(own.with(i, { ...(own[i] as SnapshotPart), ...change }))).toBeNull();
      }
    }
    expect(
      joinParts(own.with(0, { ...(own[0] as SnapshotPart), runs: [0, 3] as never })),
    ).toBeNull();
  });

  test('any byte that is another one shows', () => {
    const own = stored(graph(4 * MIB + 1_024, 3));
    fc.assert(
      fc.property(fc.nat(1), fc.nat(1_023), fc.integer({ min: 1, max: 255 }), (part, at, flip) => {
        const spoiled = own[part] as SnapshotPart;
        const bytes = spoiled.bytes.slice();
        bytes[at] = (bytes[at] ?? 0) ^ flip;
        expect(joinParts(own.with(part, { ...spoiled, bytes }))).toBeNull();
      }),
      { numRuns: 50 },
    );
  });
});

/** 6,000 rows whose graph is saved, and what opens them again. */
async function saved() {
  const disk = new MemoryDisk();
  const storage = new MemoryStorage(disk);
  const openStorage = async () =>
    Object.defineProperty(new MemoryStorage(disk), 'durable', { value: true });
  const { core, milvus } = await openCore({ openStorage });
  await milvus.createCollection({ collectionName, dimension: 4, metricType: 'L2' });
  const vectorOf = (id: number) => Float32Array.from([1, 2, 3, 5], (k) => Math.sin(id * k));
  const data = Array.from({ length: 6_000 }, (_, id) => ({ id, vector: vectorOf(id) }));
  await milvus.insert({ collectionName, data });
  const nearest = (of: TestCore, id: number) =>
    of.milvus.search({ collectionName, data: [vectorOf(id)], limit: 1 });
  await nearest({ core, milvus } as TestCore, 5);
  await core.idle();
  const parts = async () => {
    const entries = await storage.read(['snapshots'], (tx) => tx.scan('snapshots', null));
    return entries.map(({ value }) => value as SnapshotPart);
  };
  expect(await parts()).toHaveLength(1);
  await core.close();
  return { storage, parts, nearest, open: () => openCore({ openStorage }) };
}

describe('a graph and its vectors', () => {
  test('a graph of another model, generation or other rows is not taken, and made again', async () => {
    const { storage, parts, nearest, open } = await saved();
    const [good] = await parts();
    if (good === undefined) throw new Error('a graph is saved');
    for (const change of [
      { model: 'another' },
      { generation: 1 },
      { runs: Float64Array.of(1, 6_000) },
      { runs: Float64Array.of(0, 5_999, 6_001, 1) },
      { count: 5_999 },
      { count: 7_000, runs: Float64Array.of(0, 7_000) },
    ]) {
      const key = [1, 101, 0];
      await storage.write(['snapshots'], async (tx) =>
        tx.put('snapshots', key, { ...good, ...change }),
      );
      const restore = vi.spyOn(VectorIndex.prototype, 'restore');
      const opened = await open();
      expect(await nearest(opened, 77)).toEqual([{ id: '77', distance: 0 }]);
      expect(restore).not.toHaveBeenCalled();
      restore.mockRestore();
      await opened.core.idle();
      expect(await parts()).toEqual([good]);
      await opened.core.close();
    }
  }, 60_000);

  test('rows that die take the saved graph with them; the next opening makes one of the rest', async () => {
    const { parts, nearest, open } = await saved();
    const opened = await open();
    await nearest(opened, 77);
    await opened.milvus.delete({ collectionName, filter: 'id in [10, 4000]' });
    await opened.core.idle();
    expect(await parts()).toEqual([]);
    expect(await nearest(opened, 77)).toEqual([{ id: '77', distance: 0 }]);
    await opened.core.close();
    const again = await open();
    expect(await nearest(again, 78)).toEqual([{ id: '78', distance: 0 }]);
    await again.core.idle();
    const [whole] = await parts();
    expect(whole?.count).toBe(5_998);
    expect([...(whole?.runs ?? [])]).toEqual([0, 10, 11, 3_989, 4_001, 1_999]);
    await again.core.close();
    const restore = vi.spyOn(VectorIndex.prototype, 'restore');
    const last = await open();
    expect(await nearest(last, 79)).toEqual([{ id: '79', distance: 0 }]);
    expect(restore.mock.results.map(({ value }) => value)).toEqual([true]);
    await last.core.close();
  }, 60_000);
});
