/**
 * A bulk build from the codes of an index to its graph. The index goes on answering with what graph it
 * has until the new one is copied in; from then to the end it compares all rows.
 */
import { type BulkSettings, buildInBulk } from './bulk.ts';
import type { IndexKernel } from './kernel.ts';
import { NO_NODE } from './snapshot.ts';

/** Rows `from .. to - 1` of one block, which lie side by side in either kernel. */
function* blocks(kernel: IndexKernel, rows: number): Generator<readonly [number, number]> {
  const size = kernel.rowsPerBlock() >>> 0;
  for (let from = 0; from < rows; from += size) yield [from, Math.min(from + size, rows)];
}

/** Copies bytes from one kernel's memory to another's. */
function copyBytes(
  from: IndexKernel,
  fromAt: number,
  to: IndexKernel,
  toAt: number,
  bytes: number,
): void {
  const source = new Uint8Array(from.memory.buffer, fromAt >>> 0, bytes);
  new Uint8Array(to.memory.buffer, toAt >>> 0, bytes).set(source);
}

function* copyCodes(index: IndexKernel, aside: IndexKernel, rows: number) {
  const stride = index.recordStride();
  for (const [from, to] of blocks(index, rows)) {
    copyBytes(index, index.recordOf(from), aside, aside.recordOf(from), (to - from) * stride);
    yield;
  }
  aside.commitRows(rows);
}

function levelAt(kernel: IndexKernel, row: number): number {
  return new Uint8Array(kernel.memory.buffer, kernel.levelOf(row) >>> 0, 1)[0] as number;
}

/** Makes the nodes of some rows in the index, without links; the rows that are in upper layers. */
function copyNodes(aside: IndexKernel, index: IndexKernel, from: number, to: number): number[] {
  const upper: number[] = [];
  const levels = new Uint8Array(aside.memory.buffer, aside.levelOf(from) >>> 0, to - from);
  levels.forEach((level, i) => {
    const isNode = level !== NO_NODE;
    if (!index.makeNode(from + i, isNode ? level : 0)) throw new RangeError();
    if (isNode && level > 0) upper.push(from + i);
  });
  return upper;
}

function copyLinks(
  aside: IndexKernel,
  index: IndexKernel,
  M: number,
  from: number,
  to: number,
): void {
  const rows = to - from;
  const lists = rows * (2 * M + 1) * 4;
  copyBytes(aside, aside.linksOf(from), index, index.linksOf(from), lists);
  copyBytes(aside, aside.twinOf(from), index, index.twinOf(from), rows * 4);
  copyBytes(aside, aside.inLinksOf(from), index, index.inLinksOf(from), rows * 2);
  copyBytes(aside, aside.levelOf(from), index, index.levelOf(from), rows);
}

function* copyGraph(aside: IndexKernel, index: IndexKernel, rows: number, M: number) {
  index.clearGraph();
  for (const [from, to] of blocks(aside, rows)) {
    const upper = copyNodes(aside, index, from, to);
    copyLinks(aside, index, M, from, to);
    for (const row of upper) {
      for (let layer = 1; layer <= levelAt(aside, row); layer++) {
        const [source, target] = [aside.linksIn(row, layer), index.linksIn(row, layer)];
        copyBytes(aside, source, index, target, (M + 1) * 4);
      }
    }
    yield;
  }
  index.setEntry(aside.entryRow(), aside.topLayer());
  index.setInserted(rows);
}

/**
 * Puts a graph of rows `0 .. rows - 1` in the place of an index's own. Each step takes about a
 * millisecond; between steps rows may be appended and searched. Left off before its end, it leaves the
 * index with its old graph or with none.
 * @param aside A kernel of the same shape, without rows and without floats; of no use afterwards
 * @throws RangeError when memory of either is exhausted
 */
export function* bulkGraph(
  index: IndexKernel,
  aside: IndexKernel,
  rows: number,
  M: number,
  settings: BulkSettings,
): Generator<void, void> {
  if (!aside.reserveRows(rows)) throw new RangeError();
  yield* copyCodes(index, aside, rows);
  yield* buildInBulk(aside, rows, settings);
  yield* copyGraph(aside, index, rows, M);
}
