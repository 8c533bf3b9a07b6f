/** What goes into kernel memory and comes out of it: copies, always. */
import { milvusError, WhorlError } from '../../../src/shared/errors.ts';
import type { IndexKernel } from './kernel.ts';
import type { IndexMetric, Vectors } from './options.ts';

/** Rows and their scores, best first. */
export interface VectorHits {
  readonly rows: Uint32Array;
  /** IP, COSINE: descending; L2 (squared), HAMMING: ascending. Of the float32 vectors, where they are kept. */
  readonly scores: Float32Array;
}

export function outOfMemory(kernel: IndexKernel, kept: string): WhorlError {
  const used = Math.round(kernel.usedBytes() / 2 ** 20);
  return new WhorlError(
    'out_of_memory',
    `The vector index has no more memory (${used} MiB in use): ${kept}. Close what is not needed, or split the collection.`,
  );
}

/**
 * Copies vectors behind the rows, the padding of a row staying zero, and makes rows of them. -1, or the
 * place of the first that is refused; then none became a row.
 */
function copyVectors(
  kernel: IndexKernel,
  vectors: Float32Array,
  first: number,
  dimension: number,
): number {
  const memory = new Float32Array(kernel.memory.buffer);
  const perBlock = kernel.rowsPerBlock();
  const padded = kernel.paddedDimension();
  for (let from = 0; from < vectors.length; ) {
    const row = first + from / dimension;
    const at = kernel.floatsOf(row) >>> 2;
    const room = padded === dimension ? (perBlock - (row % perBlock)) * dimension : dimension;
    memory.set(vectors.subarray(from, from + room), at);
    from += room;
  }
  return kernel.appendRows(vectors.length / dimension);
}

/** Rows that the kernel encodes at once where it keeps no floats; `STAGED` of `wasm/index/rows.ts`. */
const STAGED = 64;

/** As {@link copyVectors}, through the kernel's stage: floats are encoded and forgotten. */
function stageVectors(
  kernel: IndexKernel,
  vectors: Float32Array,
  first: number,
  dimension: number,
): number {
  const rows = vectors.length / dimension;
  for (let from = 0; from < rows; from += STAGED) {
    const memory = new Float32Array(kernel.memory.buffer);
    const to = Math.min(from + STAGED, rows);
    for (let row = from; row < to; row++) {
      const vector = vectors.subarray(row * dimension, (row + 1) * dimension);
      memory.set(vector, kernel.floatsOf(first + row) >>> 2);
    }
    const refused = kernel.appendRows(to - from);
    if (refused < 0) continue;
    kernel.takeBack(first);
    return from + refused;
  }
  return -1;
}

/** Copies bits behind the rows, where they stand in the place of codes, and makes rows of them; -1. */
function copyBits(kernel: IndexKernel, bits: Uint8Array, first: number, dimension: number): number {
  const memory = new Uint8Array(kernel.memory.buffer);
  const bytes = dimension / 8;
  const rows = bits.length / bytes;
  for (let row = 0; row < rows; row++) {
    memory.set(bits.subarray(row * bytes, (row + 1) * bytes), kernel.recordOf(first + row) >>> 0);
  }
  return kernel.appendRows(rows);
}

/** Makes rows of vectors behind the others; -1, or the place of the first that is refused, and then of none. */
export function takeVectors(
  kernel: IndexKernel,
  vectors: Vectors,
  first: number,
  dimension: number,
  codesOnly: boolean,
): number {
  if (vectors instanceof Uint8Array) return copyBits(kernel, vectors, first, dimension);
  return (codesOnly ? stageVectors : copyVectors)(kernel, vectors, first, dimension);
}

/** The bits of a row, eight a byte. */
export function bitsOf(kernel: IndexKernel, row: number, dimension: number): Uint8Array {
  const at = kernel.recordOf(row) >>> 0;
  return new Uint8Array(kernel.memory.buffer, at, dimension / 8).slice();
}

/** What a row's codes say. */
export function decodeVector(
  kernel: IndexKernel,
  row: number,
  dimension: number,
  metric: IndexMetric,
): Float32Array {
  if (metric === 'HAMMING') {
    const bits = bitsOf(kernel, row, dimension);
    return Float32Array.from(
      { length: dimension },
      (_, k) => ((bits[k >>> 3] as number) >>> (k & 7)) & 1,
    );
  }
  const at = kernel.recordOf(row) >>> 0;
  const codes = new Int8Array(kernel.memory.buffer, at, dimension);
  const [scale = 0, , , norm = 0] = new Float32Array(
    kernel.memory.buffer,
    at + kernel.paddedDimension(),
    4,
  );
  // COSINE: the scale is that of the unit vector, and the norm is 1 / length.
  const worth = metric === 'COSINE' && norm > 0 ? scale / norm : scale;
  return Float32Array.from(codes, (code) => code * worth);
}

export function putBitmap(kernel: IndexKernel, allowed: Uint32Array, rows: number): number {
  const words = Math.ceil(rows / 32);
  const at = kernel.bitmapOf(words) >>> 0;
  if (at === 0) throw outOfMemory(kernel, 'all rows are kept');
  new Uint32Array(kernel.memory.buffer, at, words).set(allowed.subarray(0, words));
  return at;
}

/** Bits set among the first `rows`. */
export function bitsSet(bitmap: Uint32Array, rows: number): number {
  let count = 0;
  for (let i = 0; i < rows >>> 5; i++) count += ones(bitmap[i] as number);
  const rest = rows & 31;
  return rest === 0 ? count : count + ones((bitmap[rows >>> 5] as number) & (2 ** rest - 1));
}

/** Bits set in a 32-bit word. */
function ones(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

export function takeHits(kernel: IndexKernel): VectorHits {
  const count = kernel.finish();
  const at = kernel.bestAt() >>> 0;
  const rows = new Uint32Array(kernel.memory.buffer, at, 2 * count);
  const scores = new Float32Array(kernel.memory.buffer, at, 2 * count);
  return {
    rows: Uint32Array.from({ length: count }, (_, i) => rows[2 * i] as number),
    scores: Float32Array.from({ length: count }, (_, i) => scores[2 * i + 1] as number),
  };
}

export function notFinite(what: string, kept: string): WhorlError {
  return milvusError(
    1100,
    `${what} is not finite or longer than 1e18: invalid parameter. ${kept}.`,
  );
}
