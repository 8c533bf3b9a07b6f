/**
 * Exact search. Rows are compared by their codes first; a row whose true distance could still be
 * among the best is compared by its floats at once. "Could" is a bound, not a guess: with x = x' + e
 * (e: what the codes miss, its length is kept) and q = q' + f, Cauchy and Schwarz give
 *
 *     IP, COSINE   |q.x - q'.x'|  <=  |q| |e| + |f| |x'|,  and |x'| <= 127 scale sqrt(padded)
 *     L2           |q - x|        >=  |q' - x'| - |e| - |f|
 *
 * so that what is returned is what a scan of the floats returns, and data that codes describe badly
 * cost time, never results.
 */
import { countBits4, dotCodes4 } from './dot';
import {
  errorWeight, queryCodes, queryError, queryOffset, queryScale, scaleWeight, trueDistance,
} from './encode';
import { distanceOf, keyAt, keyOf, pushFar, replaceFar, sortFar } from './heap';
import { allocate } from './memory';
import { errorAt, HAMMING, L2, metric, offsetAt, padded, recordOf, recordStride, rowsPerBlock, scaleAt } from './rows';

/** Relative rounding of a difference of squares in float32. */
const CANCELLATION: f32 = 1e-6;

let best: usize = 0;
let bestCapacity: i32 = 0;
let bestCount: i32 = 0;
let wanted: i32 = 0;
/** Distance of the worst of the best once there are enough; a row must be nearer. */
let worst: f32 = Infinity;

let bounds: usize = 0;

export function layScan(): bool {
  bounds = allocate(64);
  return bounds != 0;
}

/** Starts a search for the `count` nearest rows; false when memory is exhausted. */
export function startBest(count: i32): bool {
  if (count + 2 > bestCapacity) {
    const capacity = max(count + 2, bestCapacity * 2);
    const larger = allocate(<u64>capacity << 3);
    if (larger == 0) return false;
    best = larger;
    bestCapacity = capacity;
  }
  wanted = count;
  bestCount = 0;
  worst = Infinity;
  return true;
}

/** Sorts what was found; the number of rows. */
export function finishBest(): i32 {
  sortFar(best, bestCount);
  return bestCount;
}

export function bestKeys(): usize {
  return best;
}

/** Compares a row by its floats. */
export function offer(row: u32): void {
  const distance = trueDistance(row);
  if (!(distance < worst)) return;
  const key = keyOf(distance, row);
  if (bestCount < wanted) pushFar(best, bestCount++, key);
  else replaceFar(best, bestCount, key);
  if (bestCount == wanted) worst = distanceOf(keyAt(best, 0));
}

/** Compares a node by its floats, unless its distance by codes says that it cannot be among the best. */
export function offerIfNear(row: u32, distance: f32): void {
  if (bestCount == wanted) {
    if (metric == HAMMING && distance >= worst) return;
    const record = recordOf(row);
    const error = load<f32>(errorAt(record));
    const bound: f32 =
      metric == L2
        ? squaredBound(distance, error, load<f32>(offsetAt(record)) + queryOffset)
        : distance - error * errorWeight - load<f32>(scaleAt(record)) * scaleWeight;
    if (bound >= worst) return;
  }
  offer(row);
}

/** The least true squared distance; `squares`: what was added up to get `distance`. */
function squaredBound(distance: f32, error: f32, squares: f32): f32 {
  const d = max<f32>(distance, 0);
  return d - 2 * Mathf.sqrt(d) * (error + queryError) - squares * CANCELLATION;
}

/** The least true distances that four rows can have, from their codes. */
// @ts-ignore: decorator
@inline
function lowerBounds(a: usize, b: usize, c: usize, d: usize): v128 {
  if (metric == HAMMING) return countBits4(queryCodes, a, b, c, d);
  const dots = f32x4.convert_i32x4_s(dotCodes4(queryCodes, a, b, c, d));
  const metaA = v128.load(a + padded);
  const metaB = v128.load(b + padded);
  const metaC = v128.load(c + padded);
  const metaD = v128.load(d + padded);
  // Scales and offsets, then errors, of the four rows: a 4 x 4 transposition without its last row.
  const lowAB = v128.shuffle<i32>(metaA, metaB, 0, 4, 1, 5);
  const lowCD = v128.shuffle<i32>(metaC, metaD, 0, 4, 1, 5);
  const scales = v128.shuffle<i32>(lowAB, lowCD, 0, 1, 4, 5);
  const errors = v128.shuffle<i32>(
    v128.shuffle<i32>(metaA, metaB, 2, 6, 2, 6),
    v128.shuffle<i32>(metaC, metaD, 2, 6, 2, 6),
    0, 1, 4, 5,
  );
  const product = f32x4.mul(dots, f32x4.mul(scales, f32x4.splat(queryScale)));
  if (metric != L2) {
    const slack = f32x4.add(
      f32x4.mul(errors, f32x4.splat(errorWeight)),
      f32x4.mul(scales, f32x4.splat(scaleWeight)),
    );
    return f32x4.neg(f32x4.add(product, slack));
  }
  const squares = f32x4.add(
    v128.shuffle<i32>(lowAB, lowCD, 2, 3, 6, 7),
    f32x4.splat(queryOffset),
  );
  const distance = f32x4.max(f32x4.sub(squares, product), f32x4.splat(0));
  const slack = f32x4.mul(
    f32x4.sqrt(distance),
    f32x4.mul(f32x4.add(errors, f32x4.splat(queryError)), f32x4.splat(2)),
  );
  return f32x4.sub(
    f32x4.sub(distance, slack),
    f32x4.mul(squares, f32x4.splat(CANCELLATION)),
  );
}

/** Offers those of four rows that the bounds let through; `rows` holds their numbers. */
function offerFew(lower: v128, row0: u32, row1: u32, row2: u32, row3: u32, count: i32): void {
  v128.store(bounds, lower);
  if (load<f32>(bounds) < worst) offer(row0);
  if (count > 1 && load<f32>(bounds, 4) < worst) offer(row1);
  if (count > 2 && load<f32>(bounds, 8) < worst) offer(row2);
  if (count > 3 && load<f32>(bounds, 12) < worst) offer(row3);
}

/** Offers rows `first .. end - 1` of one block. */
function scanBlock(first: u32, end: u32): void {
  const stride = recordStride();
  let a = recordOf(first);
  for (let row = first; row < end; row += 4) {
    // The last group may reach behind the rows, never behind the block: its rows are a multiple of 16.
    const lower = lowerBounds(a, a + stride, a + 2 * stride, a + 3 * stride);
    if (v128.any_true(f32x4.lt(lower, f32x4.splat(worst)))) {
      offerFew(lower, row, row + 1, row + 2, row + 3, <i32>min(4, end - row));
    }
    a += stride << 2;
  }
}

/** Offers rows `from .. to - 1`. */
export function scanRows(from: u32, to: u32): void {
  while (from < to && (from & 3) != 0) offer(from++);
  const rows = rowsPerBlock();
  while (from < to) {
    const end = min(to, (from / rows + 1) * rows);
    scanBlock(from, end);
    from = end;
  }
}

/** Offers four rows by number. */
export function scanFour(row0: u32, row1: u32, row2: u32, row3: u32, count: i32): void {
  const lower = lowerBounds(recordOf(row0), recordOf(row1), recordOf(row2), recordOf(row3));
  if (v128.any_true(f32x4.lt(lower, f32x4.splat(worst)))) {
    offerFew(lower, row0, row1, row2, row3, count);
  }
}

/** Offers those rows of `from .. to - 1` whose bit is set. */
export function scanAllowed(bitmap: usize, from: u32, to: u32): void {
  let waiting = 0;
  let row0: u32 = 0;
  let row1: u32 = 0;
  let row2: u32 = 0;
  for (let word = from >> 5; word << 5 < to; word++) {
    let bits = load<u32>(bitmap + (<usize>word << 2));
    if (word == from >> 5) bits &= <u32>0xffffffff << (from & 31);
    while (bits != 0) {
      const row = (word << 5) + <u32>ctz(bits);
      bits &= bits - 1;
      if (row >= to) break;
      if (waiting == 3) {
        scanFour(row0, row1, row2, row, 4);
        waiting = 0;
      } else {
        if (waiting == 0) row0 = row;
        else if (waiting == 1) row1 = row;
        else row2 = row;
        waiting++;
      }
    }
  }
  if (waiting > 0) scanFour(row0, waiting > 1 ? row1 : row0, waiting > 2 ? row2 : row0, row0, waiting);
}
