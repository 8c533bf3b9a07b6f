/**
 * The plain reference: a BERT forward pass in float32, written to be read, not to be fast. Known
 * answers are computed with it, and faster encoders are checked against it. Values are stored as
 * float32; sums run in double precision.
 */
import type { BertShape } from './bert.ts';
import type { Tensor } from './safetensors.ts';

/** Row-major `rows x columns`. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

/** Weights by name, as {@link tensorPlan} names them. */
export type Weights = ReadonlyMap<string, Tensor>;

/** Embeds one sequence of token ids: mean over its tokens, divided by its length. */
export function referenceEmbedding(
  ids: ArrayLike<number>,
  weights: Weights,
  shape: BertShape,
): Float32Array {
  let state = embeddings(ids, weights, shape);
  for (let layer = 0; layer < shape.layers; layer += 1) {
    state = encoderLayer(state, weights, shape, `encoder.layer.${layer}`);
  }
  return unit(meanOfRows(state));
}

/** The input of the first layer: word, position and type embeddings, normalised. */
export function embeddings(ids: ArrayLike<number>, weights: Weights, shape: BertShape): Matrix {
  const { hidden } = shape;
  const word = tensor(weights, 'embeddings.word_embeddings.weight');
  const position = tensor(weights, 'embeddings.position_embeddings.weight');
  const type = tensor(weights, 'embeddings.token_type_embeddings.weight');
  const data = new Float32Array(ids.length * hidden);
  for (let row = 0; row < ids.length; row += 1) {
    const id = ids[row] as number;
    for (let k = 0; k < hidden; k += 1) {
      data[row * hidden + k] =
        at(word, id * hidden + k) + at(position, row * hidden + k) + at(type, k);
    }
  }
  const sum = { rows: ids.length, columns: hidden, data };
  return layerNorm(sum, weights, 'embeddings.LayerNorm', shape.layerNormEps);
}

function encoderLayer(x: Matrix, weights: Weights, shape: BertShape, name: string): Matrix {
  const query = linear(x, weights, `${name}.attention.self.query`);
  const key = linear(x, weights, `${name}.attention.self.key`);
  const value = linear(x, weights, `${name}.attention.self.value`);
  const context = attention(query, key, value, shape);
  const mixed = linear(context, weights, `${name}.attention.output.dense`);
  const attended = layerNorm(
    add(mixed, x),
    weights,
    `${name}.attention.output.LayerNorm`,
    shape.layerNormEps,
  );
  const inner = gelu(linear(attended, weights, `${name}.intermediate.dense`));
  const outer = linear(inner, weights, `${name}.output.dense`);
  return layerNorm(add(outer, attended), weights, `${name}.output.LayerNorm`, shape.layerNormEps);
}

/** Every head's mixture of the value rows, by the softmax of query times key. */
export function attention(
  query: Matrix,
  key: Matrix,
  value: Matrix,
  { hidden, heads }: BertShape,
): Matrix {
  const size = hidden / heads;
  const data = new Float32Array(query.rows * hidden);
  for (let head = 0; head < heads; head += 1) {
    for (let row = 0; row < query.rows; row += 1) {
      const scores = softmax(headScores(query, key, row, head * size, size));
      for (let k = head * size; k < (head + 1) * size; k += 1) {
        let sum = 0;
        for (let other = 0; other < query.rows; other += 1) {
          sum += at(scores, other) * at(value.data, other * hidden + k);
        }
        data[row * hidden + k] = sum;
      }
    }
  }
  return { rows: query.rows, columns: hidden, data };
}

/** Scaled dot products of one query row with every key row, over one head's columns. */
function headScores(query: Matrix, key: Matrix, row: number, from: number, size: number) {
  const scores = new Float32Array(key.rows);
  for (let other = 0; other < key.rows; other += 1) {
    let sum = 0;
    for (let k = from; k < from + size; k += 1) {
      sum += at(query.data, row * query.columns + k) * at(key.data, other * key.columns + k);
    }
    scores[other] = sum / Math.sqrt(size);
  }
  return scores;
}

function softmax(scores: Float32Array): Float32Array {
  const largest = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = scores.map((score) => Math.exp(score - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** `x W^T + b`, with `W` as `[out, in]`. */
function linear(x: Matrix, weights: Weights, name: string): Matrix {
  const weight = tensor(weights, `${name}.weight`);
  const bias = tensor(weights, `${name}.bias`);
  const out = bias.length;
  const data = new Float32Array(x.rows * out);
  for (let row = 0; row < x.rows; row += 1) {
    const input = x.data.subarray(row * x.columns, (row + 1) * x.columns);
    for (let column = 0; column < out; column += 1) {
      let sum = 0;
      for (let k = 0; k < x.columns; k += 1) {
        sum += at(input, k) * at(weight, column * x.columns + k);
      }
      data[row * out + column] = sum + at(bias, column);
    }
  }
  return { rows: x.rows, columns: out, data };
}

/** Each row with mean 0 and variance 1, times the gain, plus the shift. */
export function layerNorm(x: Matrix, weights: Weights, name: string, epsilon: number): Matrix {
  const gain = tensor(weights, `${name}.weight`);
  const shift = tensor(weights, `${name}.bias`);
  const data = new Float32Array(x.data.length);
  for (let row = 0; row < x.rows; row += 1) {
    const values = x.data.subarray(row * x.columns, (row + 1) * x.columns);
    const mean = values.reduce((a, b) => a + b, 0) / x.columns;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.columns;
    const scale = 1 / Math.sqrt(variance + epsilon);
    for (let k = 0; k < x.columns; k += 1) {
      data[row * x.columns + k] = (at(values, k) - mean) * scale * at(gain, k) + at(shift, k);
    }
  }
  return { rows: x.rows, columns: x.columns, data };
}

function gelu(x: Matrix): Matrix {
  return { ...x, data: x.data.map((value) => 0.5 * value * (1 + erf(value / Math.SQRT2))) };
}

/**
 * The error function: its Maclaurin series below 3, the continued fraction of its complement above
 * (Abramowitz and Stegun 7.1.6 and 7.1.14); both to about 1e-12.
 */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z < 3) {
    let term = z;
    let sum = z;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n += 1) {
      term *= (2 * z * z) / (2 * n + 1);
      sum += term;
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum;
  }
  let fraction = z;
  for (let n = 60; n > 0; n -= 1) fraction = z + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-z * z) / (Math.sqrt(Math.PI) * fraction));
}

export function add(a: Matrix, b: Matrix): Matrix {
  return { ...a, data: a.data.map((value, index) => value + at(b.data, index)) };
}

function meanOfRows(x: Matrix): Float32Array {
  const mean = new Float32Array(x.columns);
  for (let k = 0; k < x.columns; k += 1) {
    let sum = 0;
    for (let row = 0; row < x.rows; row += 1) sum += at(x.data, row * x.columns + k);
    mean[k] = sum / x.rows;
  }
  return mean;
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

function tensor(weights: Weights, name: string): Float32Array {
  const found = weights.get(name);
  if (!found) throw new Error(`The weights have no tensor "${name}".`);
  return found.data;
}

function at(values: Float32Array, index: number): number {
  return values[index] as number;
}
