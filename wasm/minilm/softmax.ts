/**
 * The numerators of a softmax in powers of two: the query carries the factor log2 e (`load.ts`), so that
 * 2^score is what e^score would be. A power is split into n + r with |r| <= 1/2; 2^r is a polynomial of
 * degree 5, and n is added to the exponent.
 */
import { largestLane, sumLanes } from './lanes';
import { multiplyAdd } from './multiply-add';

/** Adding 1.5 x 2^23 rounds to an integer, which then lies in the lowest bits. */
const ROUNDER: f32 = 12582912;
/** The least power whose result is a normal number. */
const LEAST: f32 = -126;

/**
 * 2^x for x <= 0; what is below -126 counts as -126 (1.2e-38). Minimax coefficients of the relative error
 * under the condition that 2^0 is 1 (Remez); 1.9e-7 at most, roundings included.
 */
// @ts-ignore: decorator
@inline
export function powerOfTwo(power: v128): v128 {
  const x = f32x4.pmax(power, f32x4.splat(LEAST));
  const shifted = f32x4.add(x, f32x4.splat(ROUNDER));
  const r = f32x4.sub(x, f32x4.sub(shifted, f32x4.splat(ROUNDER)));
  let y = multiplyAdd(f32x4.splat(0.00132647283793), r, f32x4.splat(0.00967151304746));
  y = multiplyAdd(y, r, f32x4.splat(0.0555073374416));
  y = multiplyAdd(y, r, f32x4.splat(0.240222420792));
  y = multiplyAdd(y, r, f32x4.splat(0.693146977596));
  y = multiplyAdd(y, r, f32x4.splat(1));
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
 * Turns a row of scores into 2^(score - largest), in place; their sum. The row has room for a multiple
 * of 8; what is behind `length` is not read and holds next to nothing (1.2e-38) afterwards.
 */
export function softmaxRow(row: usize, length: i32): f32 {
  const end = row + (<usize>((length + 7) & ~7) << 2);
  for (let at = row + (<usize>length << 2); at < end; at += 4) store<f32>(at, -f32.MAX_VALUE);
  const largest = f32x4.splat(largestOf(row, end));
  let sum = f32x4.splat(0);
  while (row < end) {
    const x = powerOfTwo(f32x4.sub(v128.load(row), largest));
    const y = powerOfTwo(f32x4.sub(v128.load(row, 16), largest));
    v128.store(row, x);
    v128.store(row, y, 16);
    sum = f32x4.add(sum, f32x4.add(x, y));
    row += 32;
  }
  return sumLanes(sum);
}
