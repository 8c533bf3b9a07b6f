/**
 * Rounding to 8 bits with the error compensated: a weight that was rounded up lets the weights after
 * it be rounded so that the layer's output on typical inputs stays where it was. Needed because a few
 * numbers inside the model are huge on the special tokens, where plain rounding of the matrices that
 * read them moves short texts ("!": cosine .9955 instead of .999).
 *
 * GPTQ (Frantar et al. 2022, https://arxiv.org/abs/2210.17323), columns in order of falling
 * activation, in double precision. Storage stays what it is: codes and a scale a row.
 */
import type { Tensor } from './safetensors.ts';

/** An int8 code a value and a float32 scale a row: value = code x scale. */
export interface QuantisedRows {
  readonly codes: Int8Array;
  readonly scales: Float32Array;
}

/** Share of the mean diagonal that is added to it, as in the paper. */
const DAMPING = 0.01;

/** How a linear layer's inputs vary together: the sum of x xT over rows, `size x size`, its upper half. */
export class InputMoments {
  readonly size: number;
  readonly sums: Float64Array;

  constructor(size: number) {
    this.size = size;
    this.sums = new Float64Array(size * size);
  }

  add(rows: Float32Array): void {
    const { size, sums } = this;
    for (let start = 0; start < rows.length; start += size) {
      for (let i = 0; i < size; i += 1) {
        const value = rows[start + i] as number;
        for (let j = i; j < size; j += 1) {
          sums[i * size + j] = (sums[i * size + j] as number) + value * (rows[start + j] as number);
        }
      }
    }
  }
}

/** Symmetric by row: scale = largest magnitude / 127, codes -127..127, each to the nearest. */
export function roundToNearest(tensor: Tensor): QuantisedRows {
  const scales = rowScales(tensor);
  const columns = tensor.data.length / scales.length;
  const codes = Int8Array.from(tensor.data, (value, index) =>
    code(value, scales[Math.floor(index / columns)] as number),
  );
  return { codes, scales };
}

/** The same scales, rounded with compensation for inputs that vary as `moments` says. */
export function roundCompensated(tensor: Tensor, moments: InputMoments): QuantisedRows {
  const size = moments.size;
  const scales = rowScales(tensor);
  const order = fallingActivation(moments);
  const factor = inverseFactor(moments, order);
  const codes = new Int8Array(tensor.data.length);
  const row = new Float64Array(size);
  scales.forEach((scale, index) => {
    order.forEach((column, k) => {
      row[k] = tensor.data[index * size + column] as number;
    });
    compensateRow(row, scale, factor, (k, value) => {
      codes[index * size + (order[k] as number)] = value;
    });
  });
  return { codes, scales };
}

/** Rounds a row from the front; each error is spread over what follows it. Changes `row`. */
function compensateRow(
  row: Float64Array,
  scale: number,
  factor: Float64Array,
  put: (k: number, code: number) => void,
): void {
  const size = row.length;
  for (let k = 0; k < size; k += 1) {
    const value = row[k] as number;
    const rounded = code(value, scale);
    put(k, rounded);
    const error = (value - rounded * scale) / (factor[k * size + k] as number);
    for (let j = k + 1; j < size; j += 1) {
      row[j] = (row[j] as number) - error * (factor[k * size + j] as number);
    }
  }
}

function rowScales({ shape, data }: Tensor): Float32Array {
  const rows = shape[0] ?? 0;
  const columns = data.length / rows;
  return Float32Array.from({ length: rows }, (_, row) => {
    const values = data.subarray(row * columns, (row + 1) * columns);
    return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
  });
}

function code(value: number, scale: number): number {
  return scale === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(value / scale)));
}

function fallingActivation({ size, sums }: InputMoments): number[] {
  const power = (column: number): number => sums[column * size + column] as number;
  return Array.from({ length: size }, (_, column) => column).sort(
    (a, b) => power(b) - power(a) || a - b,
  );
}

/**
 * The upper factor U of the inverse, inv(H) = UT U, for the damped and reordered moments H. With
 * H = M MT for an upper M, U is the inverse of M.
 */
function inverseFactor({ size, sums }: InputMoments, order: readonly number[]): Float64Array {
  const h = new Float64Array(size * size);
  let trace = 0;
  for (let i = 0; i < size; i += 1) trace += sums[i * size + i] as number;
  for (let i = 0; i < size; i += 1) {
    for (let j = 0; j < size; j += 1) {
      const low = Math.min(order[i] as number, order[j] as number);
      const high = Math.max(order[i] as number, order[j] as number);
      h[i * size + j] = sums[low * size + high] as number;
    }
    h[i * size + i] = (h[i * size + i] as number) + (DAMPING * trace) / size;
  }
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
