/** The compiled kernel: one module a thread and variant, one instance an encoder. */
import { WhorlError } from '../../../src/shared/errors.ts';
import { sha256 } from '../digest.ts';
import { type KernelBinary, kernelBinary } from './binaries.ts';

/** Which build: plain SIMD, or relaxed SIMD, whose self-test and race decide (see `variant.ts`). */
export type KernelVariant = Exclude<KernelBinary, 'probe'>;

/** Exports of `wasm/minilm/index.ts`. Numbers are i32 and f64; addresses and sizes need `>>> 0`. */
export interface MiniLmExports {
  readonly memory: WebAssembly.Memory;
  limitMemory(bytes: number): void;
  usedBytes(): number;
  setUp(
    layers: number,
    hidden: number,
    heads: number,
    intermediate: number,
    vocabulary: number,
    positions: number,
    maxTokens: number,
    epsilon: number,
    precision: number,
  ): number;
  layWords(kind: number): number;
  wordKind(): number;
  wordsAt(): number;
  wordScalesAt(): number;
  rowWidth(): number;
  addPositions(first: number, count: number): void;
  addToPositions(): void;
  gainAt(layer: number, norm: number): number;
  shiftAt(layer: number, norm: number): number;
  stagingAt(): number;
  stagingSize(): number;
  stagedScales(part: number, count: number): number;
  loadRows(layer: number, part: number, first: number, count: number, source: number): void;
  loadBias(layer: number, part: number, first: number, count: number): void;
  modelAt(): number;
  modelBytes(): number;
  reserveSlot(slot: number, rows: number): number;
  idsAt(slot: number): number;
  startsAt(slot: number): number;
  startBatch(slot: number, sequences: number): void;
  step(slot: number): number;
  vectorsAt(slot: number): number;
  dropBatch(slot: number): void;
}

interface Compiled {
  readonly module: WebAssembly.Module;
  /** First half of the binary's SHA-256. */
  readonly hash: string;
}

const compiled = new Map<KernelVariant, Promise<Compiled>>();

async function compile(variant: KernelVariant): Promise<Compiled> {
  const bytes = await kernelBinary(variant);
  const hash = sha256(bytes);
  const module = WebAssembly.compile(bytes).catch((cause: unknown) => {
    const needed = variant === 'relaxed' ? 'relaxed SIMD' : 'SIMD';
    throw new WhorlError(
      'unsupported',
      `The encoder's kernel could not be compiled. It needs WebAssembly with ${needed}, and a content ` +
        "security policy that allows 'wasm-unsafe-eval'. Nothing was changed.",
      { cause },
    );
  });
  const [ready, digest] = await Promise.all([module, hash]);
  return { module: ready, hash: digest.slice(0, 32) };
}

/** Compiles a variant once; forgets a failure, so that the next call tries again. */
export function compiledKernel(variant: KernelVariant): Promise<Compiled> {
  const before = compiled.get(variant);
  if (before) return before;
  const promise = compile(variant);
  compiled.set(variant, promise);
  promise.catch(() => compiled.delete(variant));
  return promise;
}

/** A fresh instance with a memory of its own. */
export async function instantiateKernel(module: WebAssembly.Module): Promise<MiniLmExports> {
  try {
    const instance = await WebAssembly.instantiate(module, { env: { abort } });
    return instance.exports as unknown as MiniLmExports;
  } catch (cause) {
    throw new WhorlError(
      'out_of_memory',
      "The encoder's kernel could not be started: there is no memory for it. Close other tabs and try again.",
      { cause },
    );
  }
}

function abort(): never {
  throw new WhorlError('internal', "The encoder's kernel stopped itself.");
}
