/** One search in a kernel: the query goes in, a plan is carried out, hits come out. */
import { milvusError, WhorlError } from '../../../src/shared/errors.ts';
import type { IndexKernel } from './kernel.ts';
import type { CheckedIndexOptions, Vectors } from './options.ts';
import type { SearchPlan } from './plan.ts';
import {
  bitsOf,
  decodeVector,
  notFinite,
  outOfMemory,
  takeHits,
  type VectorHits,
} from './transfer.ts';

/** Numbers a vector has: coordinates, or bytes of bits. */
export function widthOf({ dimension, metric }: CheckedIndexOptions): number {
  return metric === 'HAMMING' ? dimension / 8 : dimension;
}

/** Refuses bits where floats belong, and the reverse. */
export function checkKind({ metric }: CheckedIndexOptions, vectors: Vectors): void {
  const isBits = metric === 'HAMMING';
  if (vectors instanceof (isBits ? Uint8Array : Float32Array)) return;
  throw new WhorlError(
    'invalid_option',
    `Vectors of metric ${metric} are a ${isBits ? 'Uint8Array' : 'Float32Array'}. Nothing was changed.`,
  );
}

/**
 * Hands a query to the kernel.
 * @throws `invalid_option` for the wrong kind of array; Milvus 1100 for a wrong length or numbers that are not finite
 */
export function setQuery(kernel: IndexKernel, options: CheckedIndexOptions, query: Vectors): void {
  checkKind(options, query);
  const bytes = widthOf(options) * query.BYTES_PER_ELEMENT;
  if (query.byteLength !== bytes) {
    throw milvusError(
      1100,
      `vector dimension mismatch, expected vector size(byte) ${bytes}, actual ${query.byteLength}: invalid parameter`,
    );
  }
  const source = new Uint8Array(query.buffer, query.byteOffset, bytes);
  new Uint8Array(kernel.memory.buffer, kernel.queryAt() >>> 0, bytes).set(source);
  if (!kernel.takeQuery()) throw notFinite('the query vector', 'Nothing was searched');
}

/**
 * Answers the query that was set. `rows`: how many there are; `bitmap`: address of those that may be
 * returned, or 0. Where memory for a plan is missing, the answer is exact instead.
 */
export function runPlan(
  kernel: IndexKernel,
  plan: SearchPlan,
  rows: number,
  limit: number,
  bitmap: number,
): VectorHits {
  if (!kernel.startBest(limit)) throw outOfMemory(kernel, 'all rows are kept');
  let from = 0;
  if (plan.kind === 'signs' && kernel.siftRows(rows, plan.keep, bitmap)) from = rows;
  if (plan.kind === 'graph' && kernel.searchGraph(plan.breadth, bitmap)) {
    from = kernel.insertedRows() >>> 0;
  }
  if (bitmap === 0) kernel.scanRows(from, rows);
  else kernel.scanBitmap(from, rows);
  return takeHits(kernel);
}

/** A copy of a row's vector, or what its codes say. */
export function vectorOf(
  kernel: IndexKernel,
  { codesOnly, dimension, metric }: CheckedIndexOptions,
  row: number,
): Float32Array {
  if (codesOnly) return decodeVector(kernel, row, dimension, metric);
  const at = kernel.floatsOf(row) >>> 0;
  return new Float32Array(kernel.memory.buffer, at, dimension).slice();
}

/** Hits that a plan is tried with. */
export const TRIED = 10;

/** Signs that let so many times more rows through than they should do not tell rows apart. */
const LET_THROUGH = 2;

function siftsTooLittle(kernel: IndexKernel, plan: SearchPlan): boolean {
  return plan.kind === 'signs' && kernel.siftedRows() >>> 0 > LET_THROUGH * plan.keep;
}

/**
 * Share of the ten best for a row's own vector that a plan finds; equal scores count as found. None
 * where signs let too many rows through: that would cost more than comparing all.
 */
export function recallOf(
  kernel: IndexKernel,
  options: CheckedIndexOptions,
  rows: number,
  row: number,
  plan: SearchPlan,
): number {
  const { metric, dimension } = options;
  const own =
    metric === 'HAMMING' ? bitsOf(kernel, row, dimension) : vectorOf(kernel, options, row);
  setQuery(kernel, options, own);
  const limit = Math.min(TRIED, rows);
  const truth = runPlan(kernel, { kind: 'exact' }, rows, limit, 0).scores;
  const found = runPlan(kernel, plan, rows, limit, 0).scores;
  if (siftsTooLittle(kernel, plan)) return 0;
  const worst = truth.at(-1) as number;
  const isLess = metric === 'L2' || metric === 'HAMMING';
  const isGood = (score: number) => (isLess ? score <= worst : score >= worst);
  return found.filter(isGood).length / truth.length;
}
