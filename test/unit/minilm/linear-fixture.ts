/** The test builds of the linear layers, and the same computations in plain TypeScript. */
import { setFlagsFromString } from 'node:v8';
import { minilmStages } from '../../../wasm/build/minilm-stages.ts';
import { minilmStagesRelaxed } from '../../../wasm/build/minilm-stages-relaxed.ts';

setFlagsFromString('--experimental-wasm-relaxed-simd');
setFlagsFromString('--no-liftoff');

export type Build = 'plain' | 'relaxed';
export type Precision = 'int8' | 'float32';
export const BUILDS: readonly Build[] = ['plain', 'relaxed'];
export const PRECISIONS: readonly Precision[] = ['int8', 'float32'];

export const STORE = 0;
export const ADD = 1;
export const GELU = 2;

interface Exports {
  readonly memory: WebAssembly.Memory;
  setFloat32(on: boolean): void;
  activationLimit(inner: number): number;
  linearBytes(columns: number, inner: number): number;
  packRow(
    layer: number,
    column: number,
    columns: number,
    inner: number,
    row: number,
    scale: number,
    source: 0 | 1,
  ): void;
  setBias(layer: number, column: number, columns: number, inner: number, bias: number): void;
  quantisedBytes(rows: number, inner: number): number;
  quantise(x: number, stride: number, rows: number, inner: number, to: number): void;
  linear(
    layer: number,
    columns: number,
    inner: number,
    input: number,
    rows: number,
    out: number,
    outStride: number,
    mode: number,
  ): void;
  floatTile(
    rows: number,
    a: number,
    aStride: number,
    panel: number,
    inner: number,
    out: number,
    outStride: number,
  ): void;
  geluOf(x: number, count: number): void;
  freeMemory(): number;
  isRelaxed(): number;
}

/** A test build with memory to hand out. */
export class Stages {
  readonly call: Exports;
  #top: number;

  constructor(build: Build, precision: Precision = 'int8') {
    const text = build === 'plain' ? minilmStages : minilmStagesRelaxed;
    const module = new WebAssembly.Module(Buffer.from(text, 'base64'));
    this.call = new WebAssembly.Instance(module, {
      env: {
        abort: () => {
          throw new Error('abort');
        },
      },
    }).exports as unknown as Exports;
    this.call.setFloat32(precision === 'float32');
    this.#top = this.call.freeMemory();
  }

  allocate(bytes: number): number {
    const at = this.#top;
    this.#top = (at + bytes + 63) & ~63;
    const missing = this.#top - this.call.memory.buffer.byteLength;
    if (missing > 0) this.call.memory.grow(Math.ceil(missing / 65_536));
    return at;
  }

  /** What {@link allocate} gave since the mark is free again. */
  mark(): () => void {
    const top = this.#top;
    return () => {
      this.#top = top;
    };
  }

  floats(at: number, count: number): Float32Array {
    return new Float32Array(this.call.memory.buffer, at, count);
  }

  codes(at: number, count: number): Int8Array {
    return new Int8Array(this.call.memory.buffer, at, count);
  }

  putFloats(values: ArrayLike<number>): number {
    const at = this.allocate(values.length * 4);
    this.floats(at, values.length).set(values);
    return at;
  }
}

/** mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Layer {
  readonly columns: number;
  readonly inner: number;
  readonly codes: Int8Array;
  readonly scales: Float32Array;
  readonly bias: Float32Array;
}

export function randomLayer(columns: number, inner: number, random: () => number): Layer {
  return {
    columns,
    inner,
    codes: Int8Array.from({ length: columns * inner }, () => Math.round((random() * 2 - 1) * 127)),
    scales: Float32Array.from({ length: columns }, () => 0.0005 + random() * 0.002),
    bias: Float32Array.from({ length: columns }, () => random() * 2 - 1),
  };
}

/** Packs a layer from its codes, or from floats that are code x scale. */
export function putLayer(stages: Stages, layer: Layer, source: 0 | 1 = 0): number {
  const { columns, inner } = layer;
  const at = stages.allocate(stages.call.linearBytes(columns, inner));
  const row = stages.allocate(inner * 4);
  for (let column = 0; column < columns; column++) {
    const codes = layer.codes.subarray(column * inner, (column + 1) * inner);
    const scale = layer.scales[column]!;
    if (source === 0) stages.codes(row, inner).set(codes);
    else stages.floats(row, inner).set(Float32Array.from(codes, (code) => code * scale));
    stages.call.packRow(at, column, columns, inner, row, source === 0 ? scale : 1, source);
    stages.call.setBias(at, column, columns, inner, layer.bias[column]!);
  }
  return at;
}

/** Runs the kernel: quantise, then the layer. `before` is what `out` holds. */
export function runLinear(
  stages: Stages,
  at: number,
  { columns, inner }: Layer,
  x: Float32Array,
  mode: number,
  before?: Float32Array,
): Float32Array {
  const free = stages.mark();
  const rows = x.length / inner;
  const from = stages.putFloats(x);
  const input = stages.allocate(stages.call.quantisedBytes(rows, inner));
  const out = stages.putFloats(before ?? new Float32Array(rows * columns).fill(Number.NaN));
  stages.call.quantise(from, inner * 4, rows, inner, input);
  stages.call.linear(at, columns, inner, input, rows, out, columns * 4, mode);
  const result = stages.floats(out, rows * columns).slice();
  free();
  return result;
}

const f = Math.fround;

/** Rounds half to even, as SIMD does. */
function nearest(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

export interface Quantised {
  readonly codes: Int32Array;
  readonly scale: number;
}

/** One row of activations as 14-bit integers, with the kernel's float32 roundings. */
export function quantiseRow(x: Float32Array, limit: number): Quantised {
  const most = Math.max(
    f(1e-20),
    x.reduce((a, b) => Math.max(a, Math.abs(b)), 0),
  );
  const inverse = f(limit / most);
  return {
    codes: Int32Array.from(x, (value) => nearest(f(value * inverse))),
    scale: f(most / limit),
  };
}

/** The integer layer, bit for bit: exact sums, and float32 roundings in the kernel's order. */
export function integerLinear(
  layer: Layer,
  x: Float32Array,
  limit: number,
  before?: Float32Array,
): Float32Array {
  const { columns, inner } = layer;
  const rows = x.length / inner;
  const out = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const { codes, scale } = quantiseRow(x.subarray(row * inner, (row + 1) * inner), limit);
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += codes[k]! * layer.codes[column * inner + k]!;
      const value = f(f(f(sum) * f(scale * layer.scales[column]!)) + layer.bias[column]!);
      const at = row * columns + column;
      out[at] = before ? f(value + before[at]!) : value;
    }
  }
  return out;
}

/** The layer in float64, and for each result the sum of |x w|, which its rounding error is measured by. */
export function exactLinear(
  layer: Layer,
  x: Float32Array,
): { out: Float64Array; size: Float64Array } {
  const { columns, inner } = layer;
  const rows = x.length / inner;
  const out = new Float64Array(rows * columns);
  const size = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      let sum = layer.bias[column]!;
      let absolute = Math.abs(sum);
      for (let k = 0; k < inner; k++) {
        const product =
          x[row * inner + k]! * layer.codes[column * inner + k]! * layer.scales[column]!;
        sum += product;
        absolute += Math.abs(product);
      }
      out[row * columns + column] = sum;
      size[row * columns + column] = absolute;
    }
  return { out, size };
}

/** erf by its series and continued fraction, to 1e-15. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a;
    let sum = a;
    for (let n = 1; n < 100; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = a;
  for (let n = 80; n > 0; n--) fraction = a + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / fraction);
}

export const exactGelu = (x: number): number => (x / 2) * (1 + erf(x / Math.SQRT2));
