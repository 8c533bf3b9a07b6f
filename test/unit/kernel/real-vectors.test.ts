/** What the index promises, on 20,000 and more vectors as an encoder makes them. */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  DIMENSION,
  missing,
  QUERIES,
  readQueries,
  readRows,
} from '../../../bench/index/vectors.ts';
import type { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { built, now, recall, unreachable } from './measures.ts';
import { bitmap, random, rowOf } from './vectors.ts';

const ROWS = 20_000;
/** Rows of the test that replaces half of them. */
const CHURNED = 10_000;
const SHARES = [0.5, 0.1, 0.01, 0.001];
const SHAPE = { dimension: DIMENSION, metric: 'IP', M: 48, efConstruction: 200 } as const;

/** Every fifth of the queries. */
function someQueries(): Float32Array[] {
  const all = readQueries();
  return Array.from({ length: QUERIES / 5 }, (_, i) => rowOf(all, DIMENSION, i * 5));
}

const slice = (vectors: Float32Array, from: number, to: number) =>
  vectors.subarray(from * DIMENSION, to * DIMENSION);

const title = (says: string) => (missing ? `${says} (skipped: ${missing})` : says);

describe.skipIf(missing)(title('20,000 real vectors'), () => {
  let vectors: Float32Array;
  let queries: Float32Array[];
  let index: VectorIndex;

  beforeAll(async () => {
    vectors = readRows(ROWS);
    queries = someQueries();
    index = await built(slice(vectors, 0, ROWS), SHAPE);
  }, 120_000);

  it('recall@10 by walk, by signs, and by default', () => {
    expect(recall(index, 'IP', queries, { walk: true })).toBeGreaterThanOrEqual(0.99);
    expect(recall(index, 'IP', queries, { walk: true, ef: 256 })).toBeGreaterThanOrEqual(0.985);
    expect(index.trusted).toBe(true);
    expect(index.sifts).toBe(true);
    expect(recall(index, 'IP', queries, { sift: true })).toBeGreaterThanOrEqual(0.995);
    expect(recall(index, 'IP', queries, {})).toBeGreaterThanOrEqual(0.995);
  });

  it('every row is found by its own vector at ef 100', { timeout: 120_000 }, () => {
    expect(unreachable(index, 'IP', 100)).toBe(0);
  });

  for (const share of SHARES) {
    it(`a filter that allows ${share}: recall@10 by walk, by signs, and by default`, () => {
      const next = random(4);
      const filter = bitmap(ROWS, () => next() < share);
      for (const way of [{ walk: true }, { sift: true }, {}]) {
        expect(recall(index, 'IP', queries, { ...filter, ...way })).toBeGreaterThanOrEqual(0.98);
      }
    });

    it(`a filter that allows the ${share} nearest to a corner: the same`, () => {
      // As far from random as filters are: all of what is near one query, or nothing of it.
      const scores = index.score(
        queries[0]!,
        Uint32Array.from({ length: ROWS }, (_, row) => row),
      );
      const cut = Float32Array.from(scores).sort()[Math.floor(ROWS * (1 - share))]!;
      const filter = bitmap(ROWS, (row) => scores[row]! >= cut);
      for (const way of [{ walk: true }, { sift: true }, {}]) {
        expect(recall(index, 'IP', queries, { ...filter, ...way })).toBeGreaterThanOrEqual(0.98);
      }
    });
  }

  it('bytes a row, everything included', () => {
    expect(index.bytes / ROWS).toBeLessThan(2600);
  });

  it('half of the rows replaced: recall, reach, and memory after compaction', {
    timeout: 240_000,
  }, async () => {
    const churned = await built(slice(vectors, 0, CHURNED), SHAPE);
    const before = churned.bytes;
    // An upsert is a new row and the end of an old one.
    for (let row = CHURNED; row < CHURNED * 1.5; row += 1000) {
      churned.append(slice(vectors, row, row + 1000));
      while (!churned.build(50, now));
    }
    const live = bitmap(CHURNED * 1.5, (row) => row >= CHURNED || row % 2 === 0);
    for (const way of [{ walk: true }, { sift: true }, {}]) {
      expect(recall(churned, 'IP', queries, { ...live, ...way })).toBeGreaterThanOrEqual(0.985);
    }
    expect(unreachable(churned, 'IP', 100, 5, live)).toBe(0);
    churned.compact(live.allowed);
    expect(churned.count).toBe(CHURNED);
    expect(recall(churned, 'IP', queries, {})).toBe(1);
    while (!churned.build(50, now));
    for (const way of [{ walk: true }, { sift: true }, {}]) {
      expect(recall(churned, 'IP', queries, way)).toBeGreaterThanOrEqual(0.985);
    }
    expect(unreachable(churned, 'IP', 100, 5)).toBe(0);
    expect(churned.bytes).toBeLessThanOrEqual(before * 1.01);
  });

  it('1,000 equal vectors first: every other row is found, also after deletes', {
    timeout: 120_000,
  }, async () => {
    const rows = slice(vectors, 0, 4500).slice();
    for (let row = 1; row < 1000; row++) rows.copyWithin(row * DIMENSION, 0, DIMENSION);
    for (const step of [4500, 500]) {
      const equal = await built(rows.subarray(0, step * DIMENSION), SHAPE);
      for (let row = step; row < 4500; row += step) {
        equal.append(slice(rows, row, row + step));
        while (!equal.build(50, now));
      }
      expect(unreachable(equal, 'IP', 100)).toBe(0);
      const live = bitmap(4500, (row) => row % 2 === 1 && row !== 1777);
      expect(unreachable(equal, 'IP', 100, 1, live)).toBe(0);
      const few = bitmap(4500, (row) => row === 3);
      const hits = equal.search(rowOf(rows, DIMENSION, 0), { ...few, limit: 5, walk: true });
      expect([...hits.rows]).toEqual([3]);
    }
  });
});
