/** Dropping rows; Node and Chromium run it. */
import { describe, expect, it } from 'vitest';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { built, codeOf, METRICS, now, recall, split, unreachable } from './measures.ts';
import { bitmap } from './vectors.ts';

const DIMENSION = 40;
const DATA = { rows: 3000, dimension: DIMENSION, clusters: 30, spread: 0.5, seed: 71 };

/** Rows that an index keeps, in order. */
function kept(vectors: Float32Array, keep: (row: number) => boolean): Float32Array {
  const rows: number[] = [];
  for (let row = 0; row < vectors.length / DIMENSION; row++) if (keep(row)) rows.push(row);
  return Float32Array.from(
    { length: rows.length * DIMENSION },
    (_, i) => vectors[rows[Math.floor(i / DIMENSION)]! * DIMENSION + (i % DIMENSION)]!,
  );
}

export function describeCompaction(): void {
  describe('dropping rows', () => {
    for (const metric of METRICS) {
      for (const codesOnly of [false, true]) {
        it(`${metric}${codesOnly ? ', codes only' : ''}: keeps rows, scores, and nothing else`, async () => {
          const { vectors, queries } = split({ ...DATA, lengths: 0.3 }, 30);
          const options = { dimension: DIMENSION, metric, codesOnly, exactBelow: 500 } as const;
          const index = await built(vectors, options);
          const keep = bitmap(3000, (row) => row % 3 === 1);
          const before = queries.map((query) =>
            index.search(query, { ...keep, limit: 20, exact: true }),
          );
          index.compact(keep.allowed);
          expect(index.count).toBe(1000);
          expect(index.inserted).toBe(0);
          expect(index.trusted).toBe(false);
          before.forEach((hits, i) => {
            const after = index.search(queries[i]!, { limit: 20 });
            expect([...after.rows].map((row) => row * 3 + 1)).toEqual([...hits.rows]);
            expect(after.scores).toEqual(hits.scores);
          });
          while (!index.build(20, now));
          expect(index.trusted).toBe(true);
          expect(recall(index, metric, queries, { walk: true, ef: 128 })).toBeGreaterThanOrEqual(
            0.985,
          );
          if (metric !== 'IP') expect(unreachable(index, metric, 100)).toBe(0);
          // The same as if the others had never been; under IP rows are filled up to what was.
          const fresh = await built(
            kept(vectors, (row) => row % 3 === 1),
            options,
          );
          if (metric !== 'IP') expect(index.snapshot()).toEqual(fresh.snapshot());
          expect(index.append(vectors.slice(0, DIMENSION))).toBe(1000);
        });
      }
    }

    it('HAMMING: keeps bits', async () => {
      const index = await VectorIndex.create({
        dimension: 8,
        metric: 'HAMMING',
        indexType: 'HNSW',
      });
      index.append(Uint8Array.of(1, 2, 4, 8));
      index.compact(Uint32Array.of(0b1010));
      expect(index.count).toBe(2);
      expect([...index.search(Uint8Array.of(8), { limit: 2 }).rows]).toEqual([1, 0]);
    });

    it('memory stays bounded while rows are replaced for ever', async () => {
      const { vectors } = split({ ...DATA, rows: 2000 }, 0);
      const index = await built(vectors, { dimension: DIMENSION, metric: 'L2' });
      const sizes: number[] = [];
      for (let round = 0; round < 12; round++) {
        // Every row comes anew, and then the old ones are more than the new.
        index.append(vectors);
        while (!index.build(20, now));
        sizes.push(index.bytes);
        index.compact(bitmap(4000, (row) => row >= 2000).allowed);
        expect(index.count).toBe(2000);
      }
      expect(Math.max(...sizes)).toBe(sizes[0]);
    });

    it('keeps all, or none, and goes on', async () => {
      const { vectors } = split({ ...DATA, rows: 100 }, 0);
      const index = await built(vectors, { dimension: DIMENSION, metric: 'L2' });
      index.compact(new Uint32Array(4).fill(0xffffffff));
      expect(index.count).toBe(100);
      expect([...index.vector(99)]).toEqual([...vectors.slice(99 * DIMENSION)]);
      index.compact(new Uint32Array(4));
      expect(index.count).toBe(0);
      expect(index.search(vectors.slice(0, DIMENSION), { limit: 3 }).rows.length).toBe(0);
      expect(index.append(vectors)).toBe(0);
      while (!index.build(20, now));
      expect(index.inserted).toBe(100);
    });

    it('refuses a bitmap that is too short, and changes nothing', async () => {
      const { vectors } = split({ ...DATA, rows: 100 }, 0);
      const index = await built(vectors, { dimension: DIMENSION, metric: 'L2' });
      expect(codeOf(() => index.compact(new Uint32Array(3)))).toBe('invalid_option');
      expect(index.count).toBe(100);
      expect(index.inserted).toBe(100);
    });

    it('ends a bulk build that is under way, and the rest is built anew', async () => {
      const { vectors } = split(DATA, 0);
      const shape = { dimension: DIMENSION, metric: 'L2', indexType: 'HNSW', M: 8 } as const;
      const index = await VectorIndex.create(shape);
      index.append(vectors);
      for (let step = 0; step < 10; step++) index.build(0, now);
      index.compact(bitmap(3000, (row) => row < 2500).allowed);
      while (!index.build(20, now));
      expect(index.inserted).toBe(2500);
      expect(unreachable(index, 'L2', 100)).toBe(0);
    });
  });
}
