/** The stages of the linear layers for their tests; not part of the kernel that is shipped. */
import { gelu } from './gelu';
import { activationLimit, RELAXED, setFloat32 } from './precision';

export { activationLimit, setFloat32 };
export { floatTile, linear, linearBytes, packRow, quantise, quantisedBytes, setBias } from './linear';

/** First address that a test may use; it grows the memory itself. */
export function freeMemory(): usize {
  return (__heap_base + 63) & ~63;
}

export function isRelaxed(): bool {
  return RELAXED;
}

/** GELU of `count` floats in place, a multiple of 4. */
export function geluOf(x: usize, count: i32): void {
  for (const end = x + (<usize>count << 2); x < end; x += 16) v128.store(x, gelu(v128.load(x)));
}
