/** The one float instruction in which the builds differ. */
import { RELAXED } from './precision';

/** a x b + c, rounded once or twice in the relaxed build, as the machine does it, and twice in the plain one. */
// @ts-ignore: decorator
@inline
export function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  if (RELAXED) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}
