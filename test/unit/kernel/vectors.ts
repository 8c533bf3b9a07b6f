/** Reproducible vectors, and plain answers to compare with. */
import type { MetricType } from '../../../src/shared/milvus-types.ts';

/** Numbers in [0, 1) by xorshift. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function normal(next: () => number): number {
  return Math.sqrt(-2 * Math.log(next() + 1e-12)) * Math.cos(2 * Math.PI * next());
}

export interface Clusters {
  readonly rows: number;
  readonly dimension: number;
  readonly clusters: number;
  /** Deviation inside a cluster; the centres deviate by 1. */
  readonly spread: number;
  readonly seed: number;
  /** Deviation of the logarithm of the rows' lengths. Default 0. */
  readonly lengths?: number;
  /** Added to every coordinate. Default 0. */
  readonly offset?: number;
}

/** Rows around random centres. */
export function clustered(o: Clusters): Float32Array {
  const next = random(o.seed);
  const centres = Float32Array.from({ length: o.clusters * o.dimension }, () => normal(next));
  const vectors = new Float32Array(o.rows * o.dimension);
  for (let row = 0; row < o.rows; row++) {
    const centre = Math.floor(next() * o.clusters) * o.dimension;
    const length = Math.exp(normal(next) * (o.lengths ?? 0));
    for (let k = 0; k < o.dimension; k++) {
      const value = (centres[centre + k]! + o.spread * normal(next)) * length;
      vectors[row * o.dimension + k] = value + (o.offset ?? 0);
    }
  }
  return vectors;
}

/** The score of two vectors in double precision. */
export function plainScore(metric: MetricType, a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  let squared = 0;
  for (let k = 0; k < a.length; k++) {
    dot += a[k]! * b[k]!;
    aa += a[k]! ** 2;
    bb += b[k]! ** 2;
    squared += (a[k]! - b[k]!) ** 2;
  }
  if (metric === 'IP') return dot;
  if (metric === 'L2') return squared;
  return aa === 0 || bb === 0 ? 0 : dot / Math.sqrt(aa * bb);
}

export function rowOf(vectors: Float32Array, dimension: number, row: number): Float32Array {
  return vectors.subarray(row * dimension, (row + 1) * dimension);
}

/** Scores of all rows, and the rows best first. */
export function plainSearch(metric: MetricType, vectors: Float32Array, query: Float32Array) {
  const rows = vectors.length / query.length;
  const scores = Float64Array.from({ length: rows }, (_, row) =>
    plainScore(metric, query, rowOf(vectors, query.length, row)),
  );
  const sign = metric === 'L2' ? 1 : -1;
  const order = [...scores.keys()].sort((a, b) => sign * (scores[a]! - scores[b]!) || a - b);
  return { scores, order };
}

/** A bitmap of the rows that a test lets through, and their number. */
export function bitmap(rows: number, pick: (row: number) => boolean) {
  const allowed = new Uint32Array(Math.ceil(rows / 32));
  let allowedCount = 0;
  for (let row = 0; row < rows; row++) {
    if (!pick(row)) continue;
    allowed[row >>> 5]! |= 1 << (row & 31);
    allowedCount++;
  }
  return { allowed, allowedCount };
}
