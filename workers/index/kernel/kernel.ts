/**
 * The compiled kernel: one module a thread, one instance an index. It is inlined as base64 because a
 * library cannot know where its consumer serves files.
 */
import { WhorlError } from '../../../src/shared/errors.ts';
import { indexKernel } from '../../../wasm/build/index-kernel.ts';

/** Exports of `wasm/index/index.ts`. Numbers are i32 and f32; addresses and rows need `>>> 0`. */
export interface IndexKernel {
  readonly memory: WebAssembly.Memory;
  limitMemory(bytes: number): void;
  usedBytes(): number;
  setUp(
    dimension: number,
    metric: number,
    links: number,
    efConstruction: number,
    seed: number,
    floats: number,
    signs: number,
  ): number;
  reserveRows(rows: number): number;
  appendRows(count: number): number;
  adoptRows(count: number): void;
  takeBack(rows: number): void;
  rowsPerBlock(): number;
  paddedDimension(): number;
  floatsOf(row: number): number;
  queryAt(): number;
  takeQuery(): number;
  bitmapOf(words: number): number;
  startBest(count: number): number;
  scanRows(from: number, to: number): void;
  scanBitmap(from: number, to: number): void;
  searchGraph(breadth: number, bitmap: number): number;
  siftedRows(): number;
  siftRows(rows: number, keep: number, bitmap: number): number;
  finish(): number;
  bestAt(): number;
  scoreRow(row: number): number;
  insertRows(count: number): number;
  insertedRows(): number;
  entryRow(): number;
  topLayer(): number;
  hashCodes(rows: number): number;
  clearGraph(): void;
  countLinks(): void;
  makeNode(row: number, level: number): number;
  setEntry(row: number, layer: number): void;
  setInserted(rows: number): void;
  linksIn(row: number, layer: number): number;
  levelOf(row: number): number;
  twinOf(row: number): number;
  linksOf(row: number): number;
  inLinksOf(row: number): number;
  // Bulk build; see `bulk.ts`.
  commitRows(rows: number): void;
  recordOf(row: number): number;
  recordStride(): number;
  layBulk(rows: number, keep: number, degree: number, alpha: number): number;
  makeNodes(from: number, to: number): number;
  nodesAt(): number;
  takeSample(shift: number): number;
  orderNodes(from: number): void;
  linkAbove(from: number, to: number): void;
  layLeaders(rows: number, nodes: number, most: number): number;
  leadersAt(): number;
  packLeaders(count: number, fan: number): void;
  assignNodes(nodes: number, from: number, to: number): void;
  sortLeaves(nodes: number, count: number, ranks: number): void;
  membersAt(): number;
  leavesAt(): number;
  layLeaf(rows: number): number;
  openLeaf(leader: number, from: number, rows: number, step: number): void;
  joinLeaf(pairs: number): number;
  keepAnchors(from: number, to: number): void;
  chooseNearest(from: number, to: number): void;
  answerLinks(from: number, to: number): void;
  writeLists(from: number, to: number): void;
  proveNodes(from: number, to: number): number;
}

let compiled: Promise<WebAssembly.Module> | null = null;

/** Compiles once; forgets a failure, so that the next call tries again. */
function kernelModule(): Promise<WebAssembly.Module> {
  compiled ??= WebAssembly.compile(
    Uint8Array.from(atob(indexKernel), (c) => c.charCodeAt(0)),
  ).catch((cause: unknown) => {
    compiled = null;
    throw new WhorlError(
      'unsupported',
      'The vector index could not be compiled. It needs WebAssembly with SIMD, and a content ' +
        "security policy that allows 'wasm-unsafe-eval'. Nothing was changed.",
      { cause },
    );
  });
  return compiled;
}

const IMPORTS = {
  env: {
    abort() {
      throw new WhorlError('internal', 'The vector index stopped itself.');
    },
  },
};

/** Fresh instances of the compiled kernel, each with a memory of its own, without waiting. */
export type KernelMaker = () => IndexKernel;

/** Compiles the kernel, once a thread. What it answers with throws `out_of_memory` where there is no room for another. */
export async function kernelMaker(): Promise<KernelMaker> {
  const module = await kernelModule();
  return () => {
    try {
      return new WebAssembly.Instance(module, IMPORTS).exports as unknown as IndexKernel;
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      const message =
        'There is no memory for another vector index: the browser reserves gigabytes of addresses for each. ' +
        'What is stored is kept. Close other tabs, or release collections, and try again.';
      throw new WhorlError('out_of_memory', message, { cause, retryable: true });
    }
  };
}
