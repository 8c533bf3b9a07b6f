/** Every stage but the linear layers (`linear.test.ts`) against the same in double precision. */
import { describe, expect, test } from 'vitest';
import { BUILDS, normalNumbers } from './builds.ts';
import { StageKernel, shapeOf } from './stage-kernel.ts';

const many = (count: number, next: () => number): Float32Array =>
  Float32Array.from({ length: count }, next);

/** Largest difference of two lists of one length. */
function furthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let most = 0;
  for (let k = 0; k < a.length; k += 1) most = Math.max(most, Math.abs(a[k]! - b[k]!));
  return most;
}

const sumOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

describe('memory', () => {
  test('ends before the address 2^32, which would be 0', () => {
    const kernel = new StageKernel('plain', shapeOf({}));
    const left = 2 ** 32 - kernel.call.usedBytes();
    expect(kernel.call.allocate(BigInt(left))).toBe(0);
    expect(kernel.call.allocate(BigInt(64))).toBeGreaterThan(0);
  });
});

describe.each(BUILDS)('LayerNorm, %s', (build) => {
  test.each([8, 20, 60, 312, 384, 390])('over %i columns: within 2e-6 of the exact', (hidden) => {
    const kernel = new StageKernel(build, shapeOf({ hidden, heads: 1, layerNormEps: 1e-5 }));
    const normal = normalNumbers(hidden);
    const width = kernel.call.rowWidth();
    expect(width).toBe(Math.ceil(hidden / 8) * 8);
    const pad = (values: Float32Array) => [...values, ...Array(width - hidden).fill(0)] as number[];
    const gain = many(hidden, () => 1 + 0.3 * normal());
    const shift = many(hidden, normal);
    for (const [centre, spread] of [
      [0, 1],
      [5, 0.1],
      [-300, 40],
      [0, 1e-4],
    ] as const) {
      const rows = [1, 2, 3].map(() => many(hidden, () => centre + spread * normal()));
      const at = kernel.put(rows.flatMap(pad));
      kernel.call.layerNorm(at, rows.length, kernel.put(pad(gain)), kernel.put(pad(shift)));
      rows.forEach((row, index) => {
        const mean = sumOf([...row]) / hidden;
        const variance = sumOf([...row].map((x) => (x - mean) ** 2)) / hidden;
        const wanted = [...row].map(
          (x, k) => ((x - mean) / Math.sqrt(variance + 1e-5)) * gain[k]! + shift[k]!,
        );
        const got = kernel.floats(at + index * width * 4, width);
        // A float32 mean is off by a few of its roundings, which counts as much as it is larger than the spread.
        const bound = 2e-6 * (1 + Math.abs(centre) / spread);
        expect(furthest(got.subarray(0, hidden), wanted)).toBeLessThan(bound);
        expect([...got.subarray(hidden)]).toEqual(Array(width - hidden).fill(0));
      });
    }
  });

  test('a row without any spread becomes the shift', () => {
    const kernel = new StageKernel(build, shapeOf({ hidden: 20, heads: 1 }));
    const at = kernel.put([...Array(20).fill(3), 0, 0, 0, 0]);
    const shift = kernel.put([...Array(20).keys(), 0, 0, 0, 0]);
    kernel.call.layerNorm(at, 1, kernel.put([...Array(20).fill(2), 0, 0, 0, 0]), shift);
    expect(furthest(kernel.floats(at, 20), [...Array(20).keys()])).toBeLessThan(1e-3);
  });
});

describe.each(BUILDS)('softmax, %s', (build) => {
  test('2^x is right to 2e-7 of itself from -126 to 0, and nearly nothing below', () => {
    const kernel = new StageKernel(build, shapeOf({}));
    const powers = Float32Array.from({ length: 126_000 }, (_, i) => -i / 1000);
    const at = kernel.put(powers);
    kernel.call.powersOf(at, powers.length);
    const got = kernel.floats(at, powers.length);
    const worst = powers.reduce((most, x, i) => {
      return Math.max(most, Math.abs(got[i]! / 2 ** x - 1));
    }, 0);
    expect(worst).toBeLessThan(2e-7);
    const far = kernel.put([-126.5, -1e4, -3e38, Number.NEGATIVE_INFINITY]);
    kernel.call.powersOf(far, 4);
    for (const value of kernel.floats(far, 4)) {
      expect(value).toBeGreaterThan(0);
      expect(value).toBeLessThan(2e-38);
    }
  });

  test('of 1 to 70 scores: weights within 4e-7, whatever lies behind them', () => {
    const kernel = new StageKernel(build, shapeOf({}));
    const normal = normalNumbers(5);
    for (let length = 1; length <= 70; length += 1) {
      const scores = many(length, () => 10 * normal() + 40);
      const junk = [Number.NaN, Number.POSITIVE_INFINITY, 1e30, 7, 7, 7, 7];
      const at = kernel.put([...scores, ...junk]);
      const sum = kernel.call.softmaxRow(at, length);
      const weights = [...kernel.floats(at, length)].map((weight) => weight / sum);
      const largest = Math.max(...scores);
      const powers = [...scores].map((score) => 2 ** (score - largest));
      const total = sumOf(powers);
      expect(
        furthest(
          weights,
          powers.map((power) => power / total),
        ),
      ).toBeLessThan(4e-7);
    }
  });

  test('scores that are far apart leave one weight', () => {
    const kernel = new StageKernel(build, shapeOf({}));
    const at = kernel.put([-1e30, 1e30, 0, -1e30], 4);
    expect(kernel.call.softmaxRow(at, 4)).toBe(1);
    expect(furthest(kernel.floats(at, 4), [0, 1, 0, 0])).toBeLessThan(1e-30);
  });
});

const ATTENTION = BUILDS.flatMap((build) => [
  [build, 'float32', 1e-5] as const,
  // Normal queries and keys as codes up to 8,191 are off by 1e-4 a number (one deviation), so a difference of
  // two scores by 1.2e-3, three deviations 3.6e-3; times ln 2, times 1/4 (a weight w moves by w (1 - w)),
  // times two values that are 6 apart.
  [build, 'int8', 4e-3] as const,
]);

describe.each(ATTENTION)('attention, %s %s', (build, precision, bound) => {
  /** Context of one head in double precision; rows of query, key and value are `3 * context` apart. */
  function contextOf(
    rows: Float32Array,
    length: number,
    stride: number,
    column: number,
    size: number,
  ) {
    const at = (row: number, third: number, k: number) =>
      rows[row * stride + (third * stride) / 3 + column + k]!;
    return Array.from({ length }, (_, row) => {
      const scores = Array.from({ length }, (_, key) => {
        return sumOf(Array.from({ length: size }, (_, k) => at(row, 0, k) * at(key, 1, k)));
      });
      const largest = Math.max(...scores);
      const powers = scores.map((score) => 2 ** (score - largest));
      const total = sumOf(powers);
      return Array.from({ length: size }, (_, k) => {
        return sumOf(powers.map((power, key) => (power / total) * at(key, 2, k)));
      });
    });
  }

  test.each([
    [64, 2],
    [60, 3],
    [52, 2],
    [24, 1],
  ])('%i columns by %i heads, 1 to 131 tokens: within the bound', (hidden, heads) => {
    const shape = shapeOf({ hidden, heads, positions: 256 });
    const kernel = new StageKernel(build, shape, precision);
    const normal = normalNumbers(hidden);
    const size = hidden / heads;
    const padded = kernel.call.paddedHead();
    const stride = 3 * kernel.call.paddedContext();
    const lengths = [...Array.from({ length: 18 }, (_, i) => i + 1), 47, 64, 70, 131];
    for (const length of lengths) {
      // Rows behind the sequence are another's: whatever they hold must not matter.
      const rows = many((length + 8) * stride, () => normal());
      for (let i = 0; i < rows.length; i += 1) {
        if (i >= length * stride) rows[i] = [Number.NaN, 1e38, -1e38][i % 3]!;
        else if (i % padded >= size) rows[i] = 0;
      }
      const at = kernel.put(rows);
      const head = length % heads;
      kernel.call.attend(at, length, head, 0, length);
      const got = kernel.floats(at, length * stride);
      const errors: number[] = [];
      contextOf(rows, length, stride, head * padded, size).forEach((wanted, row) => {
        const from = row * stride + head * padded;
        errors.push(...wanted.map((x, k) => x - got[from + k]!));
        expect(
          furthest(got.subarray(from + size, from + padded), Array(padded - size).fill(0)),
        ).toBe(0);
      });
      expect(furthest(errors, Array(errors.length).fill(0))).toBeLessThan(bound);
      const squares = sumOf(errors.map((error) => error ** 2));
      // A bit less of precision doubles this.
      expect(Math.sqrt(squares / errors.length)).toBeLessThan(bound / 8);
    }
  });

  test('scores and values of any size: no overflow, and the largest value is met', () => {
    const kernel = new StageKernel(build, shapeOf({ positions: 256 }), precision);
    const stride = 3 * kernel.call.paddedContext();
    // One direction: every score is the largest there can be, and all values are equal.
    const at = kernel.put(new Float32Array(264 * stride).fill(1000));
    kernel.call.attend(at, 256, 0, 0, 256);
    const head = kernel.floats(at, 256 * stride).filter((_, i) => i % stride < 32);
    expect(furthest(head, Array(head.length).fill(1000))).toBeLessThan(0.5);
  });

  test.each([8, 16, 24, 32, 64, 128, 512, 4096])(
    'a query of %i equal columns meets its like, and not the opposite',
    (hidden) => {
      const shape = shapeOf({ hidden, heads: 1, positions: 8 });
      const kernel = new StageKernel(build, shape, precision);
      // All products are the largest there can be, so that a sum one beyond int32 would change its sign.
      const rows = [1, -1].flatMap((sign) => [
        ...Array(hidden).fill(5),
        ...Array(2 * hidden).fill(sign),
      ]);
      const at = kernel.put(rows, 8 * 3 * hidden);
      kernel.call.attend(at, 2, 0, 0, 2);
      for (const row of [0, 1]) {
        const context = kernel.floats(at + row * 3 * hidden * 4, hidden);
        expect(furthest(context, Array(hidden).fill(1))).toBeLessThan(1e-3);
      }
    },
  );

  test('zeros give zeros', () => {
    const kernel = new StageKernel(build, shapeOf({ positions: 64 }), precision);
    const stride = 3 * kernel.call.paddedContext();
    const at = kernel.put(new Float32Array(20 * stride));
    kernel.call.attend(at, 9, 1, 0, 9);
    expect(kernel.floats(at, 9 * stride).every((x) => x === 0)).toBe(true);
  });

  test('in parts it is bit for bit what it is at once', () => {
    const kernel = new StageKernel(build, shapeOf({ positions: 128 }), precision);
    const normal = normalNumbers(3);
    const stride = 3 * kernel.call.paddedContext();
    const rows = many(108 * stride, normal);
    const whole = kernel.put(rows);
    const parts = kernel.put(rows);
    kernel.call.attend(whole, 100, 1, 0, 100);
    for (const [from, to] of [
      [0, 48],
      [48, 49],
      [49, 100],
    ] as const) {
      kernel.call.attend(parts, 100, 1, from, to);
    }
    expect(kernel.floats(parts, rows.length)).toEqual(kernel.floats(whole, rows.length));
  });
});

describe.each(BUILDS)('pooling, %s', (build) => {
  test.each([8, 60, 384])('%i columns: the mean at unit length, within 1e-6', (hidden) => {
    const kernel = new StageKernel(build, shapeOf({ hidden, heads: 1, positions: 512 }));
    const normal = normalNumbers(hidden);
    const width = kernel.call.rowWidth();
    for (const count of [1, 2, 17, 512]) {
      const rows = many(count * width, () => normal() + 0.5);
      for (let i = 0; i < rows.length; i += 1) if (i % width >= hidden) rows[i] = 0;
      const to = kernel.put(new Float32Array(width));
      kernel.call.pool(kernel.put(rows), count, to);
      const mean = Array.from({ length: hidden }, (_, k) => {
        return sumOf(Array.from({ length: count }, (_, row) => rows[row * width + k]!)) / count;
      });
      const length = Math.sqrt(sumOf(mean.map((x) => x * x)));
      const wanted = mean.map((x) => x / length);
      expect(furthest(kernel.floats(to, hidden), wanted)).toBeLessThan(1e-6);
    }
  });

  test('what cancels out has no direction and stays zero', () => {
    const kernel = new StageKernel(build, shapeOf({ hidden: 8, heads: 1 }));
    const to = kernel.put(new Float32Array(8).fill(9));
    kernel.call.pool(kernel.put([1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -4, -5, -6, -7, -8]), 2, to);
    expect([...kernel.floats(to, 8)]).toEqual(Array(8).fill(0));
  });
});

describe.each(BUILDS)('embedding lookup, %s', (build) => {
  test.each(['int8', 'float32'])('%s words plus positions, to the last bit but one', (kind) => {
    const hidden = 20;
    const shape = shapeOf({ hidden, heads: 1, vocabulary: 5, positions: 4 });
    const kernel = new StageKernel(build, shape);
    const normal = normalNumbers(8);
    const width = kernel.call.rowWidth();
    expect(kernel.call.layWords(kind === 'int8' ? 1 : 2)).toBe(1);
    const scales = many(5, () => 0.01 + Math.abs(normal()));
    const codes = Int8Array.from({ length: 5 * hidden }, () => Math.round(40 * normal()));
    const word = (id: number, k: number) =>
      kind === 'int8' ? codes[id * hidden + k]! * scales[id]! : codes[id * hidden + k]! / 16;
    const positions = many(4 * hidden, normal);
    const { buffer } = kernel.call.memory;
    const words = kernel.call.wordsAt();
    for (let id = 0; id < 5; id += 1) {
      for (let k = 0; k < hidden; k += 1) {
        if (kind === 'int8')
          new Int8Array(buffer)[words + id * width + k] = codes[id * hidden + k]!;
        else new Float32Array(buffer)[words / 4 + id * width + k] = word(id, k);
      }
    }
    if (kind === 'int8') new Float32Array(buffer, kernel.call.wordScalesAt(), 5).set(scales);
    for (let place = 0; place < 4; place += 1) {
      const row = positions.subarray(place * hidden, (place + 1) * hidden);
      kernel.floats(kernel.call.positionAt(place), hidden).set(row);
    }
    const ids = [4, 0, 4, 2];
    const at = kernel.put(ids);
    new Int32Array(buffer, at, 4).set(ids);
    const to = kernel.put(new Float32Array(4 * width).fill(9));
    kernel.call.embedTokens(at, 4, to);
    ids.forEach((id, place) => {
      const got = kernel.floats(to + place * width * 4, width);
      const wanted = Array.from({ length: width }, (_, k) =>
        k < hidden ? word(id, k) + positions[place * hidden + k]! : 0,
      );
      expect(furthest(got, wanted)).toBeLessThan(1e-5);
    });
  });
});
