import { describe, expect, test } from 'vitest';
import { BUILDS, type Build, erf, exactGelu, Stages } from './linear-fixture.ts';

describe.each(BUILDS)('GELU, %s', (build: Build) => {
  const stages = new Stages(build);

  const gelu = (values: readonly number[]): Float32Array => {
    const free = stages.mark();
    const padded = [...values, ...new Array((4 - (values.length % 4)) % 4).fill(0)];
    const at = stages.putFloats(padded);
    stages.call.geluOf(at, padded.length);
    const result = stages.floats(at, values.length).slice();
    free();
    return result;
  };

  test('is within 1e-6 of x, or of 1 where x is smaller, over -20 to 20', () => {
    const x = Float32Array.from({ length: 40_001 }, (_, index) => (index - 20_000) / 1_000);
    const y = gelu([...x]);
    let most = 0;
    x.forEach((value, index) => {
      const off = Math.abs(y[index]! - exactGelu(value)) / Math.max(1, Math.abs(value));
      most = Math.max(most, Number.isNaN(off) ? Number.POSITIVE_INFINITY : off);
    });
    expect(most).toBeLessThan(1e-6);
  });

  test('is x for large x and next to nothing for large -x', () => {
    const [large, small] = gelu([1e30, -1e3]) as unknown as [number, number];
    expect(large / 1e30).toBeCloseTo(1, 6);
    expect(Math.abs(small)).toBeLessThan(1e-3);
  });

  test('keeps NaN, and what is infinite does not become finite', () => {
    const [nan, plus, minus] = gelu([
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ]);
    expect(nan).toBeNaN();
    expect(plus).toBe(Number.POSITIVE_INFINITY);
    expect(minus).toBeNaN();
  });

  test('keeps zeros', () => {
    expect([...gelu([0, -0, 0, 0])].every((value) => value === 0)).toBe(true);
  });
});

test.each([
  [0, 0],
  [0.5, 0.520_499_877_813_046_5],
  [1, 0.842_700_792_949_714_9],
  [2.4, 0.999_311_486_103_354_9],
  [2.6, 0.999_763_965_583_470_7],
  [4, 0.999_999_984_582_742_1],
  [-1, -0.842_700_792_949_714_9],
])('the reference: erf(%d) is %d', (x, value) => {
  expect(erf(x)).toBeCloseTo(value, 14);
});
