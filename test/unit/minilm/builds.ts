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

/** Numbers that look normally distributed, mean 0 and deviation 1. */
export { normalNumbers } from '../../../tools/model/made-up-weights.ts';
