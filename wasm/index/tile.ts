/**
 * Many rows against many: codes widened to int16, three rows interleaved by eight coordinates, and
 * compared three by three, so that each load serves three products and two addresses serve all loads.
 * Larger tiles do not fit sixteen registers.
 */
import { countBits } from './dot';
import { HAMMING, metric, padded, recordOf } from './rows';

/** Rows are packed in groups of so many, filled up with zeros. */
export const TILE: i32 = 3;

/** Bytes of a packed row. */
// @ts-ignore: decorator
@inline
export function packedBytes(): usize {
  return metric == HAMMING ? padded : padded << 1;
}

/** Packs the rows whose numbers are at `rows`, and zeros up to a whole number of tiles. */
export function packRows(to: usize, rows: usize, count: i32): void {
  const whole = count - (count % TILE);
  const rest = to + <usize>whole * packedBytes();
  if (whole < count) memory.fill(rest, 0, <usize>TILE * packedBytes());
  for (let i = 0; i < count; i++) packRow(tileOf(to, i - (i % TILE)) + (<usize>(i % TILE) << 4), load<u32>(rows + (<usize>i << 2)));
}

/** Address of the tile that begins with a row. */
// @ts-ignore: decorator
@inline
export function tileOf(packed: usize, row: i32): usize {
  return packed + <usize>row * packedBytes();
}

function packRow(to: usize, row: u32): void {
  let from = recordOf(row);
  const end = from + padded;
  if (metric == HAMMING) return packBits(to, from, end);
  while (from < end) {
    v128.store(to, v128.load_ext<i8>(from));
    from += 8;
    to += 16 * TILE;
  }
}

function packBits(to: usize, from: usize, end: usize): void {
  while (from < end) {
    v128.store(to, v128.load(from));
    from += 16;
    to += 16 * TILE;
  }
}

/** As {@link multiplyTile}, with the bits that differ, counted negative, in the place of products. */
function countTile(a: usize, b: usize, to: usize, stride: usize): void {
  for (let i: usize = 0; i < <usize>TILE; i++) {
    for (let j: usize = 0; j < <usize>TILE; j++) {
      store<i32>(to + i * stride + (j << 2), -countBits(a + (i << 4), b + (j << 4), 16 * TILE));
    }
  }
}

/** [sum of a's lanes, of b's, of c's, 0], int32. */
// @ts-ignore: decorator
@inline
function sumThree(a: v128, b: v128, c: v128): v128 {
  const none = i32x4.splat(0);
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, none, 0, 4, 1, 5), v128.shuffle<i32>(c, none, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
}

/**
 * Inner products of three packed rows with three others: row i of the result, int32, is at
 * `to + i * stride`. A fourth number, 0, is written behind each three.
 */
function multiplyTile(a: usize, b: usize, to: usize, stride: usize): void {
  let s00 = i32x4.splat(0);
  let s01 = s00;
  let s02 = s00;
  let s10 = s00;
  let s11 = s00;
  let s12 = s00;
  let s20 = s00;
  let s21 = s00;
  let s22 = s00;
  const end = a + <usize>TILE * packedBytes();
  while (a < end) {
    const y0 = v128.load(b);
    const y1 = v128.load(b, 16);
    const y2 = v128.load(b, 32);
    let x = v128.load(a);
    s00 = i32x4.add(s00, i32x4.dot_i16x8_s(x, y0));
    s01 = i32x4.add(s01, i32x4.dot_i16x8_s(x, y1));
    s02 = i32x4.add(s02, i32x4.dot_i16x8_s(x, y2));
    x = v128.load(a, 16);
    s10 = i32x4.add(s10, i32x4.dot_i16x8_s(x, y0));
    s11 = i32x4.add(s11, i32x4.dot_i16x8_s(x, y1));
    s12 = i32x4.add(s12, i32x4.dot_i16x8_s(x, y2));
    x = v128.load(a, 32);
    s20 = i32x4.add(s20, i32x4.dot_i16x8_s(x, y0));
    s21 = i32x4.add(s21, i32x4.dot_i16x8_s(x, y1));
    s22 = i32x4.add(s22, i32x4.dot_i16x8_s(x, y2));
    a += 16 * TILE;
    b += 16 * TILE;
  }
  v128.store(to, sumThree(s00, s01, s02));
  v128.store(to + stride, sumThree(s10, s11, s12));
  v128.store(to + 2 * stride, sumThree(s20, s21, s22));
}

/**
 * Inner products of three packed rows with the packed rows `from .. to - 1` (`from` and the end rounded
 * up are multiples of three). Product with row j, int32, at `products + 4 j`, the rows `stride` apart.
 */
export function multiplyRows(a: usize, b: usize, from: i32, to: i32, products: usize, stride: usize): void {
  for (let j = from; j < to; j += TILE) {
    const at = products + (<usize>j << 2);
    if (metric == HAMMING) countTile(a, tileOf(b, j), at, stride);
    else multiplyTile(a, tileOf(b, j), at, stride);
  }
}
