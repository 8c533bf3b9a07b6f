import { describe, expect, it } from 'vitest';
import { quantile, recallOf, searchTimes, smallestEf } from '../../../bench/index/measures.ts';
import { nearestRows } from '../../../bench/index/truth.ts';

describe('the exact answer', () => {
  it('is what sorting all rows gives', () => {
    const [dimension, count] = [8, 10];
    const rows = Float32Array.from({ length: 200 * dimension }, (_, i) => Math.sin(i * i));
    const queries = Float32Array.from({ length: 6 * dimension }, (_, i) => Math.cos(i * i));
    const found = nearestRows(rows, queries, dimension, count);
    for (let query = 0; query < 6; query++) {
      const product = (row: number) => {
        let sum = 0;
        for (let i = 0; i < dimension; i++) {
          sum += rows[row * dimension + i]! * queries[query * dimension + i]!;
        }
        return sum;
      };
      const sorted = Array.from({ length: 200 }, (_, row) => row).sort(
        (a, b) => product(b) - product(a) || a - b,
      );
      expect(Array.from(found.subarray(query * count, (query + 1) * count))).toEqual(
        sorted.slice(0, count),
      );
    }
  });

  it('breaks ties by the lower number', () => {
    const rows = Float32Array.of(1, 2, 1, 2, 2);
    expect(Array.from(nearestRows(rows, Float32Array.of(1), 1, 4))).toEqual([1, 3, 4, 0]);
  });
});

describe('recall', () => {
  const queries = [Float32Array.of(0), Float32Array.of(1)];
  const truth = Int32Array.of(1, 2, 3, 4);

  it('is the share of the true rows that are found', () => {
    const answers = [[2, 1], Uint32Array.of(3, 9)];
    expect(recallOf((query) => answers[query[0]!]!, queries, truth, 2)).toBe(0.75);
  });

  it('counts a row once, and none behind the count', () => {
    expect(recallOf(() => [1, 1], queries, truth, 2)).toBe(0.25);
    expect(recallOf(() => [8, 9, 1, 2, 3, 4], queries, truth, 2)).toBe(0);
  });
});

describe('quantiles', () => {
  it('are by nearest rank, numbers in numeric order', () => {
    const values = [10, 9, 100, 1, 2, 3, 4, 5, 6, 7];
    expect([0, 0.5, 0.9, 0.95, 1].map((share) => quantile(values, share))).toEqual([
      1, 5, 10, 100, 100,
    ]);
    expect(values[0]).toBe(10);
  });

  it('do not exist for nothing', () => {
    expect(() => quantile([], 0.5)).toThrow('no values');
  });
});

describe('search times', () => {
  it('take the median of a query, so that an interruption does not count', () => {
    const rounds = [
      Float64Array.of(1, 2, 3, 900),
      Float64Array.of(1, 700, 3, 4),
      Float64Array.of(800, 2, 3, 4),
    ];
    expect(searchTimes(rounds)).toEqual({
      p50_ms: 2,
      p95_ms: 4,
      quickest_round_ms: 2,
      slowest_round_ms: 3,
    });
  });
});

describe('the smallest ef', () => {
  const steps = [16, 32, 64, 128];
  const recallAt = (ef: number) => Math.min(1, ef / 100);

  it('is found to the unit, with the steps on the way', () => {
    const { reached, ladder } = smallestEf('ours', recallAt, 0.5, steps);
    expect(reached).toEqual({ ef: 50, recall: 0.5 });
    expect(ladder.map(({ ef }) => ef)).toEqual([16, 32, 64]);
  });

  it('may lie below the first step or on a step', () => {
    expect(smallestEf('ours', recallAt, 0.03, steps).reached.ef).toBe(3);
    expect(smallestEf('ours', recallAt, 0.64, steps).reached.ef).toBe(64);
  });

  it('is refused where no step reaches the bar', () => {
    expect(() => smallestEf('peer', () => 0.4, 0.5, steps)).toThrow(
      'peer: recall is 0.4 at ef 128, below 0.5',
    );
  });
});
