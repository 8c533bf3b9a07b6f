/** Graphs of all rows at once; Node and Chromium run it. */
import { describe, expect, it } from 'vitest';
import { paysInBulk } from '../../../workers/index/kernel/bulk.ts';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { built, METRICS, now, recall, split, unreachable } from './measures.ts';
import { bitmap, clustered, random, rowOf } from './vectors.ts';

const SHAPE = { dimension: 32, metric: 'L2', M: 12, exactBelow: 0 } as const;

async function unbuilt(vectors: Float32Array, maxBytes = 2 ** 32): Promise<VectorIndex> {
  const index = await VectorIndex.create({ ...SHAPE, indexType: 'HNSW', maxBytes });
  index.append(vectors);
  return index;
}

/** Rows in clumps whose rows are a thousand times nearer to each other than clumps are. */
function clumps(rows: number, seed: number): Float32Array {
  return clustered({ rows, dimension: 32, clusters: 8, spread: 0.001, seed });
}

export function describeBulk(): void {
  describe('bulk build', () => {
    it('pays where many rows are missing', () => {
      expect(paysInBulk(1000, 0)).toBe(false);
      expect(paysInBulk(20_000, 0)).toBe(true);
      expect(paysInBulk(20_000, 5000)).toBe(true);
      expect(paysInBulk(20_000, 15_000)).toBe(false);
      expect(paysInBulk(20_000, 20_000)).toBe(false);
    });

    it('answers exactly meanwhile, and takes rows that come meanwhile', async () => {
      const shape = { rows: 4200, dimension: 32, clusters: 30, spread: 0.4, seed: 5 };
      const { vectors, queries } = split(shape, 50);
      const index = await unbuilt(vectors.slice(0, 4000 * 32));
      for (let step = 0; step < 40; step++) {
        expect(index.build(0, now)).toBe(false);
        expect(index.inserted).toBe(0);
        const query = queries[step]!;
        const exact = index.search(query, { limit: 10, exact: true });
        expect(index.search(query, { limit: 10 })).toEqual(exact);
        expect(index.search(query, { limit: 10, walk: true })).toEqual(exact);
      }
      expect(index.append(vectors.slice(4000 * 32))).toBe(4000);
      while (!index.build(5, now));
      expect(index.inserted).toBe(4200);
      expect(index.trusted).toBe(true);
      expect(recall(index, 'L2', queries, { ef: 128, walk: true })).toBeGreaterThanOrEqual(0.985);
      expect(unreachable(index, 'L2', 100)).toBe(0);
    });

    for (const metric of METRICS) {
      it(`${metric}: clumps of rows are linked with each other and every row is found`, async () => {
        const vectors = clumps(4000, 17);
        // A clump of equal rows, and one row far from everything.
        for (let row = 500; row < 1500; row++) vectors.copyWithin(row * 32, 0, 32);
        vectors.fill(-7, 3999 * 32);
        if (metric === 'IP') normalise(vectors);
        const index = await built(vectors, { ...SHAPE, metric });
        expect(unreachable(index, metric, 100)).toBe(0);
        expect(index.trusted).toBe(true);
      });
    }

    for (const metric of METRICS) {
      it(`${metric}: half of the rows replaced keep recall and reach`, async () => {
        const shape = { rows: 6000, dimension: 32, clusters: 40, spread: 0.4, seed: 29 };
        const { vectors, queries } = split(shape, 100);
        const index = await built(vectors.slice(0, 4000 * 32), { ...SHAPE, metric });
        // Each new row comes with the end of an old one, as an upsert does.
        for (let row = 4000; row < 6000; row += 250) {
          index.append(vectors.slice(row * 32, (row + 250) * 32));
          while (!index.build(5, now));
        }
        const live = bitmap(6000, (row) => row >= 4000 || row % 2 === 0);
        const walked = { ...live, ef: 128, walk: true };
        expect(recall(index, metric, queries, walked)).toBeGreaterThanOrEqual(0.985);
        if (metric !== 'IP') expect(unreachable(index, metric, 100)).toBe(0);
      });
    }

    for (const metric of ['IP', 'COSINE'] as const) {
      it(`${metric}: finds the right one of a dozen clumps that are about as far from each other`, async () => {
        const shape = { rows: 4000, dimension: 512, clusters: 12, spread: 0.5 };
        for (const seed of [7, 8]) {
          const { vectors, queries } = split({ ...shape, seed }, 40);
          const index = await built(vectors, { dimension: 512, metric, M: 16 });
          const walked = { walk: true, ef: 128 };
          expect(recall(index, metric, queries, walked)).toBeGreaterThanOrEqual(0.985);
          index.close();
        }
      });
    }

    for (const seed of [41, 42, 43]) {
      it(`L2: finds rows whose lengths differ by far, all at once and one by one, ${seed}`, async () => {
        // Most rows are short, and all of them as far from a long one as that is long.
        const shape = { rows: 6000, dimension: 32, clusters: 40, spread: 0.2, seed, lengths: 1.1 };
        const { vectors, queries } = split(shape, 200);
        const atOnce = await built(vectors, SHAPE);
        const oneByOne = await unbuilt(vectors.slice(0, 1500 * 32));
        for (let row = 1500; row < 6000; row += 500) {
          while (!oneByOne.build(50, now));
          oneByOne.append(vectors.slice(row * 32, (row + 500) * 32));
        }
        while (!oneByOne.build(50, now));
        for (const index of [atOnce, oneByOne]) {
          expect(recall(index, 'L2', queries, { ef: 64, walk: true })).toBeGreaterThanOrEqual(0.99);
          expect(unreachable(index, 'L2', 100)).toBe(0);
        }
      });
    }

    it('gives the same graph however it is sliced, and again after it was thrown away', async () => {
      const vectors = clustered({ rows: 2500, dimension: 32, clusters: 9, spread: 0.5, seed: 3 });
      const once = await built(vectors, SHAPE);
      const slowly = await unbuilt(vectors);
      while (!slowly.build(0, now));
      expect(slowly.snapshot()).toEqual(once.snapshot());
    });

    it('is left off when a saved graph is put in', async () => {
      const vectors = clustered({ rows: 2500, dimension: 32, clusters: 9, spread: 0.5, seed: 3 });
      const saved = (await built(vectors, SHAPE)).snapshot();
      const index = await unbuilt(vectors);
      for (let step = 0; step < 10; step++) index.build(0, now);
      expect(index.restore(saved)).toBe(true);
      expect(index.inserted).toBe(2500);
      while (!index.build(5, now));
      expect(index.snapshot()).toEqual(saved);
    });

    it('ends with its index', async () => {
      const index = await unbuilt(clumps(2500, 4));
      for (let step = 0; step < 10; step++) index.build(0, now);
      index.close();
      expect(() => index.build(0, now)).toThrow(/closed/);
    });

    it('without memory for it, rows are linked one by one', async () => {
      const vectors = clustered({ rows: 2500, dimension: 32, clusters: 9, spread: 0.5, seed: 3 });
      const index = await unbuilt(vectors, 3 * 2 ** 20);
      while (!index.build(5, now));
      expect(index.inserted).toBe(2500);
      expect(index.bytes).toBeLessThanOrEqual(3 * 2 ** 20);
      const roomy = await built(vectors, SHAPE);
      expect(index.snapshot()).not.toEqual(roomy.snapshot());
      const next = random(9);
      const queries = Array.from({ length: 40 }, () =>
        rowOf(vectors, 32, Math.floor(next() * 2500)),
      );
      expect(recall(index, 'L2', queries, { ef: 128, walk: true })).toBeGreaterThanOrEqual(0.985);
    });
  });
}

function normalise(vectors: Float32Array): void {
  for (let at = 0; at < vectors.length; at += 32) {
    const row = vectors.subarray(at, at + 32);
    const length = Math.hypot(...row);
    row.forEach((x, k) => {
      row[k] = x / length;
    });
  }
}
