/** The graph: recall, reach, trial, filters; Node and Chromium run it. */
import { describe, expect, it } from 'vitest';
import { checksumOf } from '../../../workers/index/kernel/snapshot.ts';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { built, codeOf, METRICS, now, recall, split, unreachable } from './measures.ts';
import { bitmap, type Clusters, clustered, plainScore, random, rowOf } from './vectors.ts';

export function describeGraph(): void {
  describe('graph', () => {
    for (const metric of METRICS) {
      for (const shape of [
        { rows: 4000, dimension: 31, clusters: 40, spread: 0.3, seed: 11 },
        { rows: 4000, dimension: 96, clusters: 60, spread: 0.5, seed: 12, lengths: 0.5 },
        { rows: 3000, dimension: 64, clusters: 30, spread: 0.3, seed: 13, offset: 100 },
      ] satisfies Clusters[]) {
        it(`${metric}: recall and reach, ${JSON.stringify(shape)}`, async () => {
          const { vectors, queries } = split(shape, 100);
          const index = await built(vectors, { dimension: shape.dimension, metric });
          expect(index.inserted).toBe(shape.rows);
          expect(recall(index, metric, queries, { ef: 256, walk: true })).toBeGreaterThanOrEqual(
            0.99,
          );
          expect(recall(index, metric, queries, { ef: 128, walk: true })).toBeGreaterThanOrEqual(
            0.985,
          );
          // By inner product alone a longer row may stand before a row itself.
          if (metric !== 'IP') expect(unreachable(index, metric, 100)).toBe(0);
        });
      }
    }

    it('hits carry the scores of the float32 vectors, best first', async () => {
      for (const metric of METRICS) {
        const shape = { rows: 2000, dimension: 48, clusters: 20, spread: 0.4, seed: 21 };
        const { vectors, queries } = split(shape, 20);
        const index = await built(vectors, { dimension: 48, metric });
        for (const query of queries) {
          const hits = index.search(query, { limit: 20, walk: true, ef: 64 });
          const plain = [...hits.rows].map((row) =>
            plainScore(metric, query, rowOf(vectors, 48, row)),
          );
          plain.forEach((score, i) => {
            expect(Math.abs(hits.scores[i]! - score)).toBeLessThan(
              1e-5 * Math.max(1, Math.abs(score)),
            );
          });
          const sorted = [...hits.scores].sort((a, b) => (metric === 'L2' ? a - b : b - a));
          expect([...hits.scores]).toEqual(sorted);
        }
      }
    });

    it('1,000 equal vectors first leave all of 3,500 others reachable, and each other', async () => {
      const dimension = 64;
      const vectors = clustered({ rows: 4500, dimension, clusters: 40, spread: 0.4, seed: 31 });
      for (let row = 1; row < 1000; row++) vectors.copyWithin(row * dimension, 0, dimension);
      for (const metric of METRICS) {
        const unit = vectors.slice();
        if (metric === 'IP') normalise(unit, dimension);
        const index = await built(unit, { dimension, metric });
        expect(unreachable(index, metric, 100)).toBe(0);
        const query = index.vector(0);
        const all = index.search(query, { limit: 1000, ef: 100, walk: true });
        expect([...all.rows].sort((a, b) => a - b)).toEqual([...Array(1000).keys()]);
        const last = bitmap(4500, (row) => row === 777 || row >= 4000);
        const hit = index.search(query, { ...last, limit: 1, ef: 100, walk: true });
        expect([...hit.rows]).toEqual([777]);
      }
    });

    it('any slicing of build gives the same graph', async () => {
      const vectors = clustered({ rows: 700, dimension: 20, clusters: 9, spread: 0.5, seed: 41 });
      const once = await built(vectors, { dimension: 20, metric: 'L2' });
      const slowly = await VectorIndex.create({
        dimension: 20,
        metric: 'L2',
        indexType: 'HNSW',
        M: 16,
      });
      for (let at = 0; at < vectors.length; at += 35 * 20) {
        slowly.append(vectors.subarray(at, at + 35 * 20));
        slowly.build(0, now);
      }
      while (!slowly.build(0, now));
      expect(slowly.snapshot()).toEqual(once.snapshot());
    });

    it('build keeps its budget and always gets on', async () => {
      const index = await VectorIndex.create({ dimension: 4, metric: 'L2', indexType: 'HNSW' });
      index.append(clustered({ rows: 100, dimension: 4, clusters: 5, spread: 0.5, seed: 1 }));
      let clock = 0;
      expect(index.build(0, () => clock)).toBe(false);
      const first = index.inserted;
      expect(first).toBeGreaterThan(0);
      expect(first).toBeLessThan(20);
      expect(index.build(3, () => clock++)).toBe(false);
      expect(index.inserted).toBeGreaterThan(first);
      expect(index.build(1000, () => clock)).toBe(true);
      expect(index.inserted).toBe(100);
    });

    it('rows that are not in the graph yet are found', async () => {
      const shape = { rows: 1000, dimension: 12, clusters: 9, spread: 0.5, seed: 51 };
      const { vectors, queries } = split(shape, 30);
      const index = await built(vectors.slice(0, 900 * 12), { dimension: 12, metric: 'L2' });
      expect(index.append(vectors.slice(900 * 12))).toBe(900);
      const own = index.search(rowOf(vectors, 12, 950), { limit: 1, walk: true, ef: 50 });
      expect([...own.rows]).toEqual([950]);
      expect(recall(index, 'L2', queries, { ef: 100, walk: true })).toBeGreaterThanOrEqual(0.99);
      const tail = bitmap(1000, (row) => row > 901 && row % 3 === 0);
      const hits = index.search(queries[0]!, { ...tail, limit: 1000, walk: true });
      expect(hits.rows.length).toBe(tail.allowedCount);
    });
  });
}

function normalise(vectors: Float32Array, dimension: number): void {
  for (let at = 0; at < vectors.length; at += dimension) {
    const row = vectors.subarray(at, at + dimension);
    const length = Math.hypot(...row);
    row.forEach((x, k) => {
      row[k] = x / length;
    });
  }
}

export function describeTrial(): void {
  describe('trial of the graph', () => {
    const shape = {
      dimension: 24,
      metric: 'L2',
      indexType: 'HNSW',
      M: 8,
      exactBelow: 100,
    } as const;

    it('a good graph is trusted, small indexes need none', async () => {
      const vectors = clustered({ rows: 3000, dimension: 24, clusters: 20, spread: 0.5, seed: 7 });
      const index = await built(vectors, shape);
      expect(index.trusted).toBe(true);
      const small = await built(vectors.slice(0, 100 * 24), shape);
      expect(small.trusted).toBe(false);
      expect(small.build(0, now)).toBe(true);
    });

    it('a graph that falls into islands is not, and answers stay exact', async () => {
      // Few enough to be linked one by one.
      const vectors = clustered({ rows: 1800, dimension: 24, clusters: 60, spread: 0.05, seed: 7 });
      const index = await built(vectors, { ...shape, M: 2, efConstruction: 1 });
      expect(index.trusted).toBe(false);
      let lost = 0;
      for (let row = 0; row < 1800; row += 18) {
        const own = index.vector(row);
        expect([...index.search(own, { limit: 1, ef: 10 }).rows]).toEqual([row]);
        if (index.search(own, { limit: 1, ef: 10, walk: true }).rows[0] !== row) lost++;
      }
      expect(lost).toBeGreaterThan(0);
    });

    it('a saved graph of sound form that finds nothing is thrown away and built anew', async () => {
      const vectors = clustered({ rows: 3000, dimension: 24, clusters: 20, spread: 0.5, seed: 7 });
      const index = await built(vectors, shape);
      const good = index.snapshot();
      expect(index.restore(cutLinks(good, 3000))).toBe(true);
      expect(index.trusted).toBe(false);
      const query = index.vector(2999);
      expect([...index.search(query, { limit: 1 }).rows]).toEqual([2999]);
      // Even a walk that is asked for returns as many rows as there are.
      const five = index.search(query, { limit: 5, walk: true });
      expect(five).toEqual(index.search(query, { limit: 5, exact: true }));
      while (!index.build(20, now));
      expect(index.trusted).toBe(true);
      expect(index.snapshot()).toEqual(good);
    });
  });
}

/** A snapshot in which every node has lost all its links, with a checksum that fits. */
function cutLinks(bytes: Uint8Array, rows: number): Uint8Array {
  const lists = 11 + Math.ceil(rows / 4) + rows;
  const levels = bytes.subarray(44, 44 + rows);
  let words = lists;
  for (const level of levels) if (level !== 255) words += level + 1;
  const cut = new Uint32Array(words);
  cut.set(new Uint32Array(bytes.buffer, 0, lists));
  cut[2] = cut.byteLength;
  cut[3] = checksumOf(cut.subarray(4));
  return new Uint8Array(cut.buffer);
}

export function describeFilters(): void {
  describe('filters', () => {
    for (const metric of METRICS) {
      for (const share of [0.5, 0.1, 0.01, 0.001]) {
        it(`${metric}, ${share} of the rows: recall, and nothing else is returned`, async () => {
          const shape = { rows: 6000, dimension: 40, clusters: 50, spread: 0.5, seed: 61 };
          const { vectors, queries } = split(shape, 60);
          const index = await built(vectors, { dimension: 40, metric });
          const next = random(62);
          const filter = bitmap(6000, () => next() < share);
          expect(recall(index, metric, queries, filter)).toBe(1);
          const walked = { ...filter, walk: true, ef: 128 };
          expect(recall(index, metric, queries, walked)).toBeGreaterThanOrEqual(0.98);
          for (const options of [filter, walked]) {
            const { rows } = index.search(queries[0]!, { ...options, limit: 50 });
            expect(rows.length).toBe(Math.min(50, filter.allowedCount));
            for (const row of rows) expect((filter.allowed[row >>> 5]! >>> (row & 31)) & 1).toBe(1);
          }
        });
      }
    }

    it('counts the bitmap itself, ignores bits behind the rows, and takes an empty one', async () => {
      const vectors = clustered({ rows: 45, dimension: 5, clusters: 3, spread: 0.5, seed: 71 });
      const index = await VectorIndex.create({ dimension: 5, metric: 'IP', indexType: 'FLAT' });
      index.append(vectors);
      const all = new Uint32Array(3).fill(0xffffffff);
      expect(index.search(vectors.slice(0, 5), { limit: 100, allowed: all }).rows.length).toBe(45);
      const none = new Uint32Array(2);
      expect(index.search(vectors.slice(0, 5), { limit: 9, allowed: none }).rows.length).toBe(0);
      const last = Uint32Array.of(0, 1 << 12);
      expect([...index.search(vectors.slice(0, 5), { limit: 9, allowed: last }).rows]).toEqual([
        44,
      ]);
      const short = Uint32Array.of(1);
      expect(codeOf(() => index.search(vectors.slice(0, 5), { limit: 1, allowed: short }))).toBe(
        'invalid_option',
      );
    });
  });
}
