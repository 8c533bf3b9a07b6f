/** From what a graph answers to unit vectors: one row a text. Pure. */

/** How token vectors become one; `none` where the graph answers one vector a text already. */
export type Pooling = 'mean' | 'cls' | 'none';

export interface TokenStates {
  /** Row-major `rows x tokens x dimension`; padding stands at the end of a row. */
  readonly values: Float32Array;
  readonly tokens: number;
  readonly dimension: number;
}

/**
 * The mean over each text's own tokens. Sums are taken in double precision, so that a text has the
 * same vector however long the row is padded.
 *
 * @param lengths Tokens of each row that are no padding, at least 1.
 * @returns row-major `lengths.length x dimension`.
 */
export function poolMean(
  { values, tokens, dimension }: TokenStates,
  lengths: readonly number[],
): Float32Array<ArrayBuffer> {
  const pooled = new Float32Array(lengths.length * dimension);
  const sums = new Float64Array(dimension);
  lengths.forEach((length, row) => {
    sums.fill(0);
    for (let token = 0; token < length; token += 1) {
      const from = (row * tokens + token) * dimension;
      for (let k = 0; k < dimension; k += 1) {
        sums[k] = (sums[k] as number) + (values[from + k] as number);
      }
    }
    for (let k = 0; k < dimension; k += 1) {
      pooled[row * dimension + k] = (sums[k] as number) / length;
    }
  });
  return pooled;
}

/** Each text's first token. @returns row-major `rows x dimension`. */
export function poolFirst(
  { values, tokens, dimension }: TokenStates,
  rows: number,
): Float32Array<ArrayBuffer> {
  const pooled = new Float32Array(rows * dimension);
  for (let row = 0; row < rows; row += 1) {
    const from = row * tokens * dimension;
    pooled.set(values.subarray(from, from + dimension), row * dimension);
  }
  return pooled;
}

/**
 * Scales each row to length 1, in place.
 *
 * @returns null, or what is wrong with the first row that has no direction: then nothing of the
 * result may be used.
 */
export function normaliseRows(vectors: Float32Array, dimension: number): string | null {
  for (let from = 0; from < vectors.length; from += dimension) {
    const row = vectors.subarray(from, from + dimension);
    let square = 0;
    for (const value of row) square += value * value;
    const length = Math.sqrt(square);
    if (!Number.isFinite(length)) return 'the vector is not finite';
    if (length < 1e-12) return 'the vector has length 0.0000 instead of 1';
    for (let k = 0; k < dimension; k += 1) row[k] = (row[k] as number) / length;
  }
  return null;
}

/** IEEE 754 half precision (its bits) as float32, exactly; subnormal numbers, infinities and NaN included. */
export function halfToFloat(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(bits.length);
  bits.forEach((half, index) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0x1f)
      values[index] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    else if (exponent === 0) values[index] = sign * fraction * 2 ** -24;
    else values[index] = sign * (1 + fraction / 1_024) * 2 ** (exponent - 15);
  });
  return values;
}
