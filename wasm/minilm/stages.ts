/** Every stage of the encoder beside the kernel itself, for the unit tests; not part of what is shipped. */
import { attend } from './attention';
import { embedTokens } from './embed';
import { layerNorm } from './layer-norm';
import { allocate } from './memory';
import { pool } from './pooling';
import { context, headWidth } from './shape';
import { exponential, softmaxRow } from './softmax';

export * from './index';
export * from './linear-stages';
export { allocate, attend, embedTokens, layerNorm, pool, softmaxRow };

/** e^x of `count` floats in place, a multiple of 4. */
export function exponentialOf(x: usize, count: i32): void {
  for (const end = x + (<usize>count << 2); x < end; x += 16) v128.store(x, exponential(v128.load(x)));
}

/** Columns of a padded head. */
export function paddedHead(): i32 {
  return headWidth;
}

/** Columns of all padded heads. */
export function paddedContext(): i32 {
  return context;
}
