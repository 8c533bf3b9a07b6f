/**
 * Whether a search for a row's own vector comes to the row, and links that make it so. Nothing about how
 * links are chosen promises it: a node can have links to it and none that a search follows. The search
 * ends when it meets the row, so that proving 93,150 rows takes about a fifth of a bulk build.
 *
 * A row that was proved can be lost again when a full list drops it; so rows to which few links are left
 * are searched for anew.
 */
import { queryByRow } from './encode';
import { countIn, countOut, isVisited, startVisit } from './graph';
import { keyAt } from './heap';
import { allocate } from './memory';
import { degree0, inLinksOf, linksOf, padded } from './rows';
import { found, reserveWalk, startOf, walkTo } from './walk';

/** Nodes that the search keeps: fewer than the 100 that every row is to be found with. */
const BREADTH: i32 = 64;
/** Nodes that may be linked to one that is not found. */
const HELPERS: i32 = 3;

/** Rows with fewer links to them than this are searched for when they lose one. */
const FEW: u32 = 4;
/** Rows that wait to be searched for, at most. */
const MOST_SUSPECTS: i32 = 256;

let codes: usize = 0;
let suspects: usize = 0;
let suspectCount: i32 = 0;
/** Links that were dropped for others. */
let drops: i32 = 0;

/** False when memory is exhausted. */
export function layProof(): bool {
  codes = allocate(<u64>padded << 1);
  suspects = allocate(<u64>MOST_SUSPECTS << 2);
  return codes != 0 && suspects != 0 && reserveWalk(BREADTH);
}

/** Notes that a row has lost a link to it. */
export function loseLink(row: u32): void {
  if (<u32>load<u16>(inLinksOf(row)) < FEW) addSuspect(row);
}

function addSuspect(row: u32): void {
  if (suspectCount == MOST_SUSPECTS) return;
  store<u32>(suspects + (<usize>suspectCount << 2), row);
  suspectCount++;
}

/** Searches for a row, and for those that lost a link meanwhile, a bounded number of them; how many lost one for it. */
export function proveWithLosers(row: u32): i32 {
  drops = 0;
  proveNode(row);
  let tried = 0;
  while (suspectCount > 0 && tried++ < MOST_SUSPECTS) {
    suspectCount--;
    proveNode(load<u32>(suspects + (<usize>suspectCount << 2)));
  }
  suspectCount = 0;
  return drops;
}

/** Searches for a row, and links it from the nearest that are found until it is found itself. */
function proveNode(row: u32): void {
  for (let attempt = 0; attempt < HELPERS; attempt++) {
    const count = search(row);
    if (count == 0) return;
    linkTo(<u32>keyAt(found, min(attempt, count - 1)), row);
  }
}

/** 0 when the row is met; otherwise how many nodes were found instead, the nearest first. */
function search(row: u32): i32 {
  queryByRow(row, codes);
  const key = startOf(codes, 0);
  startVisit();
  const count = walkTo(codes, key, BREADTH, row);
  return isVisited(row) ? 0 : count;
}

/**
 * Links a node to a row. A full list gives up one from its middle: the nearest rows lead to each other,
 * and the last lead to where nothing else may lead, as the new one does, which therefore is put last.
 */
function linkTo(node: u32, row: u32): void {
  const at = linksOf(node);
  const count = load<u32>(at);
  if (<i32>count == degree0) dropMiddle(at, count);
  else store<u32>(at, count + 1);
  store<u32>(at + (<usize>load<u32>(at) << 2), row);
  countIn(row);
}

/** Drops a link that leaves its row others, where there is one; the last place is free then. */
function dropMiddle(at: usize, count: u32): void {
  let place = count >> 1;
  while (place > 1 && <u32>load<u16>(inLinksOf(load<u32>(at + (<usize>place << 2)))) <= FEW) place--;
  const from = at + (<usize>place << 2);
  const loser = load<u32>(from);
  memory.copy(from, from + 4, <usize>(count - place) << 2);
  countOut(loser);
  drops++;
  addSuspect(loser);
}
