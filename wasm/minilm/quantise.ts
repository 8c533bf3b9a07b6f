/**
 * Rows of activations as tiles read them: the rows of a tile interleaved by k, so that a tile needs one
 * pointer and constant offsets whatever the row's length is. As integers each row has its own scale,
 * max |x| / 8191; the scales lie behind all rows.
 *
 * plain: [tile][inner / 2][rows of the tile][2] int16
 * relaxed: [tile][inner / 4][rows of the tile][high, low][4] bytes of 7 bits of x + 8192
 * float32: [tile][inner][rows of the tile] float32
 */
import { ACTIVATION_OFFSET } from './pack';
import { activationLimit, float32, RELAXED } from './precision';
import { BLOCK_ROWS, rowsOfTile, tilesOf } from './tiles';

/** Smaller rows count as this large, so that the inverse of a scale stays finite. */
const SMALLEST: f32 = 1e-20;

/** 1.5 x 2^23: added to a float, it leaves the nearest integer in the low bits. Ties go to even. */
const MAGIC: f32 = 12582912;
const MAGIC_BITS: i32 = 0x4b400000;

// @ts-ignore: decorator
@inline
export function activationBytes(): usize {
  return float32 ? 4 : 2;
}

/** Address of the scales behind `rows` quantised rows. */
// @ts-ignore: decorator
@inline
export function rowScalesAt(input: usize, rows: i32, inner: i32): usize {
  return input + <usize>rows * <usize>inner * activationBytes();
}

/** Behind them, room for a panel of weights as int16, for the plain build. */
// @ts-ignore: decorator
@inline
export function wideAt(input: usize, rows: i32, inner: i32): usize {
  return (rowScalesAt(input, rows, inner) + (<usize>rows << 2) + 63) & ~63;
}

/** Bytes that {@link quantise} and then `linear` use, a multiple of 64. */
export function quantisedBytes(rows: i32, inner: i32): usize {
  const wide: usize = RELAXED || float32 ? 0 : <usize>inner << 4;
  return (wideAt(0, rows, inner) + wide + 63) & ~63;
}

/**
 * Rows of `inner` float32, `stride` bytes apart, to what `linear` reads for the same number of rows. A
 * row with a NaN or an infinity has that as its scale, and so nothing finite comes out of it.
 */
export function quantise(x: usize, stride: usize, rows: i32, inner: i32, to: usize): void {
  let scales = rowScalesAt(to, rows, inner);
  for (let from = 0; from < rows; from += BLOCK_ROWS) {
    const block = min(BLOCK_ROWS, rows - from);
    const tiles = tilesOf(block);
    for (let tile = 0; tile < tiles; tile++) {
      const count = rowsOfTile(tile, tiles, block);
      for (let row = 0; row < count; row++) {
        writeRow(x, inner, to, row, count, scales);
        x += stride;
        scales += 4;
      }
      to += <usize>count * <usize>inner * activationBytes();
    }
  }
}

// @ts-ignore: decorator
@inline
function writeRow(x: usize, inner: i32, tile: usize, row: i32, rows: i32, scale: usize): void {
  if (float32) {
    interleave(x, inner, tile + (<usize>row << 2), <usize>rows << 2);
    return;
  }
  let most = largestOf(x, inner);
  if (most < SMALLEST) most = SMALLEST;
  const limit = <f32>activationLimit(inner);
  store<f32>(scale, most / limit);
  if (RELAXED) writeHalves(x, inner, limit / most, tile + (<usize>row << 3), <usize>rows << 3);
  else writePairs(x, inner, limit / most, tile + (<usize>row << 2), <usize>rows << 2);
}

/** Largest |x|. Compared as integers, which floats without their sign may be: NaN is the largest. */
function largestOf(x: usize, inner: i32): f32 {
  const unsigned = i32x4.splat(0x7fffffff);
  let a = i32x4.splat(0);
  let b = a;
  for (const end = x + (<usize>inner << 2); x < end; x += 32) {
    a = i32x4.max_s(a, v128.and(v128.load(x), unsigned));
    b = i32x4.max_s(b, v128.and(v128.load(x, 16), unsigned));
  }
  a = i32x4.max_s(a, b);
  a = i32x4.max_s(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  a = i32x4.max_s(a, v128.shuffle<i32>(a, a, 1, 0, 3, 2));
  return f32x4.extract_lane(a, 0);
}

/** Four floats as the nearest integers plus `offset`. */
// @ts-ignore: decorator
@inline
function nearestOf(x: v128, inverse: v128, offset: v128): v128 {
  return i32x4.add(f32x4.add(f32x4.mul(x, inverse), f32x4.splat(MAGIC)), offset);
}

/** int16, in pairs that lie `step` bytes apart. */
function writePairs(x: usize, inner: i32, inverse: f32, to: usize, step: usize): void {
  const factor = f32x4.splat(inverse);
  const offset = i32x4.splat(-MAGIC_BITS);
  for (const end = x + (<usize>inner << 2); x < end; x += 32) {
    const codes = i16x8.narrow_i32x4_s(
      nearestOf(v128.load(x), factor, offset),
      nearestOf(v128.load(x, 16), factor, offset),
    );
    v128.store_lane<i32>(to, codes, 0);
    v128.store_lane<i32>(to + step, codes, 1);
    to += step << 1;
    v128.store_lane<i32>(to, codes, 2);
    v128.store_lane<i32>(to + step, codes, 3);
    to += step << 1;
  }
}

/** High and low 7 bits of x + 8192, in groups of four and four that lie `step` bytes apart. */
function writeHalves(x: usize, inner: i32, inverse: f32, to: usize, step: usize): void {
  const factor = f32x4.splat(inverse);
  const offset = i32x4.splat(ACTIVATION_OFFSET - MAGIC_BITS);
  const low = i16x8.splat(127);
  for (const end = x + (<usize>inner << 2); x < end; x += 32) {
    const codes = i16x8.narrow_i32x4_s(
      nearestOf(v128.load(x), factor, offset),
      nearestOf(v128.load(x, 16), factor, offset),
    );
    const halves = i8x16.narrow_i16x8_u(i16x8.shr_s(codes, 7), v128.and(codes, low));
    const groups = v128.shuffle<i32>(halves, halves, 0, 2, 1, 3);
    v128.store_lane<i64>(to, groups, 0);
    v128.store_lane<i64>(to + step, groups, 1);
    to += step << 1;
  }
}

/** float32 values `step` bytes apart. */
function interleave(x: usize, inner: i32, to: usize, step: usize): void {
  for (const end = x + (<usize>inner << 2); x < end; x += 16) {
    const four = v128.load(x);
    v128.store_lane<f32>(to, four, 0);
    v128.store_lane<f32>(to + step, four, 1);
    to += step << 1;
    v128.store_lane<f32>(to, four, 2);
    v128.store_lane<f32>(to + step, four, 3);
    to += step << 1;
  }
}
