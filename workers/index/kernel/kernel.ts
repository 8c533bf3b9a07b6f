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
  ): number;
  reserveRows(rows: number): number;
  appendRows(count: number): number;
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

/** A fresh instance with a memory of its own. */
export async function instantiateKernel(): Promise<IndexKernel> {
  const instance = await WebAssembly.instantiate(await kernelModule(), {
    env: {
      abort() {
        throw new WhorlError('internal', 'The vector index stopped itself.');
      },
    },
  });
  return instance.exports as unknown as IndexKernel;
}
