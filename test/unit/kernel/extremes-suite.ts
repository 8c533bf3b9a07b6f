/** Graphs and signs at the least and the most dimensions, for every metric; Node and Chromium run it. */
import { describe, expect, it } from 'vitest';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { METRICS, now, recall, split, unreachable } from './measures.ts';

/** Rows by dimension: enough for a bulk build where they are cheap. */
const SHAPES = [
  { dimension: 2, rows: 2500 },
  { dimension: 3, rows: 2500 },
  { dimension: 17, rows: 2500 },
  { dimension: 1536, rows: 400 },
  { dimension: 4095, rows: 150 },
  { dimension: 4096, rows: 2000 },
];

export function describeExtremes(): void {
  describe('dimensions from 2 to 4,096', () => {
    for (const metric of METRICS) {
      for (const { dimension, rows } of SHAPES) {
        it(`${metric}, dimension ${dimension}, ${rows} rows: recall, reach, snapshot`, async () => {
          const few = { clusters: 12, spread: 0.5, seed: dimension };
          const { vectors, queries } = split({ rows, dimension, ...few }, 20);
          const shape = { dimension, metric, indexType: 'HNSW', M: 16, exactBelow: 50 } as const;
          const index = await VectorIndex.create(shape);
          index.append(vectors);
          while (!index.build(50, now));
          expect(index.inserted).toBe(rows);
          const walked = { walk: true, ef: 256 };
          expect(recall(index, metric, queries, walked)).toBeGreaterThanOrEqual(0.985);
          expect(recall(index, metric, queries, {})).toBeGreaterThanOrEqual(0.985);
          if (metric !== 'IP') expect(unreachable(index, metric, 100, 3)).toBe(0);
          const other = await VectorIndex.create(shape);
          other.append(vectors);
          expect(other.restore(index.snapshot())).toBe(true);
          for (const done of [index, other]) done.close();
        }, 60_000);
      }
    }
  });
}
