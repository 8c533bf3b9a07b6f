/** Exact search; Node and Chromium run it. */
import { describe, expect, it } from 'vitest';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { METRICS, now, split } from './measures.ts';
import { clustered, plainSearch } from './vectors.ts';

export function describeExactScan(): void {
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
