/**
 * Rows of one kernel into another, without what was deleted: memory of an instance never shrinks, so
 * rows that are kept move to a new one and the old one is dropped.
 */
import type { IndexKernel } from './kernel.ts';

/** Rows whose bits are set among the first `rows`, in order. */
export function* rowsIn(bitmap: Uint32Array, rows: number): Generator<number, void> {
  for (let row = 0; row < rows; row++) {
    if (((bitmap[row >>> 5] as number) >>> (row & 31)) & 1) yield row;
  }
}

/** Copies one piece of each row in `keep`; `at` says where it lies. */
function copyPieces(
  from: IndexKernel,
  to: IndexKernel,
  keep: Iterable<number>,
  bytes: number,
  at: (kernel: IndexKernel, row: number) => number,
): void {
  const source = new Uint8Array(from.memory.buffer);
  const target = new Uint8Array(to.memory.buffer);
  let next = 0;
  for (const row of keep) {
    const start = at(from, row) >>> 0;
    target.set(source.subarray(start, start + bytes), at(to, next++) >>> 0);
  }
}

/**
 * Makes rows 0, 1, 2, ... of an empty kernel of the same shape out of those that a bitmap keeps, `count`
 * of `rows`; without a graph. Nothing is encoded anew: scores are to the last bit what they were.
 * @param floats Whether the kernels keep them
 * @throws RangeError when memory is exhausted; the kernel it is copied from is as before
 */
export function copyRows(
  from: IndexKernel,
  to: IndexKernel,
  rows: number,
  bitmap: Uint32Array,
  count: number,
  floats: boolean,
): void {
  if (count === 0) return;
  if (!to.reserveRows(count)) throw new RangeError('no memory for the rows that are kept');
  copyPieces(from, to, rowsIn(bitmap, rows), from.recordStride(), (kernel, row) =>
    kernel.recordOf(row),
  );
  if (floats) {
    const bytes = from.paddedDimension() * 4;
    copyPieces(from, to, rowsIn(bitmap, rows), bytes, (kernel, row) => kernel.floatsOf(row));
  }
  to.adoptRows(count);
}
