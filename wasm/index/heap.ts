/**
 * Heaps of keys. A key is a distance and a row in one u64, ordered by distance, then by row, so that
 * one integer comparison decides. The smaller child is chosen without a branch (6-8% of a search).
 */
import { allocate } from './memory';

/** No distance is larger. */
const LAST: u64 = 0xffffffffffffffff;

/** Orders floats of either sign as unsigned integers do. */
// @ts-ignore: decorator
@inline
export function keyOf(distance: f32, row: u32): u64 {
  const bits = reinterpret<u32>(distance);
  const ordered = bits ^ (<u32>(<i32>bits >> 31) | 0x80000000);
  return (<u64>ordered << 32) | <u64>row;
}

// @ts-ignore: decorator
@inline
export function distanceOf(key: u64): f32 {
  const ordered = <u32>(key >> 32);
  return reinterpret<f32>(ordered ^ (<u32>(<i32>~ordered >> 31) | 0x80000000));
}

// @ts-ignore: decorator
@inline
export function keyAt(base: usize, i: i32): u64 {
  return load<u64>(base + (<usize>i << 3));
}

// @ts-ignore: decorator
@inline
export function setKey(base: usize, i: i32, key: u64): void {
  store<u64>(base + (<usize>i << 3), key);
}

// Nearest first: what a walk has still to look at. Two keys of room behind the last.

let near: usize = 0;
let nearCapacity: u32 = 0;
export let nearCount: i32 = 0;

/** Makes room for that many keys; false when memory is exhausted. */
export function reserveNear(keys: u32): bool {
  if (keys + 2 <= nearCapacity) return true;
  const capacity = max(keys + 2, nearCapacity * 2);
  const larger = allocate(<u64>capacity << 3);
  if (larger == 0) return false;
  near = larger;
  nearCapacity = capacity;
  nearCount = 0;
  return true;
}

export function clearNear(): void {
  nearCount = 0;
}

// @ts-ignore: decorator
@inline
export function nearest(): u64 {
  return load<u64>(near);
}

export function pushNear(key: u64): void {
  let i = nearCount++;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    const above = keyAt(near, parent);
    if (above <= key) break;
    setKey(near, i, above);
    i = parent;
  }
  setKey(near, i, key);
}

export function popNear(): void {
  nearCount--;
  const key = keyAt(near, nearCount);
  setKey(near, nearCount, LAST);
  let i = 0;
  let child = 1;
  while (child < nearCount) {
    const left = keyAt(near, child);
    const right = keyAt(near, child + 1);
    child += <i32>(right < left);
    const least = min(left, right);
    if (least >= key) break;
    setKey(near, i, least);
    i = child;
    child = 2 * i + 1;
  }
  setKey(near, i, key);
}

// Farthest first: the best found so far, the worst of them on top. Two heaps of this kind are in use
// at once, so the functions take base and count; a zero stands behind the last.

/** Adds a key to a farthest-first heap of `count` keys. */
export function pushFar(base: usize, count: i32, key: u64): void {
  let i = count;
  setKey(base, count + 1, 0);
  while (i > 0) {
    const parent = (i - 1) >> 1;
    const above = keyAt(base, parent);
    if (above >= key) break;
    setKey(base, i, above);
    i = parent;
  }
  setKey(base, i, key);
}

/** Puts a key in the place of the farthest. */
export function replaceFar(base: usize, count: i32, key: u64): void {
  let i = 0;
  let child = 1;
  while (child < count) {
    const left = keyAt(base, child);
    const right = keyAt(base, child + 1);
    child += <i32>(right > left);
    const most = max(left, right);
    if (most <= key) break;
    setKey(base, i, most);
    i = child;
    child = 2 * i + 1;
  }
  setKey(base, i, key);
}

/** Turns a farthest-first heap into an array, nearest first, in place. */
export function sortFar(base: usize, count: i32): void {
  for (let left = count - 1; left > 0; left--) {
    const farthest = keyAt(base, 0);
    const last = keyAt(base, left);
    setKey(base, left, 0);
    replaceFar(base, left, last);
    setKey(base, left, farthest);
  }
}

/** Sorts a few keys, nearest first. */
export function sortKeys(base: usize, count: i32): void {
  let gap = count > 60 ? 40 : count > 13 ? 13 : 4;
  while (true) {
    for (let i = gap; i < count; i++) {
      const key = keyAt(base, i);
      let j = i;
      while (j >= gap) {
        const before = keyAt(base, j - gap);
        if (before <= key) break;
        setKey(base, j, before);
        j -= gap;
      }
      setKey(base, j, key);
    }
    if (gap == 1) return;
    gap = gap == 40 ? 13 : gap == 13 ? 4 : 1;
  }
}

/**
 * Moves the `least` smallest of distinct keys to the front, in any order, and up to `slack` of the next;
 * how many are in front. Quickselect that always swaps and moves on by the outcome of a comparison: a
 * branch would be guessed wrong half the time.
 */
export function selectKeys(base: usize, count: i32, least: i32, slack: i32): i32 {
  let low = 0;
  let high = count;
  while (high > least + slack) {
    const pivot = middleOf(
      keyAt(base, low),
      keyAt(base, (low + high) >> 1),
      keyAt(base, high - 1),
    );
    let less = low;
    for (let i = low; i < high; i++) {
      const key = keyAt(base, i);
      setKey(base, i, keyAt(base, less));
      setKey(base, less, key);
      less += <i32>(key < pivot);
    }
    if (less >= least) high = less;
    else if (less > low) low = less;
    else break;
    if (high - low < 3) break;
  }
  if (high > least + slack) {
    sortKeys(base + (<usize>low << 3), high - low);
    return least;
  }
  return high;
}

function middleOf(a: u64, b: u64, c: u64): u64 {
  return max(min(a, b), min(max(a, b), c));
}
