/**
 * Search without a graph: the signs of all rows are compared, then the codes of those that are nearest by
 * them, then floats as in `scan.ts`. What the signs let through is a guess, not a bound.
 */
import { allocate } from './memory';
import { padded, recordOf, signBytes, signsOf } from './rows';
import { scanFour } from './scan';
import { compareGroup, GROUP, signQuery, SUM_A_BYTE } from './signs';

/** Farther than any sum. */
const FAR: u32 = 0xffff;
/** About so many rows tell how far rows are. */
const SAMPLE_SHIFT: u32 = 13;
/** Bins of the histogram, at most. */
const MOST_BINS: usize = 4096;

/** How far each row is by its signs, u16. */
let sums: usize = 0;
let capacity: u32 = 0;
/** How many rows of a sample lie in each bin; bins are `1 << binShift` wide. */
let histogram: usize = 0;
let binShift: u32 = 0;
/** Rows that wait to be compared by codes. */
let four: usize = 0;
let waiting: i32 = 0;
let letThrough: u32 = 0;

/** Rows that the last search compared by codes: more than asked for where signs do not tell rows apart. */
export function siftedRows(): u32 {
  return letThrough;
}

/** Makes room for that many rows; false when memory is exhausted. */
function reserveSift(rows: u32): bool {
  if (four == 0) {
    histogram = allocate(<u64>MOST_BINS << 2);
    if (histogram != 0) four = allocate(16);
    while ((SUM_A_BYTE * signBytes) >> <usize>binShift >= MOST_BINS) binShift++;
  }
  if (four == 0) return false;
  if (rows <= capacity) return true;
  const wanted = (max(rows, 2 * capacity) + GROUP - 1) & ~(GROUP - 1);
  const larger = allocate(<u64>wanted << 1);
  if (larger == 0) return false;
  sums = larger;
  capacity = wanted;
  return true;
}

// @ts-ignore: decorator
@inline
function sumAt(row: u32): usize {
  return sums + (<usize>row << 1);
}

/** Puts eight rows far away, but for those whose bit is set. */
function farAway(at: usize, bits: u32): void {
  const lanes = i16x8(1, 2, 4, 8, 16, 32, 64, 128);
  const allowed = i16x8.ne(v128.and(i16x8.splat(<i16>bits), lanes), i16x8.splat(0));
  v128.store(at, v128.or(v128.load(at), v128.not(allowed)));
}

/** Compares the signs of rows `0 .. rows - 1`; those that a bitmap does not allow are far. How many are not. */
function compareSigns(rows: u32, bitmap: usize): u32 {
  let count: u32 = 0;
  for (let row: u32 = 0; row < rows; row += GROUP) {
    let bits: u32 = rows - row < GROUP ? (1 << (rows - row)) - 1 : 0xffff;
    if (bitmap != 0) bits &= <u32>load<u16>(bitmap + <usize>(row >> 3));
    if (bits == 0) {
      memory.fill(sumAt(row), 0xff, 2 * GROUP);
      continue;
    }
    compareGroup(signsOf(row), sumAt(row));
    count += popcnt(bits);
    if (bits == 0xffff) continue;
    farAway(sumAt(row), bits & 0xff);
    farAway(sumAt(row + 8), bits >> 8);
  }
  return count;
}

/** Fills the histogram from some of the rows; how many of them are not far. */
function sample(rows: u32): u32 {
  const step = max(rows >> SAMPLE_SHIFT, 1);
  let sampled: u32 = 0;
  memory.fill(histogram, 0, MOST_BINS << 2);
  for (let row: u32 = 0; row < rows; row += step) {
    const sum = <u32>load<u16>(sumAt(row));
    if (sum == FAR) continue;
    const at = histogram + (<usize>(sum >> binShift) << 2);
    store<u32>(at, load<u32>(at) + 1);
    sampled++;
  }
  return sampled;
}

/** The sum that about `keep` of `count` rows do not exceed. */
function cutFor(rows: u32, count: u32, keep: u32): u32 {
  const sampled = sample(rows);
  // All of so few that a sample says nothing.
  if (keep >= count || sampled == 0) return FAR - 1;
  let left = <i32>((<u64>keep * <u64>sampled + <u64>count - 1) / <u64>count);
  let bin: u32 = 0;
  while (left > 0) {
    left -= <i32>load<u32>(histogram + (<usize>bin << 2));
    bin++;
  }
  return min((bin << binShift) - 1, FAR - 1);
}

/** Only so that loads that fetch ahead are not left out. */
let touched: u32 = 0;

/** Asks for a row's codes before they are needed: where it lies no prefetcher knows. Saves a third of the time. */
function touch(row: u32): void {
  let at = recordOf(row);
  const end = at + padded;
  let sum: u32 = 0;
  while (at < end) {
    sum += <u32>load<u8>(at);
    at += 64;
  }
  touched = sum;
}

/** Compares a row by its codes, four at a time. */
function offerOne(row: u32): void {
  letThrough++;
  touch(row);
  store<u32>(four + (<usize>waiting << 2), row);
  if (++waiting == 4) offerWaiting();
}

function offerWaiting(): void {
  if (waiting > 0) scanFour(load<u32>(four), load<u32>(four, 4), load<u32>(four, 8), load<u32>(four, 12), waiting);
  waiting = 0;
}

/** Compares the rows whose sums do not exceed `cut` by their codes. */
function offerWithin(rows: u32, cut: u32): void {
  const most = i16x8.splat(<i16>cut);
  for (let first: u32 = 0; first < rows; first += 8) {
    let near = i16x8.bitmask(i16x8.le_u(v128.load(sumAt(first)), most));
    while (near != 0) {
      offerOne(first + <u32>ctz(near));
      near &= near - 1;
    }
  }
  offerWaiting();
}

/**
 * Offers to the best those of rows `0 .. rows - 1` that a bitmap allows, all without one, about `keep`
 * of them by codes; false when memory is exhausted, and then nothing was offered.
 */
export function siftRows(rows: u32, keep: u32, bitmap: usize): bool {
  if (!reserveSift(rows)) return false;
  letThrough = 0;
  signQuery();
  const count = compareSigns(rows, bitmap);
  if (count > 0) offerWithin(rows, cutFor(rows, count, keep));
  return true;
}
