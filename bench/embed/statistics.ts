/** What is computed from times and vectors: pure. */

/** Middle value; the mean of the two middle ones where their number is even. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const above = sorted[Math.floor(middle)];
  if (above === undefined) throw new Error('There is no median of no values.');
  return Number.isInteger(middle) ? ((sorted[middle - 1] as number) + above) / 2 : above;
}

/** Ranks from 1; equal values share the mean of their ranks. */
export function ranks(values: readonly number[]): number[] {
  const order = values.map((_, at) => at).sort((a, b) => at(values, a) - at(values, b));
  const result = values.map(() => 0);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && at(values, order[to]) === at(values, order[from])) to++;
    for (const position of order.slice(from, to)) result[position] = (from + to + 1) / 2;
    from = to;
  }
  return result;
}

/** Spearman's rank correlation: Pearson's of the ranks, ties included. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length || a.length < 2) {
    throw new Error(`${a.length} and ${b.length} values do not correlate.`);
  }
  return pearson(ranks(a), ranks(b));
}

function pearson(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  let [product, squareA, squareB] = [0, 0, 0];
  a.forEach((x, i) => {
    const [da, db] = [x - meanA, at(b, i) - meanB];
    product += da * db;
    squareA += da * da;
    squareB += db * db;
  });
  return product / Math.sqrt(squareA * squareB);
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Cosine of row `at` of both matrices, whose rows have the same length. */
export function cosineOfRows(
  a: Float32Array,
  b: Float32Array,
  dimension: number,
  rowA: number,
  rowB = rowA,
): number {
  let [product, squareA, squareB] = [0, 0, 0];
  for (let k = 0; k < dimension; k++) {
    const x = a[rowA * dimension + k] as number;
    const y = b[rowB * dimension + k] as number;
    product += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  return product / Math.sqrt(squareA * squareB);
}

function at(values: readonly number[], position: number | undefined): number {
  return values[position ?? -1] ?? Number.NaN;
}
