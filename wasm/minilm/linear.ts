/**
 * out = input x weights + bias, the bulk of the encoder's work. Rows in blocks that stay near, panels of
 * 8 columns one after the other through each block, so that weights stream once per block; the sums of a
 * panel are collected for the block and finished together.
 */
import { gelu } from './gelu';
import { biasAt, offsetsAt, PANEL, panelAt, scalesAt } from './pack';
import { float32, RELAXED } from './precision';
import { activationBytes, rowScalesAt } from './quantise';
import { addFloatTile, BLOCK_ROWS, integerTile, rowsOfTile, tilesOf } from './tiles';

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
  for (let from = 0; from < rows; from += BLOCK_ROWS) {
    const block = min(BLOCK_ROWS, rows - from);
    linearBlock(layer, columns, inner, input, scales, block, out, outStride, mode);
    input += <usize>block * <usize>inner * activationBytes();
    scales += <usize>block << 2;
    out += <usize>block * outStride;
  }
}

function linearBlock(
  layer: usize, columns: i32, inner: i32, input: usize, scales: usize, rows: i32, out: usize, outStride: usize,
  mode: i32,
): void {
  const bias = biasAt(layer, columns, inner);
  for (let column = 0; column < columns; column += PANEL) {
    const panel = panelAt(layer, column, inner);
    const at = <usize>column << 2;
    if (float32) {
      fillSums(bias + at, rows);
      addFloats(panel, inner, input, rows);
    } else {
      addIntegers(panel, inner, input, rows);
      scaleSums(scalesAt(layer, columns, inner) + at, offsetsAt(layer, columns, inner) + at, bias + at, scales, rows);
    }
    finish(rows, out + at, outStride, mode);
  }
}

/** Sums of all rows of a block with one panel, int32. */
function addIntegers(panel: usize, inner: i32, input: usize, rows: i32): void {
  const tiles = tilesOf(rows);
  let sums = SUMS;
  for (let tile = 0; tile < tiles; tile++) {
    const count = rowsOfTile(tile, tiles, rows);
    integerTile(count, input, panel, <usize>inner, sums);
    input += <usize>count * <usize>inner << 1;
    sums += <usize>count * SUMS_ROW;
  }
}

/** Sums of all rows of a block with one panel, float32, on top of the bias. */
function addFloats(panel: usize, inner: i32, input: usize, rows: i32): void {
  const tiles = tilesOf(rows);
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

function fillSums(bias: usize, rows: i32): void {
  const left = v128.load(bias);
  const right = v128.load(bias, 16);
  for (let sums = SUMS, end = SUMS + <usize>rows * SUMS_ROW; sums < end; sums += SUMS_ROW) {
    v128.store(sums, left);
    v128.store(sums, right, 16);
  }
}

/** int32 sums to float32 results: the offset of the activations off, times both scales, plus the bias. */
function scaleSums(scales: usize, offsets: usize, bias: usize, rowScales: usize, rows: i32): void {
  const scale0 = v128.load(scales);
  const scale1 = v128.load(scales, 16);
  const bias0 = v128.load(bias);
  const bias1 = v128.load(bias, 16);
  const offset0 = v128.load(offsets);
  const offset1 = v128.load(offsets, 16);
  for (let sums = SUMS, end = SUMS + <usize>rows * SUMS_ROW; sums < end; sums += SUMS_ROW) {
    const rowScale = v128.load_splat<f32>(rowScales);
    let sum0 = v128.load(sums);
    let sum1 = v128.load(sums, 16);
    if (RELAXED) {
      sum0 = i32x4.sub(sum0, offset0);
      sum1 = i32x4.sub(sum1, offset1);
    }
    v128.store(sums, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(sum0), f32x4.mul(rowScale, scale0)), bias0));
    v128.store(sums, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(sum1), f32x4.mul(rowScale, scale1)), bias1), 16);
    rowScales += 4;
  }
}

/** Results of a block to where they belong. */
function finish(rows: i32, out: usize, outStride: usize, mode: i32): void {
  const end = SUMS + <usize>rows * SUMS_ROW;
  for (let sums = SUMS; sums < end; sums += SUMS_ROW) {
    let left = v128.load(sums);
    let right = v128.load(sums, 16);
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
