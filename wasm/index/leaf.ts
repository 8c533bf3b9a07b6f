/**
 * All pairs inside a leaf, offered to the pools of both rows. Resumable: some pairs a call. A pair that
 * is together in several leaves is offered in the first of them only, so that pools hold no key twice.
 */
import { queryOffset, queryScale, queryWeight, termsByRow } from './encode';
import { keyOf } from './heap';
import { allocate } from './memory';
import { leadersOf } from './leaders';
import { cutPool, limitOf, pushPool } from './pool';
import { offsetAt, recordOf, scaleAt } from './rows';
import { multiplyRows, packedBytes, packRows, TILE, tileOf } from './tile';

const SPARE: u64 = 16;

let most: i32 = 0;
let stride: usize = 0;
let packed: usize = 0;
let products: usize = 0;
/** Of the columns: row numbers, scales, offsets, limits of the pools. */
let rows: usize = 0;
let scales: usize = 0;
let offsets: usize = 0;
let limits: usize = 0;
/** Leaders of the columns, eight u16 each. */
let lists: usize = 0;
let four: usize = 0;
/** Leaves before this one that the present row is in. */
let before: usize = 0;
let beforeCount: i32 = 0;

let leaf: u32 = 0;
let count: i32 = 0;
let next: i32 = 0;

/** Room for leaves of that many rows; false when memory is exhausted. */
export function layLeaf(capacity: i32): bool {
  most = capacity;
  const columns = (<u64>capacity + SPARE) << 2;
  stride = <usize>columns;
  packed = allocate((<u64>capacity + TILE) * <u64>packedBytes());
  products = allocate(<u64>TILE * columns);
  rows = allocate(columns);
  scales = allocate(columns);
  offsets = allocate(columns);
  limits = allocate(columns);
  lists = allocate(columns << 2);
  four = allocate(64);
  before = allocate(64);
  return packed != 0 && products != 0 && rows != 0 && scales != 0 && offsets != 0 && limits != 0 && lists != 0 && before != 0;
}

/** Begins with a leaf: the row numbers are at `from`, `step` words apart, at most as many as there is room for. */
export function openLeaf(leader: u32, from: usize, rowsInLeaf: i32, step: i32): void {
  leaf = leader;
  count = min(rowsInLeaf, most);
  next = 0;
  for (let i = 0; i < count; i++) {
    const at = <usize>i << 2;
    const row = load<u32>(from + at * <usize>step);
    const record = recordOf(row);
    store<u32>(rows + at, row);
    store<f32>(scales + at, load<f32>(scaleAt(record)));
    store<f32>(offsets + at, load<f32>(offsetAt(record)));
    store<f32>(limits + at, limitOf(row));
    v128.store(lists + (at << 2), v128.load(leadersOf(row)));
  }
  packRows(packed, rows, count);
}

/** Compares about that many pairs; whether the leaf has some left. */
export function joinLeaf(pairs: i32): bool {
  let left = pairs;
  while (next < count && left > 0) {
    multiplyRows(tileOf(packed, next), packed, next, count, products, stride);
    const end = min(next + TILE, count);
    for (let i = next; i < end; i++) offerRow(i, products + <usize>(i - next) * stride);
    left -= TILE * (count - next);
    next += TILE;
  }
  return next < count;
}

/** Offers row i of the leaf and the rows behind it to each other. */
function offerRow(i: i32, dots: usize): void {
  const at = <usize>i << 2;
  const row = load<u32>(rows + at);
  termsByRow(row);
  noteBefore(lists + (at << 2));
  const scale = f32x4.splat(queryScale);
  const weight = f32x4.splat(queryWeight);
  const offset = f32x4.splat(queryOffset);
  let limit = f32x4.splat(load<f32>(limits + at));
  for (let j = i + 1; j < count; j += 4) {
    const column = <usize>j << 2;
    const dot = f32x4.convert_i32x4_s(v128.load(dots + column));
    const distances = f32x4.sub(
      f32x4.add(f32x4.mul(v128.load(offsets + column), weight), offset),
      f32x4.mul(dot, f32x4.mul(v128.load(scales + column), scale)),
    );
    const mine = f32x4.lt(distances, limit);
    const theirs = f32x4.lt(distances, v128.load(limits + column));
    if (!v128.any_true(v128.or(mine, theirs))) continue;
    v128.store(four, distances);
    const here = (1 << min(4, count - j)) - 1;
    const which = freshOf(column, i32x4.bitmask(v128.or(mine, theirs)) & here);
    takeTheirs(row, column, i32x4.bitmask(theirs) & which);
    limit = f32x4.splat(takeMine(row, at, column, i32x4.bitmask(mine) & which));
  }
}

/** Notes the leaves before this one of a list of leaders. */
function noteBefore(list: usize): void {
  beforeCount = 0;
  for (let f: usize = 0; f < 16; f += 2) {
    const leader = load<u16>(list + f);
    store<u16>(before + (<usize>beforeCount << 1), leader);
    beforeCount += <i32>(<u32>leader < leaf);
  }
}

/** Those of four columns that share no leaf before this one with the present row. */
function freshOf(column: usize, which: i32): i32 {
  let fresh = which;
  for (let bits = which; bits != 0; bits &= bits - 1) {
    const t = ctz(bits);
    const list = v128.load(lists + ((column + (<usize>t << 2)) << 2));
    let shared = i16x8.splat(0);
    for (let b: usize = 0; b < <usize>beforeCount; b++) {
      shared = v128.or(shared, i16x8.eq(list, v128.load_splat<u16>(before + (b << 1))));
    }
    fresh &= ~(<i32>v128.any_true(shared) << t);
  }
  return fresh;
}

/** Offers some of four columns to a row; its limit then. */
function takeMine(row: u32, at: usize, column: usize, which: i32): f32 {
  for (let bits = which; bits != 0; bits &= bits - 1) {
    const t = <usize>ctz(bits) << 2;
    if (!pushPool(row, keyOf(load<f32>(four + t), load<u32>(rows + column + t)))) continue;
    cutPool(row);
    store<f32>(limits + at, limitOf(row));
  }
  return load<f32>(limits + at);
}

/** Offers a row to some of four columns. */
function takeTheirs(row: u32, column: usize, which: i32): void {
  for (let bits = which; bits != 0; bits &= bits - 1) {
    const t = <usize>ctz(bits) << 2;
    const other = load<u32>(rows + column + t);
    if (!pushPool(other, keyOf(load<f32>(four + t), row))) continue;
    cutPool(other);
    store<f32>(limits + column + t, limitOf(other));
  }
}
