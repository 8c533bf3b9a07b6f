/** Every stage of the encoder beside the kernel itself, for the unit tests; not part of what is shipped. */
import { attend } from './attention';
import { embedTokens } from './embed';
import { layerNorm } from './layer-norm';
import { allocate } from './memory';
import { pool } from './pooling';
import { context, headWidth, positionAt } from './shape';
import { powerOfTwo, softmaxRow } from './softmax';

export * from './index';
export * from './linear-stages';
export { allocate, attend, embedTokens, layerNorm, pool, positionAt, softmaxRow };

/** 2^x of `count` floats in place, a multiple of 4. */
export function powersOf(x: usize, count: i32): void {
  for (const end = x + (<usize>count << 2); x < end; x += 16) v128.store(x, powerOfTwo(v128.load(x)));
}

/** Columns of a padded head. */
export function paddedHead(): i32 {
  return headWidth;
}

/** Columns of all padded heads. */
export function paddedContext(): i32 {
  return context;
}
