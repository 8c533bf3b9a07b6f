/**
 * out = input x weights + bias, the bulk of the encoder's work. Rows in blocks that stay near, panels of
 * 8 columns one after the other through each block, so that weights stream once per block; the sums of a
 * panel are collected for the block and finished together.
 */
import { gelu } from './gelu';
import { PANEL, panelBytes, tailAt } from './pack';
import { float32, RELAXED } from './precision';
import { activationBytes, rowScalesAt, wideAt } from './quantise';
import { addFloatTile, BLOCK_ROWS, integerTiles, rowsOfTile, tilesOf } from './tiles';

export { linearBytes, packRow, setBias } from './pack';
export { quantise, quantisedBytes } from './quantise';
export { FLOAT_TILE_ROWS, floatTile } from './tiles';

/** What happens to a result: it is stored. */
export const STORE: i32 = 0;

/** It is added to what is there. */
export const ADD: i32 = 1;

/** Its GELU is stored. */
export const GELU: i32 = 2;

/** float32 panels are taken in pieces of this many k: 12 KiB, which leaves the nearest cache room for rows. */
const FLOAT_DEPTH: i32 = 384;

/** Bytes of the sums of one row of a panel. */
const SUMS_ROW: usize = 32;

/** Sums of a block for one panel: [BLOCK_ROWS][8] int32 or float32. */
const SUMS: usize = memory.data(60 * 32, 64);

/**
 * `input` is what `quantise` wrote for the same number of rows. Rows of `out` are `outStride` bytes apart,
 * a multiple of 4; `columns` and `inner` are multiples of 8.
 */
export function linear(
  layer: usize, columns: i32, inner: i32, input: usize, rows: i32, out: usize, outStride: usize, mode: i32,
): void {
  let scales = rowScalesAt(input, rows, inner);
  const wide = wideAt(input, rows, inner);
  for (let from = 0; from < rows; from += BLOCK_ROWS) {
    const block = min(BLOCK_ROWS, rows - from);
    const end = layer + <usize>(columns / PANEL) * panelBytes(inner);
    let to = out;
    for (let panel = layer; panel < end; panel += panelBytes(inner)) {
      if (float32) addFloats(panel, inner, input, block);
      else integerTiles(block, input, panel, <usize>inner, SUMS, wide);
      finish(tailAt(panel, inner), scales, block, to, outStride, mode);
      to += PANEL << 2;
    }
    input += <usize>block * <usize>inner * activationBytes();
    scales += <usize>block << 2;
    out += <usize>block * outStride;
  }
}

/** Sums of all rows of a block with one panel, float32, on top of zeros. */
function addFloats(panel: usize, inner: i32, input: usize, rows: i32): void {
  const tiles = tilesOf(rows);
  memory.fill(SUMS, 0, <usize>rows * SUMS_ROW);
  for (let k = 0; k < inner; k += FLOAT_DEPTH) {
    const depth = min(FLOAT_DEPTH, inner - k);
    let sums = SUMS;
    let tileInput = input;
    for (let tile = 0; tile < tiles; tile++) {
      const count = rowsOfTile(tile, tiles, rows);
      addFloatTile(count, tileInput + (<usize>count * <usize>k << 2), panel + (<usize>k << 5), <usize>depth, sums);
      tileInput += <usize>count * <usize>inner << 2;
      sums += <usize>count * SUMS_ROW;
    }
  }
}

/** int32 sums as float32: the offset of the activations off, times both scales. */
// @ts-ignore: decorator
@inline
function scaled(sums: v128, offset: v128, scale: v128): v128 {
  const exact = RELAXED ? i32x4.sub(sums, offset) : sums;
  return f32x4.mul(f32x4.convert_i32x4_s(exact), scale);
}

/** Turns the sums of a panel into results and puts them where they belong. */
function finish(tail: usize, rowScales: usize, rows: i32, out: usize, outStride: usize, mode: i32): void {
  const end = SUMS + <usize>rows * SUMS_ROW;
  for (let sums = SUMS; sums < end; sums += SUMS_ROW) {
    let left = v128.load(sums);
    let right = v128.load(sums, 16);
    if (!float32) {
      const rowScale = v128.load_splat<f32>(rowScales);
      left = scaled(left, v128.load(tail, 64), f32x4.mul(rowScale, v128.load(tail, 32)));
      right = scaled(right, v128.load(tail, 80), f32x4.mul(rowScale, v128.load(tail, 48)));
      rowScales += 4;
    }
    left = f32x4.add(left, v128.load(tail));
    right = f32x4.add(right, v128.load(tail, 16));
    if (mode == ADD) {
      left = f32x4.add(left, v128.load(out));
      right = f32x4.add(right, v128.load(out, 16));
    } else if (mode == GELU) {
      left = gelu(left);
      right = gelu(right);
    }
    v128.store(out, left);
    v128.store(out, right, 16);
    out += outStride;
  }
}
