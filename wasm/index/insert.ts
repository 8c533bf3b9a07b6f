/**
 * Insertion: algorithms 1 and 4 of the paper named in `walk.ts`, with two differences.
 *
 * A candidate is dropped when it is as near to a neighbour already chosen as to the row itself
 * (`<=`, not `<`), and a row whose codes are those of a node is not linked but joins the chain of
 * that node. Otherwise equal rows fill each other's lists, and other rows cannot be reached: 1,000
 * equal vectors inserted first made 568 of 3,500 others unreachable in hnswlib (M 16).
 *
 * And a list that is chosen anew keeps rows that have no other link in layer 0: the paper's choice alone
 * leaves rows that nothing leads to where lengths or densities differ much.
 */
import { choose, chosen, layChoice } from './choose';
import { queryByRow } from './encode';
import {
  batchDistances, batchRows, becomeTwin, compareBatch, countIn, countOut, degree, entry, inserted, isVisited, linksIn, makeNode, NONE, sameCodes,
  setEntry, setInserted, startVisit, top, visit,
} from './graph';
import { distanceOf, keyAt, keyOf, setKey, sortKeys } from './heap';
import { allocate } from './memory';
import { degree0, inLinksOf, IP, levelOf, metric, offsetAt, padded, recordOf, rowCount } from './rows';
import { layProof, loseLink, proveWithLosers } from './prove';
import { found, reserveWalk, startOf, walk } from './walk';

/** Layers above 0, at most. */
const HIGHEST: i32 = 15;
/** How many of the nearest are looked at for equal codes. */
const TWINS_TRIED: i32 = 4;

let breadth: i32 = 0;
let seed: u32 = 0;
/** Codes of the row that is inserted, and of a row whose links are chosen. */
let rowCodes: usize = 0;
let otherCodes: usize = 0;
/** The candidates of a full list. */
let candidates: usize = 0;

/** Prepares insertion; false when memory is exhausted. */
export function layInsertion(efConstruction: i32, levelSeed: u32): bool {
  breadth = max(efConstruction, degree);
  seed = levelSeed;
  rowCodes = allocate(<u64>padded << 1);
  otherCodes = allocate(<u64>padded << 1);
  candidates = allocate(<u64>(degree0 + 8) << 3);
  return reserveWalk(breadth) && layChoice(degree0) && layProof() && rowCodes != 0 && otherCodes != 0 && candidates != 0;
}

/** A row's level: geometric with ratio 1 / M, from seed and row alone, so that order does not matter. */
export function drawLevel(row: u32): i32 {
  let h = (row + 1) * 0x9e3779b1 + seed * 0x85ebca6b;
  h = (h ^ (h >> 16)) * 0x7feb352d;
  h = (h ^ (h >> 15)) * 0x846ca68b;
  h ^= h >> 16;
  let level = 0;
  let threshold: u32 = 0xffffffff / <u32>degree;
  while (h < threshold && level < HIGHEST) {
    level++;
    threshold /= <u32>degree;
  }
  return level;
}

function isChosen(row: u32, kept: i32): bool {
  for (let i = 0; i < kept; i++) if (load<u32>(chosen + (<usize>i << 2)) == row) return true;
  return false;
}

/**
 * Adds the rows without another link to the chosen; how many are chosen then. They come last, so that
 * they do not shut out others.
 */
function addNeedy(keys: usize, count: i32, kept: i32, most: i32): i32 {
  for (let i = 0; i < count && kept < most; i++) {
    const row = <u32>keyAt(keys, i);
    if (load<u16>(inLinksOf(row)) != 0 || isChosen(row, kept)) continue;
    store<u32>(chosen + (<usize>kept << 2), row);
    kept++;
  }
  return kept;
}

function writeLinks(at: usize, count: i32): void {
  store<u32>(at, count);
  memory.copy(at + 4, chosen, <usize>count << 2);
}

/**
 * Whether a node's list keeps rows that have no other link. Under IP a row longer than all that are
 * filled up (see `encode.ts`) does not: it is the neighbour of so many that they would crowd out the
 * other long rows, through which searches go (recall .83 instead of .99, 8 dimensions).
 */
function keepsLast(node: u32): bool {
  return metric != IP || load<f32>(offsetAt(recordOf(node))) > 0;
}

/** Links a node to a new one; a full list is chosen anew. */
function linkBack(node: u32, to: u32, layer: i32): void {
  const most = layer == 0 ? degree0 : degree;
  const at = linksIn(node, layer);
  const count = load<u32>(at);
  if (<i32>count < most) {
    store<u32>(at + (<usize>(count + 1) << 2), to);
    store<u32>(at, count + 1);
    if (layer == 0) countIn(to);
    return;
  }
  queryByRow(node, otherCodes);
  memory.copy(batchRows, at + 4, <usize>count << 2);
  store<u32>(batchRows + (<usize>count << 2), to);
  compareBatch(otherCodes, count + 1);
  for (let i: i32 = 0; i <= <i32>count; i++) {
    const at4 = <usize>i << 2;
    setKey(candidates, i, keyOf(load<f32>(batchDistances + at4), load<u32>(batchRows + at4)));
  }
  sortKeys(candidates, count + 1);
  const without = layer == 0 ? countOld(at, to) : 0;
  const needy = keepsLast(node) ? without : 0;
  const kept = choose(candidates, count + 1, most - needy);
  writeLinks(at, needy > 0 ? addNeedy(candidates, count + 1, kept, most) : kept);
  if (layer > 0) return;
  countNew(at);
  noteDropped(at, <i32>count + 1);
}

/** Notes the candidates that a list chosen anew does not hold. */
function noteDropped(at: usize, count: i32): void {
  startVisit();
  const kept = load<u32>(at);
  for (let i: u32 = 1; i <= kept; i++) visit(load<u32>(at + (<usize>i << 2)));
  for (let i = 0; i < count; i++) if (!isVisited(<u32>keyAt(candidates, i))) loseLink(<u32>keyAt(candidates, i));
}

/** Takes a list's links out of the counts; how many of its rows, the new one included, have no other. */
function countOld(at: usize, to: u32): i32 {
  let needy = <i32>(load<u16>(inLinksOf(to)) == 0);
  const count = load<u32>(at);
  for (let i: u32 = 1; i <= count; i++) {
    const row = load<u32>(at + (<usize>i << 2));
    countOut(row);
    needy += <i32>(load<u16>(inLinksOf(row)) == 0);
  }
  return needy;
}

function countNew(at: usize): void {
  const count = load<u32>(at);
  for (let i: u32 = 1; i <= count; i++) countIn(load<u32>(at + (<usize>i << 2)));
}

/** The node among the nearest that looks the same as a row; NONE where there is none. */
function findTwin(row: u32, count: i32): u32 {
  for (let i = 0; i < min(count, TWINS_TRIED); i++) {
    const other = <u32>keyAt(found, i);
    if (sameCodes(row, other)) return other;
  }
  return NONE;
}

/** Chooses the links of a new node from its top layer down to `lowest`; its twin, if one is met, or NONE. */
function chooseLinks(row: u32, level: i32, lowest: i32): u32 {
  queryByRow(row, rowCodes);
  let key = startOf(rowCodes, level);
  for (let layer = min(level, top); layer >= lowest; layer--) {
    queryByRow(row, rowCodes);
    startVisit();
    visit(row);
    const count = walk(rowCodes, key, breadth, layer, 0);
    const twin = findTwin(row, count);
    if (twin != NONE) return twin;
    key = keyAt(found, 0);
    writeLinks(linksIn(row, layer), choose(found, count, degree));
  }
  return NONE;
}

/** Links the neighbours of a new node back to it, from its top layer down to `lowest`. */
function linkNeighbours(row: u32, level: i32, lowest: i32): void {
  for (let layer = min(level, top); layer >= lowest; layer--) {
    const at = linksIn(row, layer);
    const count = load<u32>(at);
    if (layer == 0) countNew(at);
    for (let i: u32 = 1; i <= count; i++) linkBack(load<u32>(at + (<usize>i << 2)), row, layer);
  }
}

/** Inserts one row; false when memory is exhausted, and then the graph is as before. */
function insertRow(row: u32): bool {
  const level = drawLevel(row);
  if (!makeNode(row, level)) return false;
  if (entry == NONE) {
    setEntry(row, level);
    return true;
  }
  const twin = chooseLinks(row, level, 0);
  if (twin != NONE) {
    becomeTwin(row, twin);
    return true;
  }
  linkNeighbours(row, level, 0);
  if (level > top) setEntry(row, level);
  proveWithLosers(row);
  return true;
}

/** Links a node in the layers above 0 only. */
export function insertAbove(row: u32): void {
  const level = <i32>load<u8>(levelOf(row));
  if (entry == NONE) return setEntry(row, level);
  chooseLinks(row, level, 1);
  linkNeighbours(row, level, 1);
  if (level > top) setEntry(row, level);
}

/** Inserts the next rows, at most `count`; how many were, or -1 when memory was exhausted before one was. */
export function insertRows(count: i32): i32 {
  if (!reserveWalk(breadth)) return -1;
  let done = 0;
  while (done < count && inserted < rowCount) {
    if (!insertRow(inserted)) return done > 0 ? done : -1;
    setInserted(inserted + 1);
    done++;
  }
  return done;
}
