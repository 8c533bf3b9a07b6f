/**
 * The graph between kernel memory and snapshot. Views on kernel memory are made anew after every call
 * that may allocate, and everything is copied.
 */
import type { IndexKernel } from './kernel.ts';
import {
  type GraphHead,
  type GraphParts,
  type GraphShape,
  NO_NODE,
  NO_ROW,
  packGraph,
} from './snapshot.ts';

function headOf(kernel: IndexKernel): GraphHead {
  const count = kernel.insertedRows() >>> 0;
  return {
    count,
    entry: count === 0 ? NO_ROW : kernel.entryRow() >>> 0,
    top: kernel.topLayer(),
    codesHash: kernel.hashCodes(count) >>> 0,
  };
}

/** Calls `visit` with the words (count, rows) of every list of a node, layer 0 first. */
function eachList(
  kernel: IndexKernel,
  row: number,
  level: number,
  visit: (at: number, words: number) => void,
): void {
  if (level === NO_NODE) return;
  const memory = new Uint32Array(kernel.memory.buffer);
  for (let layer = 0; layer <= level; layer++) {
    const at = kernel.linksIn(row, layer) >>> 2;
    visit(at, 1 + (memory[at] as number));
  }
}

function levelsOf(kernel: IndexKernel, count: number): Uint8Array {
  const memory = new Uint8Array(kernel.memory.buffer);
  return Uint8Array.from(
    { length: count },
    (_, row) => memory[kernel.levelOf(row) >>> 0] as number,
  );
}

/** The graph of a kernel as a snapshot. */
export function readGraph(kernel: IndexKernel, shape: GraphShape): Uint8Array {
  const head = headOf(kernel);
  const levels = levelsOf(kernel, head.count);
  let listWords = 0;
  levels.forEach((level, row) => {
    eachList(kernel, row, level, (_, words) => {
      listWords += words;
    });
  });
  const memory = new Uint32Array(kernel.memory.buffer);
  return packGraph(shape, head, listWords, (parts) => {
    parts.levels.set(levels);
    let to = 0;
    for (let row = 0; row < head.count; row++) {
      parts.twins[row] = memory[kernel.twinOf(row) >>> 2] as number;
      eachList(kernel, row, levels[row] as number, (at, words) => {
        parts.lists.set(memory.subarray(at, at + words), to);
        to += words;
      });
    }
  });
}

/** Part by which scales of rows in one chain differ at most; twice what `sameCodes` of the kernel lets pass. */
const SCALE_SLACK = 0.002;

/** Whether the rows of every chain look like the node that stands for them: they are found through it, or not at all. */
function twinsMatch(kernel: IndexKernel, { count, levels, twins }: GraphParts): boolean {
  const words = new Uint32Array(kernel.memory.buffer);
  const floats = new Float32Array(kernel.memory.buffer);
  const codes = kernel.paddedDimension() >>> 2;
  const isLike = (a: number, b: number): boolean => {
    for (let i = 0; i < codes; i++) if (words[a + i] !== words[b + i]) return false;
    const scale = floats[a + codes] as number;
    return Math.abs((floats[b + codes] as number) - scale) <= SCALE_SLACK * scale;
  };
  for (let row = 0; row < count; row++) {
    if (levels[row] === NO_NODE) continue;
    const own = kernel.recordOf(row) >>> 2;
    for (let next = twins[row] as number; next !== 0; next = twins[next - 1] as number) {
      if (!isLike(own, kernel.recordOf(next - 1) >>> 2)) return false;
    }
  }
  return true;
}

/** Makes every node of a checked snapshot, without links; false when memory is exhausted. */
function writeNodes(kernel: IndexKernel, { count, levels }: GraphParts): boolean {
  for (let row = 0; row < count; row++) {
    const level = levels[row] as number;
    if (!kernel.makeNode(row, level === NO_NODE ? 0 : level)) return false;
  }
  return true;
}

function writeLinks(kernel: IndexKernel, { count, levels, twins, lists }: GraphParts): void {
  const memory = new Uint32Array(kernel.memory.buffer);
  const bytes = new Uint8Array(kernel.memory.buffer);
  let from = 0;
  for (let row = 0; row < count; row++) {
    const level = levels[row] as number;
    bytes[kernel.levelOf(row) >>> 0] = level;
    memory[kernel.twinOf(row) >>> 2] = twins[row] as number;
    for (let layer = 0; level !== NO_NODE && layer <= level; layer++) {
      const words = 1 + (lists[from] as number);
      memory.set(lists.subarray(from, from + words), kernel.linksIn(row, layer) >>> 2);
      from += words;
    }
  }
}

/**
 * Puts a checked snapshot in the place of a kernel's graph. False when it belongs to other codes, or chains
 * rows that look different (and then nothing changed) or memory is exhausted (and then the graph is empty).
 */
export function writeGraph(kernel: IndexKernel, parts: GraphParts): boolean {
  if (kernel.hashCodes(parts.count) >>> 0 !== parts.codesHash) return false;
  if (!twinsMatch(kernel, parts)) return false;
  kernel.clearGraph();
  if (!writeNodes(kernel, parts)) {
    kernel.clearGraph();
    return false;
  }
  writeLinks(kernel, parts);
  kernel.setEntry(parts.entry, parts.top);
  kernel.setInserted(parts.count);
  kernel.countLinks();
  return true;
}
