import { describe, expect, test } from 'vitest';
import {
  ADD,
  BUILDS,
  type Build,
  exactGelu,
  exactLinear,
  GELU,
  integerLinear,
  type Layer,
  putLayer,
  quantiseRow,
  randomLayer,
  randomOf,
  runLinear,
  STORE,
  Stages,
} from './linear-fixture.ts';

/** Half a unit in the last place of 1. */
const HALF_ULP = 2 ** -24;

const randomRows = (rows: number, inner: number, random: () => number): Float32Array =>
  Float32Array.from({ length: rows * inner }, () => (random() * 2 - 1) * 3);

/** Largest excess of |a - b| over its bound; at most 0 is right, and NaN is not. */
function excess(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  bound: (index: number) => number,
): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < a.length; i++) {
    const over = Math.abs(a[i]! - b[i]!) - bound(i);
    if (Number.isNaN(over)) return Number.NaN;
    most = Math.max(most, over);
  }
  return most;
}

/** Columns and inner sizes: the smallest, those of models, odd multiples of 8, deep and shallow. */
const SHAPES = [
  [8, 8],
  [8, 1536],
  [1536, 8],
  [16, 384],
  [384, 24],
  [1152, 64],
  [72, 312],
  [136, 1200],
  [8, 4096],
] as const;

function constantLayer(columns: number, inner: number, code: number): Layer {
  return {
    columns,
    inner,
    codes: new Int8Array(columns * inner).fill(code),
    scales: new Float32Array(columns).fill(0.001),
    bias: new Float32Array(columns),
  };
}

describe.each(BUILDS)('int8, %s', (build: Build) => {
  test('is the reference bit for bit at every number of rows', () => {
    const random = randomOf(1);
    const stages = new Stages(build);
    const layer = randomLayer(24, 40, random);
    const at = putLayer(stages, layer);
    for (let rows = 1; rows <= 130; rows++) {
      const x = randomRows(rows, layer.inner, random);
      const wanted = integerLinear(layer, x, stages.call.activationLimit(layer.inner));
      expect(runLinear(stages, at, layer, x, STORE), `${rows} rows`).toEqual(wanted);
    }
  });

  test.each(SHAPES)('is the reference bit for bit at %i columns of %i', (columns, inner) => {
    const random = randomOf(columns + inner);
    const stages = new Stages(build);
    const layer = randomLayer(columns, inner, random);
    const at = putLayer(stages, layer);
    const limit = stages.call.activationLimit(inner);
    for (const rows of [2, 11]) {
      const x = randomRows(rows, inner, random);
      const before = randomRows(rows, columns, random);
      const stored = integerLinear(layer, x, limit);
      expect(runLinear(stages, at, layer, x, STORE)).toEqual(stored);
      expect(runLinear(stages, at, layer, x, ADD, before)).toEqual(
        integerLinear(layer, x, limit, before),
      );
      const gelu = runLinear(stages, at, layer, x, GELU);
      const wanted = Float64Array.from(stored, exactGelu);
      expect(excess(gelu, wanted, (i) => 1e-6 * Math.max(1, Math.abs(stored[i]!)))).toBeLessThan(0);
    }
  });

  test('stays within half a step of every activation', () => {
    const random = randomOf(3);
    const stages = new Stages(build);
    const layer = randomLayer(32, 384, random);
    const at = putLayer(stages, layer);
    const x = randomRows(9, layer.inner, random);
    const { out, size } = exactLinear(layer, x);
    const bound = (index: number): number => {
      const [row, column] = [Math.floor(index / layer.columns), index % layer.columns];
      const from = x.subarray(row * layer.inner, (row + 1) * layer.inner);
      const { scale } = quantiseRow(from, 8191);
      const codes = layer.codes.subarray(column * layer.inner, (column + 1) * layer.inner);
      const weights = codes.reduce((sum, code) => sum + Math.abs(code), 0) * layer.scales[column]!;
      return weights * (scale / 2) * 1.001 + 8 * HALF_ULP * size[index]!;
    };
    expect(excess(runLinear(stages, at, layer, x, STORE), out, bound)).toBeLessThan(0);
  });

  test.each([
    [127, 1536],
    [-128, 1536],
    [127, 2048],
    [-128, 2048],
    [-128, 4096],
    [127, 4096],
  ])('does not overflow where every weight is %i, %i deep', (code, inner) => {
    const stages = new Stages(build);
    const layer = constantLayer(8, inner, code);
    const at = putLayer(stages, layer);
    const limit = stages.call.activationLimit(inner);
    const x = new Float32Array(3 * inner);
    x.fill(2.5, 0, inner);
    x.fill(-2.5, inner, 2 * inner);
    for (let k = 0; k < inner; k++) x[2 * inner + k] = k % 2 ? 2.5 : -2.5;
    expect(Math.abs(code) * limit * inner).toBeLessThan(2 ** 31);
    expect(runLinear(stages, at, layer, x, STORE)).toEqual(integerLinear(layer, x, limit));
  });

  test('takes zeros, tiny and huge rows, and a single outlier', () => {
    const stages = new Stages(build);
    const layer = randomLayer(16, 64, randomOf(5));
    const at = putLayer(stages, layer);
    const x = new Float32Array(5 * 64);
    x.fill(1e-30, 64, 128);
    x.fill(-3e37, 128, 192);
    x.fill(0.01, 192, 256);
    x[200] = 1e4;
    x[256 + 63] = -1e-19;
    const out = runLinear(stages, at, layer, x, STORE);
    expect(out).toEqual(integerLinear(layer, x, 8191));
    expect(out.subarray(0, 16)).toEqual(layer.bias);
    expect(out.subarray(16, 32)).toEqual(layer.bias);
    expect(out.every(Number.isFinite)).toBe(true);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'lets nothing finite out of a row with %d, and leaves the other rows alone',
    (bad) => {
      const random = randomOf(7);
      const stages = new Stages(build);
      const layer = randomLayer(16, 64, random);
      const at = putLayer(stages, layer);
      const x = randomRows(7, 64, random);
      const wanted = integerLinear(layer, x, 8191);
      x[3 * 64 + 17] = bad;
      const out = runLinear(stages, at, layer, x, STORE);
      expect(out.subarray(3 * 16, 4 * 16).some(Number.isFinite)).toBe(false);
      expect(out.subarray(0, 3 * 16)).toEqual(wanted.subarray(0, 3 * 16));
      expect(out.subarray(4 * 16)).toEqual(wanted.subarray(4 * 16));
    },
  );

  test('rounds float32 weights to 8 bits with a scale of their own', () => {
    const random = randomOf(11);
    const stages = new Stages(build);
    const layer = randomLayer(16, 64, random);
    layer.codes.fill(0, 0, 64);
    const at = putLayer(stages, layer, 1);
    const x = randomRows(6, 64, random);
    const { out, size } = exactLinear(layer, x);
    // Half a step of the weights (scale / 2) and of the activations (3 / 16,382), over 64 products.
    const bound = (index: number): number =>
      64 * layer.scales[index % 16]! * (3 / 2 + 127 * (3 / 16_382)) + 1e-5 * size[index]!;
    const result = runLinear(stages, at, layer, x, STORE);
    expect(excess(result, out, bound)).toBeLessThan(0);
    expect(result[0]).toBe(layer.bias[0]);
  });
});

test('both builds give the same bits: the integers are the same, and what follows is not fused', () => {
  const random = randomOf(13);
  const layer = randomLayer(48, 200, random);
  const [plain, relaxed] = BUILDS.map((build) => new Stages(build)) as [Stages, Stages];
  const [atPlain, atRelaxed] = [putLayer(plain, layer), putLayer(relaxed, layer)];
  for (let rows = 1; rows <= 40; rows++) {
    const x = randomRows(rows, layer.inner, random);
    const before = randomRows(rows, layer.columns, random);
    for (const mode of [STORE, ADD])
      expect(runLinear(relaxed, atRelaxed, layer, x, mode, before)).toEqual(
        runLinear(plain, atPlain, layer, x, mode, before),
      );
  }
});

describe.each(BUILDS)('float32, %s', (build: Build) => {
  /** Of a sum of that many float32 products, in any order, fused or not. */
  const bound =
    (inner: number, size: Float64Array, extra = 0) =>
    (index: number) =>
      (inner + 3) * HALF_ULP * size[index]! + extra;

  test('sums float32 products at every number of rows', () => {
    const random = randomOf(17);
    const stages = new Stages(build, 'float32');
    const layer = randomLayer(24, 40, random);
    const at = putLayer(stages, layer);
    for (let rows = 1; rows <= 130; rows++) {
      const x = randomRows(rows, layer.inner, random);
      const { out, size } = exactLinear(layer, x);
      const result = runLinear(stages, at, layer, x, STORE);
      expect(excess(result, out, bound(40, size)), `${rows} rows`).toBeLessThan(0);
    }
  });

  test.each(SHAPES)('sums float32 products at %i columns of %i', (columns, inner) => {
    const random = randomOf(columns + inner);
    const stages = new Stages(build, 'float32');
    const layer = randomLayer(columns, inner, random);
    const x = randomRows(7, inner, random);
    const before = randomRows(7, columns, random);
    const { out, size } = exactLinear(layer, x);
    const at = putLayer(stages, layer);
    const fromFloats = putLayer(stages, layer, 1);
    const result = runLinear(stages, at, layer, x, STORE);
    expect(excess(result, out, bound(inner, size))).toBeLessThan(0);
    expect(runLinear(stages, fromFloats, layer, x, STORE)).toEqual(result);
    expect(runLinear(stages, at, layer, x, ADD, before)).toEqual(
      result.map((value, i) => value + before[i]!),
    );
    const gelu = Float64Array.from(result, exactGelu);
    const far = (i: number) => 1e-6 * Math.max(1, Math.abs(result[i]!));
    expect(excess(runLinear(stages, at, layer, x, GELU), gelu, far)).toBeLessThan(0);
  });

  test('gives a row the same bits whatever rows are beside it', () => {
    const random = randomOf(19);
    const stages = new Stages(build, 'float32');
    const layer = randomLayer(16, 800, random);
    const at = putLayer(stages, layer);
    const x = randomRows(23, layer.inner, random);
    const all = runLinear(stages, at, layer, x, STORE);
    for (let row = 0; row < 23; row++) {
      const alone = x.slice(row * layer.inner, (row + 1) * layer.inner);
      expect(runLinear(stages, at, layer, alone, STORE)).toEqual(
        all.slice(row * 16, row * 16 + 16),
      );
    }
  });
});

describe.each(BUILDS)('strides, %s', (build: Build) => {
  test.each(['int8', 'float32'] as const)(
    'of rows and results may be larger than a row, %s',
    (precision) => {
      const random = randomOf(23);
      const stages = new Stages(build, precision);
      const layer = randomLayer(16, 24, random);
      const at = putLayer(stages, layer);
      const x = randomRows(8, 24, random);
      const close = runLinear(stages, at, layer, x, STORE);
      const wideRows = new Float32Array(8 * 40).fill(Number.NaN);
      for (let row = 0; row < 8; row++) wideRows.set(x.subarray(row * 24, row * 24 + 24), row * 40);
      const from = stages.putFloats(wideRows);
      const input = stages.allocate(stages.call.quantisedBytes(8, 24));
      const out = stages.putFloats(new Float32Array(8 * 19).fill(-7));
      stages.call.quantise(from, 160, 8, 24, input);
      stages.call.linear(at, 16, 24, input, 8, out, 76, STORE);
      const result = stages.floats(out, 8 * 19);
      for (let row = 0; row < 8; row++) {
        expect(result.slice(row * 19, row * 19 + 16)).toEqual(close.slice(row * 16, row * 16 + 16));
        expect([...result.slice(row * 19 + 16, row * 19 + 19)]).toEqual([-7, -7, -7]);
      }
    },
  );

  test('nothing is written beyond what was asked for', () => {
    for (const precision of ['int8', 'float32'] as const) {
      const stages = new Stages(build, precision);
      const layer = randomLayer(24, 56, randomOf(29));
      const at = putLayer(stages, layer);
      for (const rows of [1, 5, 13, 61]) {
        const x = stages.putFloats(randomRows(rows, 56, randomOf(rows)));
        const bytes = stages.call.quantisedBytes(rows, 56);
        const input = stages.allocate(bytes + 64);
        const out = stages.allocate(rows * 96 + 64);
        const guard = (address: number) => new Uint8Array(stages.call.memory.buffer, address, 64);
        guard(input + bytes).fill(171);
        guard(out + rows * 96).fill(171);
        stages.call.quantise(x, 224, rows, 56, input);
        stages.call.linear(at, 24, 56, input, rows, out, 96, STORE);
        expect(guard(input + bytes).every((byte) => byte === 171)).toBe(true);
        expect(guard(out + rows * 96).every((byte) => byte === 171)).toBe(true);
      }
    }
  });
});

test.each([
  [8, 8191],
  [1536, 8191],
  [2048, 8191],
  [2056, 8160],
  [4096, 4095],
])('the largest activation of %i products is %i', (inner, limit) => {
  expect(new Stages('plain').call.activationLimit(inner)).toBe(limit);
});

test.each(BUILDS)('the %s test build is what it is called', (build) => {
  expect(new Stages(build).call.isRelaxed()).toBe(build === 'relaxed' ? 1 : 0);
});
