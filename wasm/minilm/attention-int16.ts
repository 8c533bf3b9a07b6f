/**
 * Attention in int16, half the instructions of float32. Queries and keys have a scale a row, as many bits
 * as let the sum over a head stay inside int32 (13 and a sign for 32 columns); values have one scale a
 * head and 15 bits. Weights are divided by their sum first: their codes then add up to 32,767 and not
 * much more, so that a context stays inside int32 at any length.
 */
import { wideTile } from './generated/plain-tiles';
import { largestMagnitude, nearestEight, writePairs } from './int16';
import {
  keyCodes, keyScales, packedKeys, packedValues, pairedQueries, pairedWeights, scores, sums, weightSums,
} from './scratch';
import { headWidth } from './shape';
import { softmaxRow } from './softmax';
import { turnRows } from './turn';

const MOST: f32 = 32767;

/** What a weight times a value counts: of the head that was packed last. */
let contextScale: f32 = 0;

/**
 * Largest code of a query or a key: `headWidth` products of two fit int32. Rounded down before it becomes
 * float32, which would make 8,192 of 8,191.99 and 2^31 of 32 products.
 */
function codeLimit(): f32 {
  return min<f32>(MOST, <f32>floor<f64>(sqrt<f64>(<f64>i32.MAX_VALUE / <f64>headWidth)));
}

/** Keys behind the last are never looked at; their codes are whatever lies there. */
function packKeys(keys: usize, stride: usize, length: i32): void {
  const limit = codeLimit();
  let codes = keyCodes;
  let scales = keyScales;
  for (let key = 0; key < length; key++) {
    const largest = largestMagnitude(keys, headWidth);
    store<f32>(scales, largest / limit);
    writePairs(keys, headWidth, limit / largest, codes, 4);
    keys += stride;
    codes += <usize>headWidth << 1;
    scales += 4;
  }
  turnRows(keyCodes, <usize>headWidth << 1, length, headWidth >> 1, packedKeys);
}

/** Two rows of 8 columns, column by column. */
// @ts-ignore: decorator
@inline
function storePair(a: v128, b: v128, to: usize): void {
  v128.store(to, v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11));
  v128.store(to, v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15), 16);
}

/** One panel of 8 columns: [length / 2][8][2], the last row paired with zeros where the length is odd. */
function packPanel(values: usize, stride: usize, length: i32, factor: v128, to: usize): void {
  let row = 1;
  for (; row < length; row += 2) {
    storePair(nearestEight(values, factor), nearestEight(values + stride, factor), to);
    values += 2 * stride;
    to += 32;
  }
  if (row == length) storePair(nearestEight(values, factor), i16x8.splat(0), to);
}

function packValues(values: usize, stride: usize, length: i32): void {
  let largest: f32 = 0;
  let row = values;
  for (let i = 0; i < length; i++) {
    const own = largestMagnitude(row, headWidth);
    // A NaN is kept: it compares with nothing.
    if (!(own <= largest)) largest = own;
    row += stride;
  }
  contextScale = largest / (MOST * MOST);
  const factor = f32x4.splat(MOST / largest);
  const panelBytes = <usize>((length + 1) & ~1) << 4;
  let to = packedValues;
  for (let column = 0; column < headWidth; column += 8) {
    packPanel(values + (<usize>column << 2), stride, length, factor, to);
    to += panelBytes;
  }
}

export function packIntegers(keys: usize, values: usize, stride: usize, length: i32): void {
  packKeys(keys, stride, length);
  packValues(values, stride, length);
}

/** A tile's sums times the scale of its row and, a column each, those of its keys. */
function scaleScores(rows: i32, key: i32, stride: usize): void {
  const at = <usize>key << 2;
  const left = v128.load(keyScales + at);
  const right = v128.load(keyScales + at, 16);
  let to = scores + at;
  let from = sums;
  for (let i = 0; i < rows; i++) {
    const scale = v128.load_splat<f32>(queryScales + (<usize>i << 2));
    v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(v128.load(from)), f32x4.mul(scale, left)));
    v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(v128.load(from, 16)), f32x4.mul(scale, right)), 16);
    from += 32;
    to += stride;
  }
}

const queryScales: usize = memory.data(64, 16);

function scoreTile(rows: i32, query: usize, stride: usize, keys: i32): void {
  const limit = codeLimit();
  const step = <usize>rows << 2;
  for (let i = 0; i < rows; i++) {
    const row = query + <usize>i * stride;
    const largest = largestMagnitude(row, headWidth);
    store<f32>(queryScales + (<usize>i << 2), largest / limit);
    writePairs(row, headWidth, limit / largest, pairedQueries + (<usize>i << 2), step);
  }
  let panel = packedKeys;
  for (let key = 0; key < keys; key += 8) {
    wideTile(rows, pairedQueries, panel, <usize>headWidth, sums);
    scaleScores(rows, key, <usize>keys << 2);
    panel += <usize>headWidth << 4;
  }
}

function storeContext(rows: i32, to: usize, stride: usize): void {
  let from = sums;
  for (let i = 0; i < rows; i++) {
    const scale = v128.load_splat<f32>(weightSums + (<usize>i << 2));
    v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(v128.load(from)), scale));
    v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(v128.load(from, 16)), scale), 16);
    from += 32;
    to += stride;
  }
}

/** Scores, softmax and context of a few rows. */
export function attendIntegers(rows: i32, query: usize, stride: usize, length: i32): void {
  const keys = (length + 7) & ~7;
  scoreTile(rows, query, stride, keys);
  for (let i = 0; i < rows; i++) {
    const row = scores + <usize>i * (<usize>keys << 2);
    const sum = softmaxRow(row, length);
    writePairs(row, keys, MOST / sum, pairedWeights + (<usize>i << 2), <usize>rows << 2);
    // Codes would hide that a score is no number: then the sum is none, and is none after this.
    store<f32>(weightSums + (<usize>i << 2), contextScale + (sum - sum));
  }
  const paired = <usize>(length + 1) & ~1;
  let panel = packedValues;
  for (let column = 0; column < headWidth; column += 8) {
    wideTile(rows, pairedWeights, panel, paired, sums);
    storeContext(rows, query + (<usize>column << 2), stride);
    panel += paired << 4;
  }
}
