/**
 * Builds a graph of all rows at once, in a kernel of its own whose memory is dropped afterwards: the
 * nearest rows known of each row take more than the graph itself, and memory of an instance never
 * shrinks. Meanwhile the index answers as if nothing happened. The stages are in `wasm/index/bulk.ts`.
 */
import type { IndexKernel } from './kernel.ts';
import { random32 } from './random.ts';

/** What a bulk build may spend. */
export interface BulkSettings {
  /** Nearest rows that are remembered of each row, among which its links are chosen. */
  readonly keep: number;
  /** Links chosen for each; links of others come on top. */
  readonly degree: number;
  /** How much nearer to a neighbour than to the node a candidate must be to be dropped, squared. */
  readonly alpha: number;
  /** Leaves a node is in, at most 8. */
  readonly fan: number;
  /** Draws leaders. */
  readonly seed: number;
}

/** Fewer rows than this are as quick to link one by one. */
const BULK_FROM = 2000;
/** Share of the rows that must be missing in a graph for all of it to be made anew. */
const BULK_SHARE = 0.5;

/** Whether it is quicker to link all rows at once than the missing ones one by one. */
export function paysInBulk(rows: number, inserted: number): boolean {
  return rows >= BULK_FROM && rows - inserted >= rows * BULK_SHARE;
}

/** What a bulk build spends for a graph as good as one by one with these options. */
export function bulkSettings(M: number, efConstruction: number, seed: number): BulkSettings {
  return {
    keep: Math.min(256, Math.max(efConstruction >> 1, 2 * M, 32)),
    degree: Math.ceil((M * 4) / 3),
    alpha: 1.2,
    fan: 6,
    seed,
  };
}

/** Rows a leaf compares pairwise at most; a larger one is divided. */
const LEAF_MOST = 2000;
/** About a millisecond each: pairs in a leaf, nodes of the other stages. */
const PAIRS_A_STEP = 60_000;
const ASSIGNED_A_STEP = 48;
const NODES_A_STEP = 64;
/** Searches for each node, at most: one is enough for data that are not made to be hard. */
const MOST_PROOFS = 4;
/** Samples of one node in 512, 64, 8. */
const SAMPLE_SHIFTS = [9, 6, 3] as const;

/** Runs a stage over `count` items, some a step. */
function* inSteps(count: number, size: number, work: (from: number, to: number) => void) {
  for (let from = 0; from < count; from += size) {
    work(from, Math.min(from + size, count));
    yield;
  }
}

/** Leaders for that many nodes: assigning and comparing leaves then cost about the same. */
export function leadersFor(nodes: number, fan: number): number {
  return Math.max(1, Math.min(nodes, Math.round(fan * Math.sqrt(nodes * 0.5))));
}

function* makeNodes(kernel: IndexKernel, rows: number) {
  yield* inSteps(rows, 1024, (from, to) => {
    if (!kernel.makeNodes(from, to)) throw new RangeError();
  });
}

/** Draws leaders among the nodes at work. */
function drawLeaders(
  kernel: IndexKernel,
  nodes: number,
  leaders: number,
  { fan, seed }: BulkSettings,
): void {
  const next = random32(seed);
  const drawn = new Set<number>();
  while (drawn.size < leaders) drawn.add(next() % nodes);
  const memory = new Uint32Array(kernel.memory.buffer);
  const from = kernel.nodesAt() >>> 2;
  const to = kernel.leadersAt() >>> 2;
  [...drawn]
    .sort((a, b) => a - b)
    .forEach((at, i) => {
      memory[to + i] = memory[from + at] as number;
    });
  kernel.packLeaders(leaders, fan);
}

function* joinLeaves(kernel: IndexKernel, leaders: number) {
  const starts = new Uint32Array(kernel.memory.buffer, kernel.leavesAt() >>> 0, leaders + 1);
  for (let leaf = 0; leaf < leaders; leaf++) {
    const [from, to] = [starts[leaf] as number, starts[leaf + 1] as number];
    const parts = Math.ceil((to - from) / LEAF_MOST);
    for (let part = 0; part < parts; part++) {
      const at = kernel.membersAt() + (from + part) * 4;
      kernel.openLeaf(leaf, at, Math.ceil((to - from - part) / parts), parts);
      while (kernel.joinLeaf(PAIRS_A_STEP)) yield;
    }
    yield;
  }
}

/** Fills the pools of the nodes at work with their nearest among them, and puts them in the order of leaves. */
function* findNearest(kernel: IndexKernel, nodes: number, settings: BulkSettings) {
  const leaders = leadersFor(nodes, settings.fan);
  drawLeaders(kernel, nodes, leaders, settings);
  const at = kernel.nodesAt();
  yield* inSteps(nodes, ASSIGNED_A_STEP, (from, to) => kernel.assignNodes(at, from, to));
  kernel.sortLeaves(at, nodes, settings.fan);
  yield* joinLeaves(kernel, leaders);
  kernel.sortLeaves(at, nodes, 1);
  kernel.orderNodes(kernel.membersAt());
}

/** Links from clump to clump: those of samples of the nodes, the smallest first. */
function* findAnchors(kernel: IndexKernel, settings: BulkSettings) {
  for (const shift of SAMPLE_SHIFTS) {
    const nodes = kernel.takeSample(shift) >>> 0;
    if (nodes < 2) continue;
    yield* findNearest(kernel, nodes, settings);
    yield* inSteps(nodes, NODES_A_STEP, (from, to) => kernel.keepAnchors(from, to));
  }
}

function* linkNodes(kernel: IndexKernel, nodes: number) {
  yield* inSteps(nodes, NODES_A_STEP, (from, to) => kernel.chooseNearest(from, to));
  yield* inSteps(nodes, NODES_A_STEP, (from, to) => kernel.answerLinks(from, to));
  yield* inSteps(nodes, NODES_A_STEP, (from, to) => kernel.writeLists(from, to));
}

/** Searches for every node; again when links were dropped, since another node may have needed them. */
function* proveAll(kernel: IndexKernel, nodes: number) {
  for (let round = 0, drops = 1; drops > 0 && round < MOST_PROOFS; round++) {
    drops = 0;
    yield* inSteps(nodes, NODES_A_STEP, (from, to) => {
      drops += kernel.proveNodes(from, to);
    });
  }
}

/**
 * Links all rows of a kernel that has their codes and no graph. Each step takes about a millisecond.
 * @throws RangeError when memory is exhausted
 */
export function* buildInBulk(
  kernel: IndexKernel,
  rows: number,
  settings: BulkSettings,
): Generator<void, void> {
  const { keep, degree, alpha, fan } = settings;
  if (kernel.layBulk(rows, keep, degree, alpha) === 0) throw new RangeError();
  yield* makeNodes(kernel, rows);
  const nodes = kernel.takeSample(0) >>> 0;
  yield* inSteps(nodes, 1024, (from, to) => kernel.linkAbove(from, to));
  const most = leadersFor(nodes, fan);
  if (!kernel.layLeaders(rows, nodes, most) || !kernel.layLeaf(LEAF_MOST)) throw new RangeError();
  yield* findAnchors(kernel, settings);
  kernel.takeSample(0);
  yield* findNearest(kernel, nodes, settings);
  yield* linkNodes(kernel, nodes);
  yield* proveAll(kernel, nodes);
}
