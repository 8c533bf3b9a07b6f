/** Sifting by sign bits; Node and Chromium run it. */
import { describe, expect, it } from 'vitest';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { built, METRICS, recall, split } from './measures.ts';
import { bitmap, random, rowOf } from './vectors.ts';

const DIMENSION = 192;
const DATA = { rows: 5000, dimension: DIMENSION, clusters: 60, spread: 0.7, seed: 91 };
const SHAPE = { dimension: DIMENSION, M: 8, exactBelow: 1000 } as const;

export function describeSift(): void {
  describe('sifting by signs', () => {
    for (const metric of METRICS) {
      it(`${metric}: finds what a scan finds, and proves it`, async () => {
        const { vectors, queries } = split(DATA, 60);
        const index = await built(vectors, { ...SHAPE, metric });
        expect(index.sifts).toBe(true);
        expect(recall(index, metric, queries, { sift: true })).toBeGreaterThanOrEqual(0.99);
        // What a search does when nobody says how.
        expect(recall(index, metric, queries, {})).toBeGreaterThanOrEqual(0.99);
      });

      it(`${metric}: finds every row by its own vector, and equal rows`, async () => {
        const { vectors } = split(DATA, 0);
        for (let row = 1; row < 200; row++) vectors.copyWithin(row * DIMENSION, 0, DIMENSION);
        const index = await built(vectors, { ...SHAPE, metric });
        for (let row = 200; row < 5000; row += 7) {
          const own = rowOf(vectors, DIMENSION, row);
          const found = index.search(own, { limit: 1, sift: true }).scores[0]!;
          const self = index.score(own, Uint32Array.of(row))[0]!;
          expect(metric === 'L2' ? found - self : self - found).toBeLessThan(1e-4 * self + 1e-3);
        }
        const own = rowOf(vectors, DIMENSION, 0);
        const best = index.search(own, { limit: 200, sift: true });
        if (metric !== 'IP') {
          expect([...best.rows].sort((a, b) => a - b)).toEqual([...Array(200).keys()]);
        }
      });

      for (const share of [0.5, 0.1, 0.01, 0.001]) {
        it(`${metric}, ${share} of the rows: recall, and nothing else is returned`, async () => {
          const { vectors, queries } = split(DATA, 40);
          const index = await built(vectors, { ...SHAPE, metric });
          const next = random(17);
          const filter = bitmap(5000, () => next() < share);
          const sifted = { ...filter, sift: true };
          expect(recall(index, metric, queries, sifted)).toBeGreaterThanOrEqual(0.98);
          const { rows } = index.search(queries[0]!, { ...sifted, limit: 50 });
          expect(rows.length).toBe(Math.min(50, filter.allowedCount));
          expect(new Set(rows).size).toBe(rows.length);
          for (const row of rows) expect((filter.allowed[row >>> 5]! >>> (row & 31)) & 1).toBe(1);
        });
      }
    }

    it('every number of rows, to the last', async () => {
      for (const rows of [1, 7, 15, 16, 17, 33, 129, 1037]) {
        const { vectors } = split({ ...DATA, rows, clusters: 3 }, 0);
        const index = await VectorIndex.create({ ...SHAPE, metric: 'COSINE', indexType: 'HNSW' });
        index.append(vectors);
        for (const row of [0, rows >> 1, rows - 1]) {
          const own = index.vector(row);
          expect([...index.search(own, { limit: 1, sift: true }).rows]).toEqual([row]);
          const alone = bitmap(rows, (r) => r === row);
          expect([...index.search(own, { ...alone, limit: 9, sift: true }).rows]).toEqual([row]);
        }
        expect(index.search(index.vector(0), { limit: 5000, sift: true }).rows.length).toBe(rows);
      }
    });

    for (const dimension of [64, 100, 1031, 4096]) {
      it(`dimension ${dimension}: no sum overflows, the nearest row is found`, async () => {
        const { vectors } = split({ ...DATA, rows: 300, dimension, clusters: 300 }, 0);
        // Rows of one sign everywhere, which make the largest sums there are.
        vectors.fill(1, 0, dimension).fill(-1, dimension, 2 * dimension);
        const shape = { dimension, metric: 'COSINE', indexType: 'HNSW', M: 8 } as const;
        const index = await VectorIndex.create(shape);
        index.append(vectors);
        for (let row = 0; row < 300; row += 13) {
          const own = index.vector(row);
          const score = index.search(own, { limit: 1, sift: true }).scores[0]!;
          expect(score).toBeGreaterThan(0.9999);
        }
        const zero = new Float32Array(dimension);
        expect(index.search(zero, { limit: 300, sift: true }).rows.length).toBe(300);
        const far = index.search(new Float32Array(dimension).fill(1), { limit: 300, sift: true });
        expect(far.rows[0]).toBe(0);
        expect(far.rows[299]).toBe(1);
      });
    }

    it('is not trusted where coordinates have one sign, or are few', async () => {
      for (const shape of [
        { ...DATA, offset: 50 },
        { ...DATA, offset: 3 },
        { ...DATA, dimension: 63 },
      ]) {
        const { vectors, queries } = split(shape, 30);
        const { dimension } = shape;
        const index = await built(vectors, { ...SHAPE, dimension, metric: 'L2' });
        expect(index.sifts).toBe(false);
        expect(recall(index, 'L2', queries, {})).toBeGreaterThanOrEqual(0.99);
      }
    });

    it('there are no signs without a graph, nor for bits: such searches are exact', async () => {
      const { vectors, queries } = split({ ...DATA, rows: 500 }, 1);
      const flat = await VectorIndex.create({ ...SHAPE, metric: 'IP', indexType: 'FLAT' });
      flat.append(vectors);
      const exact = flat.search(queries[0]!, { limit: 10, exact: true });
      expect(flat.search(queries[0]!, { limit: 10, sift: true })).toEqual(exact);
      const bits = await VectorIndex.create({ dimension: 8, metric: 'HAMMING', indexType: 'HNSW' });
      bits.append(Uint8Array.of(1, 2, 255));
      const hits = bits.search(Uint8Array.of(254), { limit: 1, sift: true });
      expect([...hits.rows]).toEqual([2]);
    });

    it('codes only: the same, by codes', async () => {
      const { vectors, queries } = split(DATA, 40);
      const index = await built(vectors, { ...SHAPE, metric: 'COSINE', codesOnly: true });
      expect(index.sifts).toBe(true);
      expect(recall(index, 'COSINE', queries, { sift: true })).toBeGreaterThanOrEqual(0.99);
    });
  });
}
