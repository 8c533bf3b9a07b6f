/**
 * Floats to int16 for attention, where both sides are activations: pairs of neighbours lie in one 32-bit
 * word, as `i32x4.dot_i16x8_s` multiplies them.
 */

/** Smaller values count as this large, so that the inverse of a scale stays finite. */
const SMALLEST: f32 = 1e-20;

/** 1.5 x 2^23: added to a float, it leaves the nearest integer in the low bits. */
const ROUNDER: f32 = 12582912;
const ROUNDER_BITS: i32 = 0x4b400000;

/** Bits of |x|, which order as the numbers do; NaN is the largest. */
// @ts-ignore: decorator
@inline
function magnitudes(x: usize): v128 {
  return v128.and(v128.load(x), i32x4.splat(0x7fffffff));
}

/** Largest |x| of `count` floats, a multiple of 8, and at least 1e-20. */
export function largestMagnitude(x: usize, count: i32): f32 {
  let a = i32x4.splat(0);
  let b = a;
  for (const end = x + (<usize>count << 2); x < end; x += 32) {
    a = i32x4.max_s(a, magnitudes(x));
    b = i32x4.max_s(b, magnitudes(x + 16));
  }
  a = i32x4.max_s(a, b);
  a = i32x4.max_s(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  a = i32x4.max_s(a, v128.shuffle<i32>(a, a, 1, 0, 3, 2));
  const largest = f32x4.extract_lane(a, 0);
  return largest < SMALLEST ? SMALLEST : largest;
}

/** Four floats times a factor, as the nearest integers. */
// @ts-ignore: decorator
@inline
function nearestFour(x: usize, factor: v128): v128 {
  const shifted = f32x4.add(f32x4.mul(v128.load(x), factor), f32x4.splat(ROUNDER));
  return i32x4.sub(shifted, i32x4.splat(ROUNDER_BITS));
}

/** Eight floats times a factor, as int16. */
// @ts-ignore: decorator
@inline
export function nearestEight(x: usize, factor: v128): v128 {
  return i16x8.narrow_i32x4_s(nearestFour(x, factor), nearestFour(x + 16, factor));
}

/** `count` floats times a factor, a multiple of 8, to pairs that lie `step` bytes apart. */
export function writePairs(x: usize, count: i32, factor: f32, to: usize, step: usize): void {
  const by = f32x4.splat(factor);
  for (const end = x + (<usize>count << 2); x < end; x += 32) {
    const codes = nearestEight(x, by);
    v128.store_lane<i32>(to, codes, 0);
    v128.store_lane<i32>(to + step, codes, 1);
    to += step << 1;
    v128.store_lane<i32>(to, codes, 2);
    v128.store_lane<i32>(to + step, codes, 3);
    to += step << 1;
  }
}
