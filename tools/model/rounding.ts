/**
 * Rounding to 8 bits: to the nearest, or with the error compensated, so that a layer's output on
 * typical inputs stays where it was. Storage is the same: codes and a scale a row.
 *
 * Compensated: GPTQ (Frantar et al. 2022, https://arxiv.org/abs/2210.17323), columns in order of
 * falling activation. Two things are added. The bias takes part as a last column whose input is 1 and
 * which is not rounded. And before a row is rounded it is moved to where, on the inputs that the layer
 * will really get (those of a model whose earlier layers are rounded already), it comes nearest to the
 * output of the original: ridge regression, so that the few typical inputs do not bend it too far.
 */
import type { Tensor } from './safetensors.ts';

/** An int8 code a value and a float32 scale a row: value = code x scale. */
export interface QuantisedRows {
  readonly codes: Int8Array;
  readonly scales: Float32Array;
}

/** A layer that was rounded with compensation. */
export interface RoundedLayer extends QuantisedRows {
  readonly bias: Float32Array;
}

/**
 * What a layer sees and should do in the rounded model, as sums over typical rows. y is an input with a
 * 1 at its end; `size` is its length.
 */
export interface LayerSums {
  readonly size: number;
  /** Sum of y yT, `size x size`: how the inputs vary together. */
  readonly inputs: Float64Array;
  /** Sum of r yT, `outputs x size`: by how much r the output of the layer as it is falls short. */
  readonly wanted: Float64Array;
}

/** Share of the mean diagonal that is added to it when errors are compensated. */
const DAMPING = 0.03;
/** The same when rows are moved: small values follow every accident of the typical inputs. */
const RIDGE = 3;

/** Symmetric by row: scale = largest magnitude / 127, codes -127..127, each to the nearest. */
export function roundToNearest({ shape, data }: Tensor): QuantisedRows {
  const scales = rowScales(data, shape[0] ?? 0);
  const columns = data.length / scales.length;
  const codes = new Int8Array(data.length);
  scales.forEach((scale, row) => {
    for (let k = row * columns; k < (row + 1) * columns; k += 1) {
      codes[k] = code(data[k] as number, scale);
    }
  });
  return { codes, scales };
}

/** The values that are stored. */
export function storedValues({ codes, scales }: QuantisedRows): Float32Array {
  const columns = codes.length / scales.length;
  const values = new Float32Array(codes.length);
  scales.forEach((scale, row) => {
    for (let k = row * columns; k < (row + 1) * columns; k += 1) {
      values[k] = (codes[k] as number) * scale;
    }
  });
  return values;
}

/** Rounds a layer so that it does on typical inputs what it did. `weight` is `[out, in]`. */
export function roundCompensated(
  weight: Tensor,
  bias: Float32Array,
  sums: LayerSums,
): RoundedLayer {
  const { size } = sums;
  const order = fallingActivation(sums);
  const rows = movedRows(weight, bias, sums, order);
  const factor = inverseFactor(damped(sums, DAMPING, order), size);
  const codes = new Int8Array(weight.data.length);
  const scales = new Float32Array(bias.length);
  const newBias = bias.map((_, index) => {
    const row = rows.subarray(index * size, (index + 1) * size);
    const scale = Math.fround(largest(row.subarray(0, size - 1)) / 127);
    scales[index] = scale;
    compensateRow(row, scale, factor, (k, value) => {
      codes[index * (size - 1) + (order[k] as number)] = value;
    });
    return row[size - 1] as number;
  });
  return { codes, scales, bias: newBias };
}

/** Rounds a row from the front; each error is spread over what follows it. Changes `row`. */
function compensateRow(
  row: Float64Array,
  scale: number,
  factor: Float64Array,
  put: (k: number, code: number) => void,
): void {
  const size = row.length;
  for (let k = 0; k < size - 1; k += 1) {
    const value = row[k] as number;
    const rounded = code(value, scale);
    put(k, rounded);
    const error = (value - rounded * scale) / (factor[k * size + k] as number);
    for (let j = k + 1; j < size; j += 1) {
      row[j] = (row[j] as number) - error * (factor[k * size + j] as number);
    }
  }
}

/**
 * Rows of weights and bias, their columns in `order`, moved to where the outputs fall short least:
 * W + wanted inv(inputs + ridge).
 */
function movedRows(
  weight: Tensor,
  bias: Float32Array,
  sums: LayerSums,
  order: readonly number[],
): Float64Array {
  const { size, wanted } = sums;
  const factor = inverseFactor(damped(sums, RIDGE, order), size);
  const rows = new Float64Array(bias.length * size);
  bias.forEach((shift, index) => {
    const own = new Float64Array(size);
    own.set(weight.data.subarray(index * (size - 1), (index + 1) * (size - 1)));
    own[size - 1] = shift;
    const asked = wanted.subarray(index * size, (index + 1) * size);
    const move = solve(factor, permuted(asked, order));
    permuted(own, order).forEach((value, k) => {
      rows[index * size + k] = value + (move[k] as number);
    });
  });
  return rows;
}

/** `UT U v` for the factor U of the inverse. */
function solve(factor: Float64Array, v: Float64Array): Float64Array {
  const size = v.length;
  const result = new Float64Array(size);
  for (let i = 0; i < size; i += 1) {
    let sum = 0;
    for (let j = i; j < size; j += 1) sum += (factor[i * size + j] as number) * (v[j] as number);
    for (let j = i; j < size; j += 1) {
      result[j] = (result[j] as number) + sum * (factor[i * size + j] as number);
    }
  }
  return result;
}

function permuted(values: Float64Array, order: readonly number[]): Float64Array {
  return Float64Array.from(order, (column) => values[column] as number);
}

function rowScales(data: Float32Array, rows: number): Float32Array {
  const columns = data.length / rows;
  return Float32Array.from(
    { length: rows },
    (_, row) => largest(data.subarray(row * columns, (row + 1) * columns)) / 127,
  );
}

function largest(values: Float32Array | Float64Array): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

function code(value: number, scale: number): number {
  return scale === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(value / scale)));
}

/** Columns by falling power of their inputs; the bias's column stays last. */
function fallingActivation({ size, inputs }: LayerSums): number[] {
  const power = (column: number): number => inputs[column * size + column] as number;
  const columns = Array.from({ length: size - 1 }, (_, column) => column);
  columns.sort((a, b) => power(b) - power(a) || a - b);
  return [...columns, size - 1];
}

/** The sums of inputs in the given order, a share of the mean power added to all but the bias. */
function damped(
  { size, inputs }: LayerSums,
  share: number,
  order: readonly number[],
): Float64Array {
  const h = new Float64Array(size * size);
  let power = 0;
  for (let i = 0; i < size - 1; i += 1) power += inputs[i * size + i] as number;
  order.forEach((row, i) => {
    order.forEach((column, j) => {
      h[i * size + j] = inputs[row * size + column] as number;
    });
    const more = i < size - 1 ? (share * power) / (size - 1) : 1e-6 * (h[i * size + i] as number);
    h[i * size + i] = (h[i * size + i] as number) + more;
  });
  return h;
}

/** The upper factor U of the inverse, inv(H) = UT U. With H = M MT for an upper M, U is inv(M). */
function inverseFactor(h: Float64Array, size: number): Float64Array {
  return invertUpper(upperCholesky(h, size), size);
}

/** M, upper, with M MT = H; rows from the last up. */
function upperCholesky(h: Float64Array, size: number): Float64Array {
  const m = new Float64Array(size * size);
  for (let i = size - 1; i >= 0; i -= 1) {
    for (let j = size - 1; j >= i; j -= 1) {
      let sum = h[i * size + j] as number;
      for (let k = j + 1; k < size; k += 1) {
        sum -= (m[i * size + k] as number) * (m[j * size + k] as number);
      }
      m[i * size + j] = i === j ? Math.sqrt(sum) : sum / (m[j * size + j] as number);
    }
  }
  return m;
}

function invertUpper(m: Float64Array, size: number): Float64Array {
  const inverse = new Float64Array(size * size);
  for (let i = size - 1; i >= 0; i -= 1) {
    const diagonal = m[i * size + i] as number;
    inverse[i * size + i] = 1 / diagonal;
    for (let k = i + 1; k < size; k += 1) {
      const weight = (m[i * size + k] as number) / diagonal;
      for (let j = k; j < size; j += 1) {
        inverse[i * size + j] =
          (inverse[i * size + j] as number) - weight * (inverse[k * size + j] as number);
      }
    }
  }
  return inverse;
}
