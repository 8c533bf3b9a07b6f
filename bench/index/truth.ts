/**
 * The exact answer, by comparing every row: independent of both indexes that are measured. The vectors
 * are float32; products are summed in double, so that rounding does not order near neighbours.
 */

/**
 * Numbers of the rows with the largest inner products, best first, `count` for each query; of equal
 * ones the lower number.
 * @param rows row-major, at least `count` of them
 */
export function nearestRows(
  rows: Float32Array,
  queries: Float32Array,
  dimension: number,
  count: number,
): Int32Array {
  const found = new Int32Array((queries.length / dimension) * count);
  const products = new Float64Array(rows.length / dimension);
  for (let query = 0; query * dimension < queries.length; query++) {
    const from = query * dimension;
    multiply(rows, queries.subarray(from, from + dimension), products);
    found.set(largest(products, count), query * count);
  }
  return found;
}

/** Inner product of each row with the query. */
function multiply(rows: Float32Array, query: Float32Array, products: Float64Array): void {
  const dimension = query.length;
  for (let row = 0; row < products.length; row++) {
    const from = row * dimension;
    let sum = 0;
    for (let i = 0; i < dimension; i++) sum += (rows[from + i] as number) * (query[i] as number);
    products[row] = sum;
  }
}

/** Indices of the `count` largest, largest first. */
function largest(values: Float64Array, count: number): number[] {
  const best: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (best.length === count && value <= (values[best[count - 1] as number] as number)) continue;
    let at = best.length;
    while (at > 0 && value > (values[best[at - 1] as number] as number)) at--;
    best.splice(at, 0, i);
    best.length = Math.min(best.length, count);
  }
  return best;
}
