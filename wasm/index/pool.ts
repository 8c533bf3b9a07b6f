/**
 * The nearest rows known of each row while a graph is built in bulk: keys (distance and row) in any
 * order, `keep` and as many again. A full pool is cut down to about `keep`, and from then on takes only
 * what is nearer than what it let go.
 */
import { distanceOf, keyAt, selectKeys, setKey, sortKeys } from './heap';
import { allocate } from './memory';

/** A cut may keep so many more, which saves half of its rounds. */
const SLACK: i32 = 8;

let keep: i32 = 0;
let capacity: i32 = 0;
let pools: usize = 0;
let counts: usize = 0;
/** Distance from which on a row takes nothing more. */
let limits: usize = 0;

/** Empty pools for that many rows; false when memory is exhausted. */
export function layPools(rows: u32, most: i32): bool {
  keep = most;
  capacity = 2 * most;
  pools = allocate((<u64>rows * capacity) << 3);
  counts = allocate(<u64>rows << 2);
  limits = allocate(<u64>rows << 2);
  if (pools == 0 || counts == 0 || limits == 0) return false;
  for (let row: u32 = 0; row < rows; row++) store<f32>(limitAt(row), Infinity);
  return true;
}

// @ts-ignore: decorator
@inline
export function poolOf(row: u32): usize {
  return pools + (<usize>row * <usize>capacity << 3);
}

// @ts-ignore: decorator
@inline
function countAt(row: u32): usize {
  return counts + (<usize>row << 2);
}

// @ts-ignore: decorator
@inline
function limitAt(row: u32): usize {
  return limits + (<usize>row << 2);
}

// @ts-ignore: decorator
@inline
export function limitOf(row: u32): f32 {
  return load<f32>(limitAt(row));
}

/** Says that the first keys are all there are. */
export function setPoolCount(row: u32, count: i32): void {
  store<u32>(countAt(row), count);
}

/** Adds a key; whether the pool is full, and must be cut before the next. */
// @ts-ignore: decorator
@inline
export function pushPool(row: u32, key: u64): bool {
  const at = countAt(row);
  const count = load<i32>(at);
  setKey(poolOf(row), count, key);
  store<i32>(at, count + 1);
  return count + 1 == capacity;
}

/** Cuts a pool of distinct keys down. */
export function cutPool(row: u32): void {
  const pool = poolOf(row);
  const count = selectKeys(pool, load<i32>(countAt(row)), keep, SLACK);
  let last: u64 = 0;
  for (let i = 0; i < count; i++) last = max(last, keyAt(pool, i));
  store<f32>(limitAt(row), distanceOf(last));
  setPoolCount(row, count);
}

/** Leaves room in a pool for as many keys as it keeps, less a few. */
export function trimPool(row: u32): void {
  if (load<i32>(countAt(row)) > keep + SLACK) cutPool(row);
}

/** Empties a pool. */
export function emptyPool(row: u32): void {
  setPoolCount(row, 0);
  store<f32>(limitAt(row), Infinity);
}

/** Sorts a pool and drops keys that came twice; how many are left. */
export function sortPool(row: u32): i32 {
  const pool = poolOf(row);
  const count = load<i32>(countAt(row));
  sortKeys(pool, count);
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const key = keyAt(pool, i);
    setKey(pool, kept, key);
    kept += <i32>(i + 1 == count || keyAt(pool, i + 1) != key);
  }
  setPoolCount(row, kept);
  return kept;
}
