/** Rounding with the error compensated, outliers, products, and what it is calibrated with. */
import { describe, expect, it } from 'vitest';
import { calibrationSequences } from '../../../tools/model/calibration.ts';
import { erf } from '../../../tools/model/forward.ts';
import { unigramFile, wordPieceFile } from '../../../tools/model/made-up-tokenizer.ts';
import { type FeedForward, relieved } from '../../../tools/model/outliers.ts';
import { Products } from '../../../tools/model/products.ts';
import { normalNumbers } from '../../../tools/model/random.ts';
import {
  type LayerSums,
  roundCompensated,
  roundToNearest,
  storedValues,
} from '../../../tools/model/rounding.ts';
import { createTokenizer } from '../../../workers/embed/tokenizer.ts';

const gelu = (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2));

function normals(count: number, seed: number, spread = 1): Float32Array {
  const normal = normalNumbers(seed);
  return Float32Array.from({ length: count }, () => spread * normal());
}

/** `x w^T + b`, row by row. */
function linear(x: Float32Array, w: Float32Array, b: Float32Array, inner: number): Float32Array {
  const rows = x.length / inner;
  return Float32Array.from({ length: rows * b.length }, (_, index) => {
    const [row, column] = [Math.floor(index / b.length), index % b.length];
    let sum = b[column] as number;
    for (let k = 0; k < inner; k += 1) {
      sum += (x[row * inner + k] as number) * (w[column * inner + k] as number);
    }
    return sum;
  });
}

function meanSquare(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, k) => sum + (value - (b[k] as number)) ** 2, 0) / a.length;
}

describe('compensated rounding', () => {
  const [rows, inner, out] = [200, 24, 10];
  const weight = { shape: [out, inner], data: normals(out * inner, 1) };
  const bias = normals(out, 2);

  /** The sums for rows y, on which the layer's output should be `outputs`. */
  function sumsOf(y: Float32Array, outputs: Float32Array): LayerSums {
    const size = inner + 1;
    const now = linear(y, weight.data, bias, inner);
    const input = (row: number, k: number): number =>
      k === inner ? 1 : (y[row * inner + k] as number);
    const sum = (count: number, left: (row: number, i: number) => number): Float64Array =>
      Float64Array.from({ length: count * size }, (_, index) => {
        let total = 0;
        for (let row = 0; row < rows; row += 1) {
          total += left(row, Math.floor(index / size)) * input(row, index % size);
        }
        return total;
      });
    const short = (row: number, i: number): number =>
      (outputs[row * out + i] as number) - (now[row * out + i] as number);
    return { size, inputs: sum(size, input), wanted: sum(out, short) };
  }

  // Inputs that mostly share one large direction, as those of the special tokens do.
  const direction = normals(inner, 3, 20);
  const own = normals(rows * inner, 4);
  const x = own.map((value, k) => value + (direction[k % inner] as number));
  const exact = linear(x, weight.data, bias, inner);

  it('moves the outputs on typical inputs far less than rounding to the nearest', () => {
    const near = linear(x, storedValues(roundToNearest(weight)), bias, inner);
    const rounded = roundCompensated(weight, bias, sumsOf(x, exact));
    const far = linear(x, storedValues(rounded), rounded.bias, inner);
    expect(meanSquare(far, exact)).toBeLessThan(meanSquare(near, exact) / 10);
  });

  it('takes back what the inputs have drifted', () => {
    // Drift that the rounded model's own inputs tell of: all of them a tenth too large.
    const y = x.map((value) => 1.1 * value);
    const undone = roundCompensated(weight, bias, sumsOf(y, exact));
    const blind = roundCompensated(weight, bias, sumsOf(y, linear(y, weight.data, bias, inner)));
    const error = (layer: typeof undone): number =>
      meanSquare(linear(y, storedValues(layer), layer.bias, inner), exact);
    expect(error(undone)).toBeLessThan(error(blind) / 4);
  });

  it('moves the bias where the output falls short by a constant', () => {
    const more = exact.map((value) => value + 0.75);
    const rounded = roundCompensated(weight, bias, sumsOf(x, more));
    const found = linear(x, storedValues(rounded), rounded.bias, inner);
    expect(meanSquare(found, more)).toBeLessThan(0.02);
    expect(meanSquare(found, exact)).toBeGreaterThan(0.4);
  });

  it('takes a row of zeros', () => {
    const zeros = { shape: [1, inner], data: new Float32Array(inner) };
    const rounded = roundCompensated(zeros, Float32Array.of(2), {
      ...sumsOf(x, exact),
      wanted: new Float64Array(inner + 1),
    });
    expect([...rounded.codes].every((code) => code === 0)).toBe(true);
    expect(rounded.bias[0]).toBeCloseTo(2, 5);
  });
});

describe('an outlying weight', () => {
  const [rows, hidden, neurons] = [300, 8, 40];
  const [row, neuron, idle] = [3, 7, 21];

  /** A layer in which one neuron weighs 30 on one output; one other neuron hardly does anything. */
  function layer(): FeedForward {
    const tensor = (shape: number[], seed: number, spread: number) => ({
      shape,
      data: normals(
        shape.reduce((a, b) => a * b, 1),
        seed,
        spread,
      ),
    });
    const part = {
      inner: tensor([neurons, hidden], 5, 0.4),
      innerBias: tensor([neurons], 6, 0.1),
      outer: tensor([hidden, neurons], 7, 0.2),
      outerBias: tensor([hidden], 8, 0.1),
    };
    part.outer.data[row * neurons + neuron] = 30;
    for (let k = idle; k < part.outer.data.length; k += neurons) part.outer.data[k] = 1e-4;
    return part;
  }

  const activationsOf = (x: Float32Array, part: FeedForward): Float32Array =>
    linear(x, part.inner.data, part.innerBias.data, hidden);
  const run = (x: Float32Array, part: FeedForward): Float32Array =>
    linear(activationsOf(x, part).map(gelu), part.outer.data, part.outerBias.data, neurons);
  const largest = (part: FeedForward): number => Math.max(...part.outer.data.map(Math.abs));

  it('becomes smaller at a louder switch, and nothing else changes', () => {
    const part = layer();
    // On for one in ten rows, far off for the others: the first input says which.
    part.inner.data.fill(0, neuron * hidden, (neuron + 1) * hidden);
    part.inner.data[neuron * hidden] = 10;
    part.innerBias.data[neuron] = -30;
    const x = normals(rows * hidden, 9, 0.3).map((value, k) =>
      k % hidden === 0 ? (k % 80 === 0 ? 6 : 0) : value,
    );
    const better = relieved(part, activationsOf(x, part), gelu);
    expect(largest(better)).toBeCloseTo(7.5, 4);
    expect(better.outerBias).toBe(part.outerBias);
    expect(meanSquare(run(x, better), run(x, part))).toBeLessThan(1e-8);
  });

  it('is shared by two neurons where the neuron is no switch', () => {
    const part = layer();
    const x = normals(rows * hidden, 9);
    const better = relieved(part, activationsOf(x, part), gelu);
    expect(largest(better)).toBeCloseTo(15, 4);
    expect(better.outer.data[row * neurons + idle]).toBeCloseTo(15, 4);
    expect(meanSquare(run(x, better), run(x, part))).toBeLessThan(1e-6);
  });

  it('is looked for in vain where no row stands out', () => {
    const part = layer();
    part.outer.data[row * neurons + neuron] = 0.2;
    const x = normals(rows * hidden, 9);
    expect(relieved(part, activationsOf(x, part), gelu)).toBe(part);
  });
});

describe('products', () => {
  it.each([
    [1, 1, 1],
    [5, 7, 11],
    [4, 16, 8],
    [9, 65, 33],
    [70, 385, 385],
  ])('are those of the definition: %i x %i x %i', async (m, k, n) => {
    const products = await Products.open();
    const [a, b] = [normals(m * k, 1), normals(n * k, 2)];
    const found = products.timesTransposed(a, b, k);
    const expected = linear(a, b, new Float32Array(n), k);
    expect(found).toHaveLength(m * n);
    expect(meanSquare(found, expected)).toBeLessThan(1e-8);
    // The same numbers as columns: (a^T)^T b^T.
    const turn = (x: Float32Array, rows: number): Float32Array =>
      Float32Array.from(
        x,
        (_, i) => x[(i % rows) * (x.length / rows) + Math.floor(i / rows)] as number,
      );
    expect(meanSquare(products.crossed(turn(a, m), turn(b, n), k), expected)).toBeLessThan(1e-8);
  });
});

describe('what is calibrated with', () => {
  it.each([
    ['WordPiece', wordPieceFile(500)],
    ['Unigram', unigramFile(500)],
  ])('is the same each time, in range, framed and bounded: %s', (_, file) => {
    const tokenizer = createTokenizer(file, 32);
    const [first, last] = tokenizer.encode('');
    const sequences = calibrationSequences(file, tokenizer);
    expect(calibrationSequences(file, tokenizer)).toEqual(sequences);
    const tokens = sequences.reduce((sum, { length }) => sum + length, 0);
    expect(tokens).toBeGreaterThan(8_000);
    const seen = new Set<number>();
    for (const ids of sequences) {
      expect(ids.length).toBeLessThanOrEqual(32);
      expect([ids[0], ids.at(-1)]).toEqual([first, last]);
      for (const id of ids) seen.add(id);
    }
    expect(Math.max(...seen)).toBeLessThan(500);
    expect(seen.size).toBeGreaterThan(300);
  });
});
