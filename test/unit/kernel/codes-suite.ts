/** Indexes that keep codes and no floats; Node and Chromium run it. */
import { describe, expect, it } from 'vitest';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { built, codeOf, METRICS, now, split, unreachable } from './measures.ts';
import { bitmap, plainSearch, rowOf } from './vectors.ts';

const SHAPE = { dimension: 50, codesOnly: true } as const;
const DATA = { rows: 3000, dimension: 50, clusters: 30, spread: 0.5, seed: 23 };

export function describeCodesOnly(): void {
  describe('codes only', () => {
    for (const metric of METRICS) {
      it(`${metric}: finds nearly what the floats say, by scan, walk and filter`, async () => {
        const { vectors, queries } = split(DATA, 50);
        const index = await built(vectors, { ...SHAPE, metric });
        const odd = bitmap(3000, (row) => row % 2 === 1);
        let [exact, walked, filtered] = [0, 0, 0];
        for (const query of queries) {
          const { scores, order } = plainSearch(metric, vectors, query);
          const best = new Set(order.slice(0, 10));
          const bestOdd = new Set(order.filter((row) => row % 2 === 1).slice(0, 10));
          const hits = index.search(query, { limit: 10, exact: true });
          hits.rows.forEach((row, i) => {
            const size = metric === 'COSINE' ? 1 : Math.max(50, Math.abs(scores[row]!));
            expect(Math.abs(hits.scores[i]! - scores[row]!) / size).toBeLessThan(0.02);
          });
          const count = (rows: Uint32Array, of: Set<number>) =>
            rows.filter((r) => of.has(r)).length;
          exact += count(hits.rows, best);
          walked += count(index.search(query, { limit: 10, walk: true, ef: 256 }).rows, best);
          filtered += count(index.search(query, { ...odd, limit: 10 }).rows, bestOdd);
        }
        expect(exact / 500).toBeGreaterThan(0.95);
        expect(walked / 500).toBeGreaterThan(0.94);
        expect(filtered / 500).toBeGreaterThan(0.95);
        if (metric !== 'IP') expect(unreachable(index, metric, 100)).toBe(0);
      });

      it(`${metric}: hands out vectors that its codes describe`, async () => {
        const { vectors } = split(DATA, 0);
        const index = await VectorIndex.create({ ...SHAPE, metric, indexType: 'FLAT' });
        index.append(vectors);
        for (const row of [0, 63, 64, 1500, 2999]) {
          const own = rowOf(vectors, 50, row);
          const step = Math.max(...own.map(Math.abs)) / 127;
          index.vector(row).forEach((x, k) => {
            expect(Math.abs(x - own[k]!)).toBeLessThan(step * 1.2);
          });
        }
      });
    }

    it('takes about a third of the memory, and the same snapshots', async () => {
      const { vectors } = split({ ...DATA, dimension: 384 }, 0);
      const shape = { dimension: 384, metric: 'COSINE', M: 48 } as const;
      const kept = await built(vectors, shape);
      const codes = await built(vectors, { ...shape, codesOnly: true });
      expect(kept.bytes / 3000).toBeLessThan(2600);
      expect(codes.bytes / 3000).toBeLessThan(1000);
      const saved = codes.snapshot();
      expect(saved).toEqual(kept.snapshot());
      const other = await VectorIndex.create({ ...shape, indexType: 'HNSW' });
      other.append(vectors);
      expect(other.restore(saved)).toBe(true);
    });

    it('adds all rows or none', async () => {
      for (const metric of METRICS) {
        const { vectors } = split(DATA, 0);
        const index = await VectorIndex.create({ ...SHAPE, metric, indexType: 'HNSW', M: 8 });
        index.append(vectors.subarray(0, 70 * 50));
        const bad = vectors.slice(70 * 50, 400 * 50);
        bad[300 * 50] = Number.NaN;
        expect(codeOf(() => index.append(bad))).toBe('milvus 1100');
        expect(index.count).toBe(70);
        expect(index.append(vectors.subarray(70 * 50))).toBe(70);
        while (!index.build(10, now));
        const own = rowOf(vectors, 50, 2000);
        if (metric !== 'IP') expect(index.search(own, { limit: 1 }).rows[0]).toBe(2000);
      }
    });

    it('is an option that is true or false', async () => {
      const options = { dimension: 2, metric: 'IP', indexType: 'FLAT', codesOnly: 1 } as const;
      await expect(
        VectorIndex.create(options as unknown as Parameters<typeof VectorIndex.create>[0]),
      ).rejects.toMatchObject({ code: 'invalid_option' });
    });
  });
}
