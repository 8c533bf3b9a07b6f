import { describe, expect, it } from 'vitest';
import {
  DIMENSION,
  missing,
  noisyRows,
  QUERIES,
  readQueries,
  readRows,
} from '../../../bench/index/vectors.ts';

const codes = Int8Array.from({ length: 64 * 32 }, (_, i) => ((i * 37) % 255) - 127);

describe('noisy rows', () => {
  const rows = noisyRows(codes, 32, 7);

  it('are unit vectors', () => {
    for (let from = 0; from < rows.length; from += 32) {
      expect(Math.hypot(...rows.subarray(from, from + 32))).toBeCloseTo(1, 6);
    }
  });

  it('are within half a code of the codes, and use that room', () => {
    const misses: number[] = [];
    for (let from = 0; from < rows.length; from += 32) {
      const row = rows.subarray(from, from + 32);
      const own = codes.subarray(from, from + 32);
      // The scale that explains the row best; the noise shifts it by little.
      const scale = own.reduce((sum, code, i) => sum + code * row[i]!, 0) / sumOfSquares(own);
      for (const [i, code] of own.entries()) misses.push(row[i]! / scale - code);
    }
    expect(Math.max(...misses.map(Math.abs))).toBeLessThan(0.65);
    // Uniform on -.5 to .5 has variance 1/12.
    expect(misses.reduce((sum, x) => sum + x * x, 0) / misses.length).toBeCloseTo(1 / 12, 1.9);
    expect(misses.reduce((sum, x) => sum + x, 0) / misses.length).toBeCloseTo(0, 1);
  });

  it('are the same for a seed and differ between seeds', () => {
    expect(noisyRows(codes, 32, 7)).toEqual(rows);
    expect(noisyRows(codes, 32, 8)).not.toEqual(rows);
  });

  it('do not depend on how many are taken', () => {
    expect(noisyRows(codes.subarray(0, 32 * 5), 32, 7)).toEqual(rows.subarray(0, 32 * 5));
  });
});

describe.skipIf(missing)(`the real vectors${missing ? ` (${missing})` : ''}`, () => {
  it('are read as unit rows and unit queries', () => {
    const rows = readRows(3);
    const queries = readQueries();
    expect([rows.length, queries.length]).toEqual([3 * DIMENSION, QUERIES * DIMENSION]);
    for (const all of [rows, queries.subarray(0, 3 * DIMENSION)]) {
      for (let from = 0; from < all.length; from += DIMENSION) {
        expect(Math.hypot(...all.subarray(from, from + DIMENSION))).toBeCloseTo(1, 4);
      }
    }
  });
});

function sumOfSquares(values: Int8Array): number {
  return values.reduce((sum, x) => sum + x * x, 0);
}
