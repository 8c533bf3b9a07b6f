/**
 * Sign bits of codes, and an estimate of the inner product of a query with each: the sum of the query's
 * coordinates, each with the row's sign. An eighth of a code's size; the query keeps its precision, which
 * finds as much with a fourth of the rows that comparing bits with bits needs (20,000 MiniLM vectors). It
 * tells near from far where coordinates lie around zero; whether they do is for the host to try.
 *
 * Sixteen rows are compared at once, four coordinates a look-up (Andre, Kermarrec and Le Scouarnec, "Cache
 * locality is not enough: High-Performance Nearest Neighbor Search with Product Quantization Fast Scan",
 * VLDB 2015). So the signs of sixteen rows lie together: byte j of each, then byte j + 1 of each.
 */
import { queryCodes } from './encode';
import { allocate } from './memory';
import { padded, recordOf, signBytes, signsOf } from './rows';

/** Rows of a group. */
export const GROUP: u32 = 16;
/** What a look-up gives: 0, nearest, to 62, so that four fit a byte and 1,024 (4,096 dimensions) 16 bits. */
const MIDDLE: f32 = 31;
/** The largest sum of look-ups is this times the bytes of signs. */
export const SUM_A_BYTE: usize = 4 * 31;

/** A table of sixteen bytes for each four coordinates of the query. */
let tables: usize = 0;
/** What sixteen signs of four coordinates add up to. */
let sums: usize = 0;

/** Room for the tables of a query; false when memory is exhausted. */
export function laySigns(): bool {
  tables = allocate(<u64>max(signBytes, 1) << 5);
  sums = allocate(64);
  return tables != 0 && sums != 0;
}

/** Writes the signs of rows `from .. to - 1`, where they are kept. */
export function writeSigns(from: u32, to: u32): void {
  if (signBytes == 0) return;
  for (let row = from; row < to; row++) {
    let at = signsOf(row & ~(GROUP - 1)) + <usize>(row & (GROUP - 1));
    let codes = recordOf(row);
    const end = codes + padded;
    while (codes < end) {
      const bits = i8x16.bitmask(v128.load(codes));
      store<u8>(at, <u8>bits);
      store<u8>(at, <u8>(bits >> 8), 16);
      codes += 16;
      at += 32;
    }
  }
}

/** The largest sum of four coordinates of the query with any signs. */
function largestSum(): i32 {
  let most = 0;
  for (let k: usize = 0; k < padded << 1; k += 8) {
    let sum = 0;
    for (let i: usize = 0; i < 8; i += 2) sum += abs(<i32>load<i16>(queryCodes + k + i));
    most = max(most, sum);
  }
  return most;
}

/** Makes the tables of the query. */
export function signQuery(): void {
  const factor: f32 = MIDDLE / <f32>max(largestSum(), 1);
  let table = tables;
  for (let codes = queryCodes; codes < queryCodes + (padded << 1); codes += 8) {
    let sum = 0;
    for (let i: usize = 0; i < 8; i += 2) sum += <i32>load<i16>(codes + i);
    store<i32>(sums, sum);
    for (let signs: usize = 1; signs < 16; signs++) {
      const others = signs & (signs - 1);
      const flipped = <i32>load<i16>(codes + (ctz(signs) << 1));
      store<i32>(sums + (signs << 2), load<i32>(sums + (others << 2)) - 2 * flipped);
    }
    for (let signs: usize = 0; signs < 16; signs++) {
      const value = MIDDLE - nearest<f32>(<f32>load<i32>(sums + (signs << 2)) * factor);
      store<u8>(table + signs, <u8>value);
    }
    table += 16;
  }
}

/** Writes how far from the query the signs of a group say that its rows are, u16 each, 0 to `SUM_A_BYTE * signBytes`. */
export function compareGroup(group: usize, to: usize): void {
  let even = i16x8.splat(0);
  let odd = even;
  let table = tables;
  const end = group + signBytes * GROUP;
  const low = i8x16.splat(15);
  while (group < end) {
    const a = v128.load(group);
    const b = v128.load(group, 16);
    const sum = i8x16.add(
      i8x16.add(
        i8x16.swizzle(v128.load(table), v128.and(a, low)),
        i8x16.swizzle(v128.load(table, 16), i8x16.shr_u(a, 4)),
      ),
      i8x16.add(
        i8x16.swizzle(v128.load(table, 32), v128.and(b, low)),
        i8x16.swizzle(v128.load(table, 48), i8x16.shr_u(b, 4)),
      ),
    );
    // Sums of even rows carry those of odd rows with them, times 256.
    even = i16x8.add(even, sum);
    odd = i16x8.add(odd, i16x8.shr_u(sum, 8));
    group += 32;
    table += 64;
  }
  even = i16x8.sub(even, i16x8.shl(odd, 8));
  v128.store(to, v128.shuffle<i16>(even, odd, 0, 8, 1, 9, 2, 10, 3, 11));
  v128.store(to, v128.shuffle<i16>(even, odd, 4, 12, 5, 13, 6, 14, 7, 15), 16);
}
