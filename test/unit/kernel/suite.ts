/** One suite for the vector index; Node and Chromium run it. */
import { describe, expect, it } from 'vitest';
import { isWhorlError } from '../../../src/shared/errors.ts';
import type { MetricType } from '../../../src/shared/milvus-types.ts';
import { checksumOf } from '../../../workers/index/kernel/snapshot.ts';
import {
  VectorIndex,
  type VectorIndexOptions,
  type VectorSearchOptions,
} from '../../../workers/index/kernel/vector-index.ts';
import {
  bitmap,
  type Clusters,
  clustered,
  plainScore,
  plainSearch,
  random,
  rowOf,
} from './vectors.ts';

const METRICS: readonly MetricType[] = ['IP', 'COSINE', 'L2'];
const now = () => performance.now();

/** An index with its graph complete. */
export async function built(
  vectors: Float32Array,
  options: Partial<VectorIndexOptions> & { dimension: number },
): Promise<VectorIndex> {
  const index = await VectorIndex.create({ metric: 'IP', indexType: 'HNSW', M: 16, ...options });
  index.append(vectors);
  while (!index.build(50, now));
  return index;
}

/** Share of the true best ten that a search finds; equal scores count as found. */
export function recall(
  index: VectorIndex,
  metric: MetricType,
  queries: readonly Float32Array[],
  options: Omit<VectorSearchOptions, 'limit'>,
): number {
  let found = 0;
  let wanted = 0;
  for (const query of queries) {
    const truth = index.search(query, { ...options, limit: 10, exact: true }).scores;
    const worst = truth.at(-1)!;
    const hits = index.search(query, { ...options, limit: 10 }).scores;
    found += hits.filter((score) => (metric === 'L2' ? score <= worst : score >= worst)).length;
    wanted += truth.length;
  }
  return found / wanted;
}

/** Rows whose own vector does not lead to anything as good as themselves. */
export function unreachable(index: VectorIndex, metric: MetricType, ef: number, every = 1): number {
  let lost = 0;
  for (let row = 0; row < index.count; row += every) {
    const own = index.vector(row);
    const hit = index.search(own, { limit: 1, ef, walk: true }).scores[0]!;
    const self = index.score(own, Uint32Array.of(row))[0]!;
    const slack = 1e-5 * Math.max(1, Math.abs(self));
    if (metric === 'L2' ? hit > self + slack : hit < self - slack) lost++;
  }
  return lost;
}

function split(o: Clusters, queries: number) {
  const all = clustered({ ...o, rows: o.rows + queries });
  const rows = Array.from({ length: queries }, (_, i) => rowOf(all, o.dimension, o.rows + i));
  return { vectors: all.slice(0, o.rows * o.dimension), queries: rows };
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isWhorlError(error)) return error.milvusCode ? `milvus ${error.milvusCode}` : error.code;
    throw error;
  }
  return 'nothing thrown';
}

function exactScan(): void {
  describe('exact scan', () => {
    for (const metric of METRICS) {
      for (const dimension of [2, 3, 7, 16, 33, 100, 384, 1031, 4096]) {
        it(`${metric}, dimension ${dimension}: order and scores of a plain scan`, async () => {
          const rows = dimension > 1000 ? 150 : 1500;
          const { vectors, queries } = split(
            { rows, dimension, clusters: 9, spread: 0.6, seed: 5 + dimension },
            4,
          );
          const index = await VectorIndex.create({ dimension, metric, indexType: 'FLAT' });
          expect(index.append(vectors)).toBe(0);
          for (const query of queries) {
            const { scores, order } = plainSearch(metric, vectors, query);
            const hits = index.search(query, { limit: 25 });
            expect(hits.rows.length).toBe(25);
            hits.rows.forEach((row, place) => {
              const size =
                metric === 'COSINE' ? 1 : Math.max(1, Math.abs(scores[order[0]!]!), dimension);
              expect(Math.abs(hits.scores[place]! - scores[row]!) / size).toBeLessThan(1e-6);
              // Rows of equal score up to rounding may change places.
              expect(Math.abs(scores[row]! - scores[order[place]!]!) / size).toBeLessThan(1e-6);
            });
            expect(new Set(hits.rows).size).toBe(25);
          }
          index.close();
        });
      }
    }

    it('is exact where codes say next to nothing: one huge coordinate, a huge offset', async () => {
      const dimension = 24;
      for (const metric of METRICS) {
        const vectors = clustered({
          rows: 2000,
          dimension,
          clusters: 5,
          spread: 0.5,
          seed: 3,
          offset: 5000,
        });
        for (let row = 0; row < 2000; row += 2) vectors[row * dimension] = 1e6 * (row % 7);
        const index = await VectorIndex.create({ dimension, metric, indexType: 'FLAT' });
        index.append(vectors);
        for (let row = 0; row < 40; row++) {
          const query = index.vector(row * 49);
          const scores = plainSearch(metric, vectors, query);
          const best = scores.scores[scores.order[9]!]!;
          const hits = index.search(query, { limit: 10 });
          for (const hit of hits.rows) {
            // In float32 the scores themselves are only this exact.
            const slack = 1e-6 * Math.max(Math.abs(best), metric === 'L2' ? 1e-3 : 1);
            if (metric === 'L2') expect(scores.scores[hit]!).toBeLessThanOrEqual(best + slack);
            else expect(scores.scores[hit]!).toBeGreaterThanOrEqual(best - slack);
          }
        }
      }
    });

    it('constant vectors of the largest dimension do not overflow', async () => {
      const dimension = 4096;
      const index = await VectorIndex.create({ dimension, metric: 'IP', indexType: 'FLAT' });
      index.append(new Float32Array(dimension).fill(1));
      index.append(new Float32Array(dimension).fill(-1));
      index.append(new Float32Array(dimension).fill(0.5));
      const hits = index.search(new Float32Array(dimension).fill(1), { limit: 3 });
      expect([...hits.rows]).toEqual([0, 2, 1]);
      expect([...hits.scores]).toEqual([4096, 2048, -4096]);
    });

    it('zero vectors have cosine 0, as query and as row', async () => {
      const index = await VectorIndex.create({ dimension: 3, metric: 'COSINE', indexType: 'HNSW' });
      index.append(Float32Array.of(0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0));
      while (!index.build(1, now));
      for (const walk of [true, false]) {
        const hits = index.search(Float32Array.of(2, 0, 0), { limit: 4, walk });
        expect([...hits.scores]).toEqual([1, 0, 0, -1]);
        const none = index.search(Float32Array.of(0, 0, 0), { limit: 4, walk });
        expect([...none.scores]).toEqual([0, 0, 0, 0]);
      }
    });

    it('tiny and huge coordinates keep their order', async () => {
      for (const factor of [1e-25, 1e-12, 1e12, 1e17]) {
        const index = await VectorIndex.create({
          dimension: 2,
          metric: 'COSINE',
          indexType: 'FLAT',
        });
        index.append(Float32Array.of(1, 0, 1, 1, 0, 1).map((x) => x * factor));
        const hits = index.search(Float32Array.of(1, 0.2), { limit: 3 });
        expect([...hits.rows]).toEqual([0, 1, 2]);
        expect(hits.scores[0]!).toBeCloseTo(1 / Math.hypot(1, 0.2), 5);
      }
    });
  });
}

function graph(): void {
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

function trial(): void {
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
      const vectors = clustered({ rows: 3000, dimension: 24, clusters: 60, spread: 0.05, seed: 7 });
      const index = await built(vectors, { ...shape, M: 2, efConstruction: 1 });
      expect(index.trusted).toBe(false);
      let lost = 0;
      for (let row = 0; row < 3000; row += 30) {
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

function filters(): void {
  describe('filters', () => {
    for (const metric of METRICS) {
      for (const share of [0.5, 0.1, 0.01]) {
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

function lifetime(): void {
  describe('rows, refusals, memory', () => {
    it('gives back what was appended, also for COSINE, and copies', async () => {
      const index = await VectorIndex.create({ dimension: 3, metric: 'COSINE', indexType: 'FLAT' });
      const vectors = Float32Array.of(3, 4, 0, 0, 0, 0.25);
      index.append(vectors);
      const copy = index.vector(0);
      expect([...copy]).toEqual([3, 4, 0]);
      copy.fill(9);
      expect([...index.vector(0)]).toEqual([3, 4, 0]);
      expect([...index.vector(1)]).toEqual([0, 0, 0.25]);
      expect([...index.score(Float32Array.of(0, 0, 7), Uint32Array.of(1, 0, 1))]).toEqual([
        1, 0, 1,
      ]);
    });

    it('an empty index answers with nothing', async () => {
      const index = await built(new Float32Array(0), { dimension: 6 });
      expect(index.search(new Float32Array(6), { limit: 5 }).rows.length).toBe(0);
      expect(index.search(new Float32Array(6), { limit: 5, walk: true }).rows.length).toBe(0);
      expect(index.restore(index.snapshot())).toBe(true);
    });

    it('refuses vectors that are not finite, and adds none of them', async () => {
      const index = await built(Float32Array.of(1, 0, 0, 1), { dimension: 2 });
      for (const bad of [NaN, Infinity, -Infinity, 3e38]) {
        expect(codeOf(() => index.append(Float32Array.of(1, 1, 0, bad)))).toBe('milvus 1100');
        expect(codeOf(() => index.search(Float32Array.of(bad, 1), { limit: 1 }))).toBe(
          'milvus 1100',
        );
      }
      expect(index.count).toBe(2);
      expect(index.append(Float32Array.of(2, 2))).toBe(2);
      while (!index.build(1, now));
      expect([...index.search(Float32Array.of(1, 1), { limit: 9 }).rows]).toEqual([2, 0, 1]);
    });

    it('refuses wrong lengths, options and rows by name', async () => {
      const index = await built(Float32Array.of(1, 0), { dimension: 2 });
      const query = Float32Array.of(1, 0);
      expect(codeOf(() => index.append(new Float32Array(3)))).toBe('milvus 1100');
      expect(codeOf(() => index.search(new Float32Array(3), { limit: 1 }))).toBe('milvus 1100');
      for (const options of [
        { limit: 0 },
        { limit: 1.5 },
        { limit: 1, ef: 0 },
        { limit: 1, top: 2 },
      ]) {
        expect(codeOf(() => index.search(query, options))).toBe('invalid_option');
      }
      for (const row of [1, 2 ** 31]) {
        expect(codeOf(() => index.score(query, Uint32Array.of(row)))).toBe('invalid_option');
        expect(codeOf(() => index.vector(row))).toBe('invalid_option');
      }
      const wrong = [
        { dimension: 1 },
        { dimension: 4097 },
        { M: 1 },
        { metric: 'l2' },
        { nprobe: 3 },
      ];
      for (const option of wrong) {
        const options = { dimension: 2, metric: 'IP', indexType: 'HNSW', ...option };
        await expect(VectorIndex.create(options as VectorIndexOptions)).rejects.toMatchObject({
          code: 'invalid_option',
          message: expect.stringContaining(Object.keys(option)[0]!),
        });
      }
    });

    it('is closed once', async () => {
      const index = await built(Float32Array.of(1, 0), { dimension: 2 });
      index.close();
      index.close();
      expect(codeOf(() => index.search(Float32Array.of(1, 0), { limit: 1 }))).toBe('closed');
      expect(codeOf(() => index.append(Float32Array.of(1, 0)))).toBe('closed');
    });

    it('without memory it says so, keeps its rows and answers', async () => {
      const dimension = 128;
      const vectors = clustered({ rows: 5000, dimension, clusters: 9, spread: 0.5, seed: 81 });
      const index = await VectorIndex.create({
        dimension,
        metric: 'L2',
        indexType: 'HNSW',
        M: 16,
        maxBytes: 4 * 2 ** 20,
      });
      const batch = 512 * dimension;
      const codes: string[] = [];
      for (let at = 0; at < vectors.length; at += batch) {
        codes.push(codeOf(() => index.append(vectors.subarray(at, at + batch))));
      }
      expect(codes[0]).toBe('nothing thrown');
      expect(codes.at(-1)).toBe('out_of_memory');
      expect(index.count).toBeGreaterThan(0);
      expect(index.count % 512).toBe(0);
      expect(index.bytes).toBeLessThanOrEqual(4 * 2 ** 20);
      const row = index.count - 1;
      expect([...index.search(index.vector(row), { limit: 1 }).rows]).toEqual([row]);
    });

    it('without memory for the graph it still answers exactly', async () => {
      const vectors = clustered({ rows: 2000, dimension: 32, clusters: 9, spread: 0.5, seed: 82 });
      const shape = {
        dimension: 32,
        metric: 'L2',
        indexType: 'HNSW',
        M: 16,
        exactBelow: 0,
      } as const;
      const roomy = await VectorIndex.create(shape);
      roomy.append(vectors);
      for (const spare of [0, 3000, 20_000, 60_000]) {
        const index = await VectorIndex.create({ ...shape, maxBytes: roomy.bytes + spare });
        index.append(vectors);
        const outcome = codeOf(() => {
          while (!index.build(10, now));
        });
        if (spare === 0) expect(outcome).toBe('out_of_memory');
        for (const row of [0, 999, 1999]) {
          expect([...index.search(index.vector(row), { limit: 1 }).rows]).toEqual([row]);
        }
      }
    });
  });
}

/** Runs everything. */
export function describeVectorIndex(): void {
  exactScan();
  graph();
  trial();
  filters();
  lifetime();
}
