/**
 * A graph of many rows at once, when all of them are known: several times faster than one by one, because
 * neighbours are found by comparing whole leaves (`leaders.ts`, `leaf.ts`) instead of by searches, in
 * loops that never leave the cache. Then each node's links are chosen among them, links are answered,
 * and every node is searched for.
 *
 * The nearest rows alone make islands where rows lie in clumps. So the same is done first for samples of
 * the nodes: what is nearest in a sample is far in the whole, and leads from clump to clump (anchors).
 *
 * Everything goes in steps of about a millisecond that the host calls in order; see
 * `workers/index/kernel/bulk.ts`. It runs in an instance of its own, whose memory is dropped afterwards.
 */
import { chooseApart, chosen } from './choose';
import { queryByRow } from './encode';
import {
  batchDistances, batchRows, becomeTwin, compareBatch, countIn, entry, makeNode, NONE, sameCodes, setEntry,
} from './graph';
import { keyAt, keyOf } from './heap';
import { drawLevel, insertAbove } from './insert';
import { allocate } from './memory';
import { emptyPool, layPools, poolOf, pushPool, setPoolCount, sortPool, trimPool } from './pool';
import { proveWithLosers } from './prove';
import { degree0, levelOf, linksOf, padded, recordOf } from './rows';
import { reserveWalk } from './walk';

/** Links that a node of a sample keeps for later, and samples that it can be in. */
const ANCHORS: usize = 8;
const SAMPLES: usize = 4;

/** All nodes, in the order of rows. */
let allNodes: usize = 0;
let allCount: u32 = 0;
/** The nodes at work; leaf by leaf once they are assigned, so that neighbours meet in the cache. */
let nodes: usize = 0;
let nodeCount: u32 = 0;
/** Of each row: keys of anchors, and how many there are. */
let anchors: usize = 0;
let anchorCounts: usize = 0;
/** Hash table of nodes by codes: row + 1, or 0. */
let table: usize = 0;
let tableMask: u32 = 0;
let codes: usize = 0;
/** Distances of a list. */
let distances: usize = 0;
let links: i32 = 0;
let alpha: f32 = 1;

/** Makes room for all rows; false when memory is exhausted. Each list gets about `degree` links of the `keep` nearest. */
export function layBulk(rows: u32, keep: i32, degree: i32, spread: f32): bool {
  links = min(degree, degree0);
  alpha = spread;
  let size: u32 = 1024;
  while (size < 2 * rows) size <<= 1;
  tableMask = size - 1;
  table = allocate(<u64>size << 2);
  allNodes = allocate(<u64>rows << 2);
  nodes = allocate(<u64>rows << 2);
  anchors = allocate(<u64>rows * ANCHORS * SAMPLES << 3);
  anchorCounts = allocate(<u64>rows);
  codes = allocate(<u64>padded << 1);
  distances = allocate(<u64>(degree0 + 8) << 2);
  return (
    table != 0 && allNodes != 0 && nodes != 0 && anchors != 0 && anchorCounts != 0 && codes != 0 && distances != 0 && reserveWalk(0) &&
    layPools(rows, keep)
  );
}

export function nodesAt(): usize {
  return nodes;
}

/** Works on one node in `1 << shift` from now on, on all when that is 0; how many there are. */
export function takeSample(shift: i32): u32 {
  nodeCount = 0;
  for (let i: u32 = 0; i < allCount; i++) {
    const row = load<u32>(allNodes + (<usize>i << 2));
    store<u32>(nodes + (<usize>nodeCount << 2), row);
    const drawn = (row * 0x9e3779b1) >> 8;
    nodeCount += <u32>((drawn & ((1 << shift) - 1)) == 0);
  }
  return nodeCount;
}

/** Puts the nodes at work in another order. */
export function orderNodes(from: usize): void {
  memory.copy(nodes, from, <usize>nodeCount << 2);
}

function hashOf(row: u32): u32 {
  let at = recordOf(row);
  const end = at + padded;
  let h: u64 = 0x9e3779b97f4a7c15;
  while (at < end) {
    h = (h ^ load<u64>(at)) * 0x9fb21c651e98df25;
    h ^= h >> 32;
    at += 8;
  }
  return <u32>(h ^ (h >> 29));
}

/** Makes rows `from .. to - 1` nodes, or twins of one; false when memory is exhausted. */
export function makeNodes(from: u32, to: u32): bool {
  for (let row = from; row < to; row++) {
    if (!makeNode(row, drawLevel(row))) return false;
    let at = hashOf(row) & tableMask;
    let other = load<u32>(table + (<usize>at << 2));
    while (other != 0 && !sameCodes(row, other - 1)) {
      at = (at + 1) & tableMask;
      other = load<u32>(table + (<usize>at << 2));
    }
    if (other != 0) {
      becomeTwin(row, other - 1);
      continue;
    }
    store<u32>(table + (<usize>at << 2), row + 1);
    store<u32>(allNodes + (<usize>allCount << 2), row);
    allCount++;
  }
  return true;
}

// @ts-ignore: decorator
@inline
function nodeAt(i: u32): u32 {
  return load<u32>(nodes + (<usize>i << 2));
}

/** Links nodes `from .. to - 1` in the upper layers. */
export function linkAbove(from: u32, to: u32): void {
  for (let i = from; i < to; i++) if (load<u8>(levelOf(nodeAt(i))) > 0) insertAbove(nodeAt(i));
  if (entry == NONE) setEntry(nodeAt(0), 0);
}

/** Keeps a few links of nodes `from .. to - 1` of a sample for later, and empties their pools. */
export function keepAnchors(from: u32, to: u32): void {
  for (let i = from; i < to; i++) {
    const row = nodeAt(i);
    const pool = poolOf(row);
    const kept = keepChosen(pool, chooseApart(row, pool, sortPool(row), <i32>ANCHORS, alpha));
    const count = <usize>load<u8>(anchorCounts + row);
    memory.copy(anchors + ((<usize>row * ANCHORS * SAMPLES + count) << 3), pool, <usize>kept << 3);
    store<u8>(anchorCounts + row, <u8>(count + kept));
    emptyPool(row);
  }
}

/** Adds a node's anchors to its pool. */
function addAnchors(row: u32): void {
  const count = <usize>load<u8>(anchorCounts + row);
  for (let a: usize = 0; a < count; a++) {
    if (pushPool(row, load<u64>(anchors + ((<usize>row * ANCHORS * SAMPLES + a) << 3)))) return;
  }
}

/** Chooses the links of nodes `from .. to - 1` among the rows of their pools. */
export function chooseNearest(from: u32, to: u32): void {
  for (let i = from; i < to; i++) {
    const row = nodeAt(i);
    trimPool(row);
    addAnchors(row);
    const kept = chooseApart(row, poolOf(row), sortPool(row), links, alpha);
    const at = linksOf(row);
    store<u32>(at, kept);
    memory.copy(at + 4, chosen, <usize>kept << 2);
    setPoolCount(row, keepChosen(poolOf(row), kept));
  }
}

/** Moves the keys of the chosen rows to the front, in their order; their number. */
function keepChosen(keys: usize, kept: i32): i32 {
  let from = keys;
  for (let i = 0; i < kept; i++) {
    const row = load<u32>(chosen + (<usize>i << 2));
    while (load<u32>(from) != row) from += 8;
    store<u64>(keys + (<usize>i << 3), load<u64>(from));
    from += 8;
  }
  return kept;
}

/** Offers nodes `from .. to - 1` to the pools of the rows that they link to. */
export function answerLinks(from: u32, to: u32): void {
  for (let i = from; i < to; i++) {
    const row = nodeAt(i);
    const at = linksOf(row);
    const count = load<u32>(at);
    if (count == 0) continue;
    queryByRow(row, codes);
    memory.copy(batchRows, at + 4, <usize>count << 2);
    compareBatch(codes, count);
    memory.copy(distances, batchDistances, <usize>count << 2);
    for (let j: u32 = 0; j < count; j++) {
      const at4 = <usize>j << 2;
      const other = load<u32>(at + 4 + at4);
      if (pushPool(other, keyOf(load<f32>(distances + at4), row))) thin(other);
    }
  }
}

/** Makes room in a pool that is full of links. */
function thin(row: u32): void {
  const pool = poolOf(row);
  const kept = chooseApart(row, pool, sortPool(row), links, alpha);
  setPoolCount(row, keepChosen(pool, kept));
}

/** Makes links of what is in the pools of nodes `from .. to - 1`. */
export function writeLists(from: u32, to: u32): void {
  for (let i = from; i < to; i++) {
    const row = nodeAt(i);
    const pool = poolOf(row);
    let count = sortPool(row);
    if (count > degree0) count = keepChosen(pool, chooseApart(row, pool, count, degree0, alpha));
    const at = linksOf(row);
    store<u32>(at, count);
    for (let j = 0; j < count; j++) {
      const other = <u32>keyAt(pool, j);
      store<u32>(at + 4 + (<usize>j << 2), other);
      countIn(other);
    }
  }
}

/** Makes sure that a search for nodes `from .. to - 1` finds them; how many links were dropped for that (`prove.ts`). */
export function proveNodes(from: u32, to: u32): i32 {
  let drops = 0;
  for (let i = from; i < to; i++) drops += proveWithLosers(nodeAt(i));
  return drops;
}
