/**
 * The numerators of a softmax, and the exponential under it: x = n ln 2 + r with |r| <= ln 2 / 2, a
 * polynomial of degree 5 in r (Cephes, `expf`), and n added to the exponent. Relative error below 2e-7.
 */
import { largestLane, sumLanes } from './lanes';

const LOG2_E: f32 = 1.44269504088896341;
/** ln 2 in two parts, the first exact when multiplied by a small integer. */
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.12194440e-4;
/** Adding 1.5 x 2^23 rounds to an integer, which then lies in the lowest bits. */
const ROUNDER: f32 = 12582912;
/** The least power whose result is a normal number. */
const LEAST: f32 = -87;

/** e^x for x <= 0; what is below -87 counts as -87 (1.6e-38). */
// @ts-ignore: decorator
@inline
export function exponential(power: v128): v128 {
  const x = f32x4.pmax(power, f32x4.splat(LEAST));
  const shifted = f32x4.add(f32x4.mul(x, f32x4.splat(LOG2_E)), f32x4.splat(ROUNDER));
  const n = f32x4.sub(shifted, f32x4.splat(ROUNDER));
  const high = f32x4.sub(x, f32x4.mul(n, f32x4.splat(LN2_HIGH)));
  const r = f32x4.sub(high, f32x4.mul(n, f32x4.splat(LN2_LOW)));
  let y = f32x4.add(f32x4.mul(f32x4.splat(1.9875691500e-4), r), f32x4.splat(1.3981999507e-3));
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(8.3334519073e-3));
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(4.1665795894e-2));
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(1.6666665459e-1));
  y = f32x4.add(f32x4.mul(y, r), f32x4.splat(5.0000001201e-1));
  y = f32x4.add(f32x4.add(f32x4.mul(y, f32x4.mul(r, r)), r), f32x4.splat(1));
  return i32x4.add(y, i32x4.shl(shifted, 23));
}

function largestOf(row: usize, end: usize): f32 {
  let a = v128.load(row);
  let b = v128.load(row, 16);
  while (row < end) {
    a = f32x4.pmax(a, v128.load(row));
    b = f32x4.pmax(b, v128.load(row, 16));
    row += 32;
  }
  return largestLane(f32x4.pmax(a, b));
}

/**
 * Turns a row of scores into e^(score - largest), in place; their sum. The row has room for a multiple
 * of 8; what is behind `length` is not read and holds next to nothing (1.6e-38) afterwards.
 */
export function softmaxRow(row: usize, length: i32): f32 {
  const end = row + (<usize>((length + 7) & ~7) << 2);
  for (let at = row + (<usize>length << 2); at < end; at += 4) store<f32>(at, -f32.MAX_VALUE);
  const largest = f32x4.splat(largestOf(row, end));
  let sum = f32x4.splat(0);
  while (row < end) {
    const x = exponential(f32x4.sub(v128.load(row), largest));
    const y = exponential(f32x4.sub(v128.load(row, 16), largest));
    v128.store(row, x);
    v128.store(row, y, 16);
    sum = f32x4.add(sum, f32x4.add(x, y));
    row += 32;
  }
  return sumLanes(sum);
}
