/**
 * Search in the graph: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search
 * using Hierarchical Navigable Small World graphs" (2016), algorithms 2 and 5, over codes.
 */
import { allocate } from './memory';
import {
  batchDistances, batchRows, compareBatch, compareOne, entry, isVisited, linksIn, startVisit, top, visit,
} from './graph';
import { queryCodes } from './encode';
import {
  clearNear, distanceOf, keyAt, keyOf, nearCount, nearest, popNear, pushFar, pushNear, replaceFar, reserveNear,
  sortFar,
} from './heap';
import { offer, offerIfNear } from './scan';
import { L2, metric, rowCount, twinOf } from './rows';

/** Nodes that a walk above the layer of interest keeps. */
const ABOVE: i32 = 8;
/**
 * The same for L2, where lengths may differ: short rows are all as far from a long one as that is long,
 * and walks end among them (44 of 70,000 rows lost, where lengths differ up to 50 times; with 48 one).
 */
const ABOVE_L2: i32 = 48;

/** Nodes found, farthest first; after {@link walk} nearest first. */
export let found: usize = 0;
let foundCapacity: i32 = 0;
let foundCount: i32 = 0;

/** Makes room for a walk with that many results; false when memory is exhausted. */
export function reserveWalk(breadth: i32): bool {
  const most = max(breadth, ABOVE_L2) + 2;
  if (most > foundCapacity) {
    const capacity = max(most, foundCapacity * 2);
    const larger = allocate(<u64>capacity << 3);
    if (larger == 0) return false;
    found = larger;
    foundCapacity = capacity;
  }
  return reserveNear(rowCount);
}

/** Collects the links of a node that were not visited; their number. */
function gather(node: u32, layer: i32): i32 {
  let at = linksIn(node, layer);
  const end = at + (<usize>load<u32>(at) << 2);
  let to = batchRows;
  while (at < end) {
    at += 4;
    const row = load<u32>(at);
    // Written always, kept when new: a branch here would be guessed wrong half the time.
    store<u32>(to, row);
    to += <usize>!visit(row) << 2;
  }
  return <i32>((to - batchRows) >> 2);
}

/** Whether a node or a row it stands for may be returned. */
function allows(bitmap: usize, node: u32): bool {
  let row = node;
  while (true) {
    if ((load<u32>(bitmap + (<usize>(row >> 5) << 2)) >> (row & 31)) & 1) return true;
    const twin = load<u32>(twinOf(row));
    if (twin == 0) return false;
    row = twin - 1;
  }
}

/** Takes the distances of a batch into the heaps. */
function take(count: i32, breadth: i32, bitmap: usize): void {
  let limit: f32 = foundCount < breadth ? Infinity : distanceOf(keyAt(found, 0));
  for (let i = 0; i < count; i++) {
    const distance = load<f32>(batchDistances + (<usize>i << 2));
    if (distance >= limit) continue;
    const row = load<u32>(batchRows + (<usize>i << 2));
    const key = keyOf(distance, row);
    pushNear(key);
    if (bitmap != 0 && !allows(bitmap, row)) continue;
    if (foundCount < breadth) pushFar(found, foundCount++, key);
    else replaceFar(found, foundCount, key);
    if (foundCount == breadth) limit = distanceOf(keyAt(found, 0));
  }
}

/**
 * The nodes nearest to a query's codes in one layer, at most `breadth`, nearest first in `found`.
 * With a bitmap only nodes that it allows are found, and the walk leads through all others.
 */
export function walk(codes: usize, start: u64, breadth: i32, layer: i32, bitmap: usize): i32 {
  clearNear();
  foundCount = 0;
  visit(<u32>start);
  pushNear(start);
  if (bitmap == 0 || allows(bitmap, <u32>start)) pushFar(found, foundCount++, start);
  while (nearCount > 0) {
    const next = nearest();
    if (foundCount >= breadth && next > keyAt(found, 0)) break;
    popNear();
    const count = gather(<u32>next, layer);
    if (count == 0) continue;
    compareBatch(codes, count);
    take(count, breadth, bitmap);
  }
  sortFar(found, foundCount);
  return foundCount;
}

/** As {@link walk} in layer 0, but ends when it meets a row. */
export function walkTo(codes: usize, start: u64, breadth: i32, target: u32): i32 {
  clearNear();
  foundCount = 0;
  visit(<u32>start);
  pushNear(start);
  pushFar(found, foundCount++, start);
  while (nearCount > 0 && !isVisited(target)) {
    const next = nearest();
    if (foundCount >= breadth && next > keyAt(found, 0)) break;
    popNear();
    const count = gather(<u32>next, 0);
    if (count == 0) continue;
    compareBatch(codes, count);
    take(count, breadth, 0);
  }
  sortFar(found, foundCount);
  return foundCount;
}

/**
 * Where a walk in layer `lowest` begins: the nearest that narrow walks find in the layers above. Plain
 * steps downhill end in the wrong clump where clumps are about as far from each other (recall .90 instead of
 * 1 at ef 256, IP, 12 clumps in 512 dimensions), and the walk with them.
 */
export function startOf(codes: usize, lowest: i32): u64 {
  let key = entryKey(codes);
  for (let layer = top; layer > lowest; layer--) {
    startVisit();
    walk(codes, key, metric == L2 ? ABOVE_L2 : ABOVE, layer, 0);
    key = keyAt(found, 0);
  }
  return key;
}

/** The key of the entry. */
function entryKey(codes: usize): u64 {
  return keyOf(compareOne(codes, entry), entry);
}

/** Offers every row that a node stands for. */
function offerNode(key: u64, bitmap: usize): void {
  let row = <u32>key;
  if (load<u32>(twinOf(row)) == 0) {
    // Alone, and therefore allowed when it was found.
    offerIfNear(row, distanceOf(key));
    return;
  }
  while (true) {
    if (bitmap == 0 || (load<u32>(bitmap + (<usize>(row >> 5) << 2)) >> (row & 31)) & 1) offer(row);
    const twin = load<u32>(twinOf(row));
    if (twin == 0) return;
    row = twin - 1;
  }
}

/** Walks for the query and offers what is found to the best; false when memory is exhausted. */
export function searchGraph(breadth: i32, bitmap: usize): bool {
  if (!reserveWalk(breadth)) return false;
  const key = startOf(queryCodes, 0);
  startVisit();
  const count = walk(queryCodes, key, breadth, 0, bitmap);
  for (let i = 0; i < count; i++) offerNode(keyAt(found, i), bitmap);
  return true;
}
