import { describe, expect, it } from 'vitest';
import { cosineOfRows, mean, median, ranks, spearman } from '../../../../bench/embed/statistics.ts';

describe('the median', () => {
  it('is the middle value, or the mean of the two in the middle', () => {
    expect(median([10, 9, 100])).toBe(10);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
  });

  it('is refused for no values', () => {
    expect(() => median([])).toThrow('no median');
  });
});

describe("Spearman's correlation", () => {
  it('ranks from 1 and shares the ranks of equal values', () => {
    expect(ranks([30, 10, 20])).toEqual([3, 1, 2]);
    expect(ranks([5, 5, 1, 5])).toEqual([3, 3, 1, 3]);
  });

  it('sees order only', () => {
    expect(spearman([1, 2, 3, 4], [1, 10, 100, 1000])).toBeCloseTo(1, 12);
    expect(spearman([1, 2, 3, 4], [9, 8, 7, 1])).toBeCloseTo(-1, 12);
  });

  it("agrees with Pearson's correlation of the ranks where values are equal", () => {
    // Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: covariance 4.5, variances 4.5 and 5.
    expect(spearman([1, 2, 2, 3], [10, 30, 20, 40])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
  });

  it('is refused for lists of different lengths', () => {
    expect(() => spearman([1, 2], [1, 2, 3])).toThrow('2 and 3 values');
  });
});

describe('cosines', () => {
  it('compare a row of one matrix with a row of another', () => {
    const a = Float32Array.of(1, 0, 3, 4);
    const b = Float32Array.of(0, 2, 6, 8);
    expect(cosineOfRows(a, b, 2, 0)).toBe(0);
    expect(cosineOfRows(a, b, 2, 1)).toBeCloseTo(1, 12);
    expect(cosineOfRows(a, b, 2, 0, 1)).toBeCloseTo(0.6, 12);
  });

  it('are no number where a vector is nought, so that no bar is reached', () => {
    expect(cosineOfRows(Float32Array.of(0, 0), Float32Array.of(1, 0), 2, 0)).toBeNaN();
  });

  it('have a mean', () => {
    expect(mean([1, 2, 6])).toBe(3);
  });
});
