/**
 * Vectors to codes. A row becomes int8 codes with one scale (largest coordinate = 127); a query gets
 * int16 codes of 14 bits, fewer above 2,048 dimensions, so that an int32 sum cannot overflow.
 *
 * Distances between codes are `row offset * weight + offset - dot * row scale * scale`, less is
 * nearer; weight, offset and scale belong to the query:
 *
 *     COSINE  -dot                     codes are those of the unit vector
 *     L2      |x|^2 + |q|^2 - 2 dot
 *     IP      -dot - fill(x) fill(q)   fill = sqrt(reach^2 - |x|^2) for a row, 0 for a query
 *
 * The term of IP makes all rows equally long, so that rows are linked by a true distance (Bachrach et
 * al., "Speeding Up the Xbox Recommender System", RecSys 2014); it vanishes for a query, whose order is
 * that of IP. Only rows shorter than `reach`, half as long again as the mean, are filled up. Without
 * the term 400 of 6,000 clustered rows could not be reached; with the longest row as reach, lengths
 * that differ tenfold brought recall down to .7 (ef 128); between the two, both are mended.
 */
import { countBits, dotCodes4, dotFloats, squaredDistance, sumFloats } from './dot';
import { allocate } from './memory';
import {
  COSINE, HAMMING, IP, L2, commitRows, errorAt, floatsOf, keepsFloats, metric, normAt, offsetAt, padded, recordOf, rowCount, scaleAt,
} from './rows';
import { writeSigns } from './signs';

/** Vectors longer than this are refused: their squares must stay inside float32. */
const LONGEST: f32 = 1e18;
/** Largest coordinate below which a vector counts as zero: its reciprocal must stay inside float32. */
const SMALLEST: f32 = 1e-30;
/** IP: `reach` as a multiple of the mean length. */
const REACH: f32 = 1.5;
/** IP: the change of the mean length, as a share, that makes all rows be filled up anew. */
const DRIFT: f32 = 0.2;
/** Relative error allowed to float32 sums in the bound of the exact scan. */
const ROUNDING: f32 = 1e-6;

/** A query or a row that is compared with other rows: int16 codes and the terms of the distance. */
export let queryCodes: usize = 0;
export let queryScale: f32 = 0;
export let queryOffset: f32 = 0;
export let queryWeight: f32 = 0;
/** The query's floats; COSINE: of length 1. */
export let queryFloats: usize = 0;
/** Terms of the bound between a distance by codes and the true one; see `scan.ts`. */
export let errorWeight: f32 = 0;
export let scaleWeight: f32 = 0;
export let queryError: f32 = 0;

let codeLimit: f32 = 8191;
let reach: f32 = 0;
let totalLength: f64 = 0;

/** Allocates the query; false when memory is exhausted. */
export function layQuery(): bool {
  queryCodes = allocate(<u64>padded << 1);
  queryFloats = allocate(<u64>padded << 2);
  codeLimit = min<f32>(8191, Mathf.floor(<f32>(2147483647.0 / (127.0 * <f64>padded))));
  return queryCodes != 0 && queryFloats != 0;
}

/** Largest absolute coordinate; NaN when there is one. */
function largest(vector: usize): f32 {
  let most = f32x4.splat(0);
  const end = vector + (padded << 2);
  while (vector < end) {
    most = f32x4.max(most, f32x4.abs(v128.load(vector)));
    vector += 16;
  }
  return max(
    max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
    max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
  );
}

/** Length, by way of coordinates of at most 1, so that no square leaves float32. */
function lengthOf(vector: usize, most: f32): f32 {
  const inverse = f32x4.splat(1 / most);
  let sum = f32x4.splat(0);
  const end = vector + (padded << 2);
  while (vector < end) {
    const x = f32x4.mul(v128.load(vector), inverse);
    sum = f32x4.add(sum, f32x4.mul(x, x));
    vector += 16;
  }
  return most * Mathf.sqrt(sumFloats(sum));
}

/** Four coordinates as codes. */
// @ts-ignore: decorator
@inline
function codes4(from: usize, factor: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(from), factor)));
}

/** Writes int8 codes in steps of `most / 127`; returns the length of what they miss of the vector. */
function writeCodes(vector: usize, record: usize, most: f32): f32 {
  const factor = f32x4.splat(127 / most);
  const step = f32x4.splat(most / 127);
  const inverse = f32x4.splat(1 / most);
  let missed = f32x4.splat(0);
  const end = record + padded;
  while (record < end) {
    const low = codes4(vector, factor);
    const high = codes4(vector + 16, factor);
    const words = i16x8.narrow_i32x4_s(low, high);
    v128.store64_lane(record, i8x16.narrow_i16x8_s(words, words), 0);
    const e0 = f32x4.sub(v128.load(vector), f32x4.mul(f32x4.convert_i32x4_s(low), step));
    const e1 = f32x4.sub(v128.load(vector, 16), f32x4.mul(f32x4.convert_i32x4_s(high), step));
    const r0 = f32x4.mul(e0, inverse);
    const r1 = f32x4.mul(e1, inverse);
    missed = f32x4.add(missed, f32x4.add(f32x4.mul(r0, r0), f32x4.mul(r1, r1)));
    vector += 32;
    record += 8;
  }
  return most * Mathf.sqrt(sumFloats(missed));
}

/** Inner product of what the codes miss, in steps, with the codes. */
function missedAlong(vector: usize, record: usize, step: f32): f32 {
  const inverse = f32x4.splat(1 / step);
  let sum = f32x4.splat(0);
  const end = record + padded;
  while (record < end) {
    const codes = v128.load_ext<i8>(record);
    const low = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(codes));
    const high = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(codes));
    const e0 = f32x4.sub(f32x4.mul(v128.load(vector), inverse), low);
    const e1 = f32x4.sub(f32x4.mul(v128.load(vector, 16), inverse), high);
    sum = f32x4.add(sum, f32x4.add(f32x4.mul(e0, low), f32x4.mul(e1, high)));
    vector += 32;
    record += 8;
  }
  return sumFloats(sum);
}

/** Sum of squares of a record's codes. */
function squaredCodes(record: usize): f32 {
  let sum = i32x4.splat(0);
  const end = record + padded;
  while (record < end) {
    const codes = v128.load_ext<i8>(record);
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(codes, codes));
    record += 8;
  }
  return <f32>(
    (i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) +
      i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3))
  );
}

function encodeZero(record: usize): void {
  memory.fill(record, 0, padded + 16);
}

/** Encodes one row; its length, or NaN for a vector that is not finite or too long. */
function encodeRow(row: u32): f32 {
  const vector = floatsOf(row);
  const record = recordOf(row);
  const most = largest(vector);
  if (!(most <= LONGEST)) return NaN;
  encodeZero(record);
  if (most < SMALLEST) return 0;
  const length = lengthOf(vector, most);
  if (!(length <= LONGEST)) return NaN;
  const missed = writeCodes(vector, record, most);
  // The scale of least squares: what is missed is then at a right angle to the codes, so that it does
  // not change the distance of rows that are near each other, however far they are from zero.
  let step = most / 127;
  const squared = squaredCodes(record);
  const stretch = missedAlong(vector, record, step) / squared;
  const along = stretch * step;
  step += along;
  const across = max<f32>(0, missed * missed - along * along * squared);
  const error = Mathf.sqrt(across + missed * missed * ROUNDING) * (1 + ROUNDING);
  const unit: f32 = metric == COSINE ? 1 / length : 1;
  store<f32>(scaleAt(record), step * unit);
  store<f32>(errorAt(record), error * unit);
  store<f32>(normAt(record), metric == COSINE ? unit : length);
  if (metric == L2) store<f32>(offsetAt(record), squared * step * step);
  return length;
}

/** IP: fills rows `from .. to - 1` up to `reach`. */
function fillUp(from: u32, to: u32): void {
  for (let row = from; row < to; row++) {
    const record = recordOf(row);
    const norm = load<f32>(normAt(record));
    store<f32>(offsetAt(record), Mathf.sqrt(max<f32>(0, (reach - norm) * (reach + norm))));
  }
}

/** IP: fills up the rows behind `first`, and all where lengths are no longer what they were. */
function fillNew(first: u32, rows: u32): void {
  const wanted = REACH * <f32>(totalLength / <f64>rows);
  const drifted = Mathf.abs(wanted - reach) > DRIFT * reach;
  if (drifted) reach = wanted;
  fillUp(drifted ? 0 : first, rows);
}

/**
 * Encodes the `count` rows that were written behind the last and makes them rows of the index.
 * Returns -1, or the place of the first vector that is refused; then none of them became a row.
 */
export function appendRows(count: u32): i32 {
  const first = rowCount;
  if (metric == HAMMING) return appendBits(first, count);
  let length: f64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const own = encodeRow(first + i);
    if (isNaN(own)) return <i32>i;
    length += <f64>own;
  }
  totalLength += length;
  complete(first, count);
  return -1;
}

/** Makes rows of encoded records. */
function complete(first: u32, count: u32): void {
  if (metric == IP) fillNew(first, first + count);
  writeSigns(first, first + count);
  commitRows(first + count);
}

/** Makes rows of `count` records of an index of the same kind that were copied behind the last row. */
export function adoptRows(count: u32): void {
  const first = rowCount;
  if (metric == IP) {
    for (let row = first; row < first + count; row++) totalLength += <f64>load<f32>(normAt(recordOf(row)));
  }
  complete(first, count);
}

/** The bits are in their places already. */
function appendBits(first: u32, count: u32): i32 {
  for (let row = first; row < first + count; row++) {
    const record = recordOf(row);
    memory.fill(record + padded, 0, 16);
    store<f32>(scaleAt(record), 1);
  }
  commitRows(first + count);
  return -1;
}

/** Takes back the rows behind the first `rows`. */
export function takeBack(rows: u32): void {
  if (metric == IP) {
    for (let row = rows; row < rowCount; row++) totalLength -= <f64>load<f32>(normAt(recordOf(row)));
  }
  commitRows(rows);
}

/** Compares with a row from now on: its codes become the query's. */
export function queryByRow(row: u32, codes: usize): void {
  if (metric == HAMMING) {
    memory.copy(codes, recordOf(row), padded);
    return;
  }
  let from = recordOf(row);
  const end = from + padded;
  while (from < end) {
    v128.store(codes, v128.load_ext<i8>(from));
    from += 8;
    codes += 16;
  }
  termsByRow(row);
}

/** Compares with a row from now on, whose inner products are known otherwise. */
export function termsByRow(row: u32): void {
  const record = recordOf(row);
  const offset = load<f32>(offsetAt(record));
  queryScale = load<f32>(scaleAt(record)) * <f32>(metric == L2 ? 2 : 1);
  queryOffset = metric == L2 ? offset : 0;
  queryWeight = metric == L2 ? 1 : metric == IP ? -offset : 0;
}

/**
 * Half the squared length of a row as rows are linked, so that `distance + halfSquare(a) + halfSquare(b)`
 * is half the squared distance of two rows. L2 and HAMMING: 0, theirs is the squared one already.
 */
export function halfSquare(row: u32): f32 {
  if (metric >= L2) return 0;
  if (metric == COSINE) return 0.5;
  const record = recordOf(row);
  const norm = load<f32>(normAt(record));
  const filled = load<f32>(offsetAt(record));
  return <f32>0.5 * (norm * norm + filled * filled);
}

/** Scales the query's floats to length 1. */
function normaliseQuery(length: f32): void {
  const inverse = f32x4.splat(1 / length);
  for (let at: usize = 0; at < padded << 2; at += 16) {
    v128.store(queryFloats + at, f32x4.mul(v128.load(queryFloats + at), inverse));
  }
}

/** Writes the query's int16 codes; returns their squared length in steps. */
function writeQueryCodes(most: f32): f32 {
  const factor = f32x4.splat(codeLimit / most);
  let sum = f32x4.splat(0);
  for (let at: usize = 0; at < padded; at += 8) {
    const from = queryFloats + (at << 2);
    const low = codes4(from, factor);
    const high = codes4(from + 16, factor);
    v128.store(queryCodes + (at << 1), i16x8.narrow_i32x4_s(low, high));
    const l = f32x4.convert_i32x4_s(low);
    const h = f32x4.convert_i32x4_s(high);
    sum = f32x4.add(sum, f32x4.add(f32x4.mul(l, l), f32x4.mul(h, h)));
  }
  return sumFloats(sum);
}

/** Takes the floats at `queryFloats` as query; false when they are not finite or too long. */
export function takeQuery(): bool {
  if (metric == HAMMING) {
    memory.copy(queryCodes, queryFloats, padded);
    return true;
  }
  let most = largest(queryFloats);
  if (!(most <= LONGEST)) return false;
  let length: f32 = 0;
  let step: f32 = 0;
  let squared: f32 = 0;
  if (most < SMALLEST) {
    memory.fill(queryFloats, 0, padded << 2);
    memory.fill(queryCodes, 0, padded << 1);
  } else {
    length = lengthOf(queryFloats, most);
    if (!(length <= LONGEST)) return false;
    if (metric == COSINE) {
      normaliseQuery(length);
      most = largest(queryFloats);
      length = 1;
    }
    step = most / codeLimit;
    squared = writeQueryCodes(most);
  }
  queryScale = step * <f32>(metric == L2 ? 2 : 1);
  queryOffset = metric == L2 ? squared * step * step : 0;
  queryWeight = metric == L2 ? 1 : 0;
  if (!keepsFloats) return true;
  const rootPadded = Mathf.sqrt(<f32>padded);
  // Rounding to whole steps misses at most half a step in each coordinate.
  queryError = step * <f32>0.5 * rootPadded * (1 + ROUNDING);
  errorWeight = length * (1 + ROUNDING);
  scaleWeight = (queryError + length * 10 * ROUNDING) * 127 * rootPadded;
  return true;
}

/** The distance between query and row by codes; no bound is subtracted from it where floats are not kept. */
function codeDistance(row: u32): f32 {
  const record = recordOf(row);
  if (metric == HAMMING) return <f32>countBits(queryCodes, record, 16);
  const dot = <f32>i32x4.extract_lane(dotCodes4(queryCodes, record, record, record, record), 0);
  const distance =
    load<f32>(offsetAt(record)) * queryWeight + queryOffset - dot * (load<f32>(scaleAt(record)) * queryScale);
  return metric == L2 ? max<f32>(distance, 0) : distance;
}

/** The true distance between query and row: -dot, or the squared distance for L2. By codes where floats are not kept. */
export function trueDistance(row: u32): f32 {
  if (!keepsFloats) return codeDistance(row);
  const vector = floatsOf(row);
  if (metric == L2) return squaredDistance(queryFloats, vector);
  const dot = dotFloats(queryFloats, vector);
  return -(metric == COSINE ? dot * load<f32>(normAt(recordOf(row))) : dot);
}
