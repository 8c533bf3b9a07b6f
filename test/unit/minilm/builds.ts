/** The two builds of the kernel, and what Node 20 needs to run the relaxed one rightly. */
import { setFlagsFromString } from 'node:v8';

export type Build = 'plain' | 'relaxed';

export const BUILDS: readonly Build[] = ['plain', 'relaxed'];

/**
 * Node 20 keeps relaxed SIMD behind a flag, and its baseline compiler computes the relaxed dot wrongly,
 * so that code is compiled by the optimising one at once. To be called before a module is compiled.
 */
export function allowRelaxed(): void {
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  setFlagsFromString('--no-liftoff');
}

/** Numbers that look normally distributed, mean 0 and deviation 1, the same for the same seed. */
export function normalNumbers(seed: number): () => number {
  let state = seed >>> 0;
  // Mulberry32 (Tommy Ettinger, public domain); twelve uniform numbers have variance 1 together.
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Array.from({ length: 12 }, uniform).reduce((sum, x) => sum + x, -6);
}
