/**
 * The kernel of the vector index, as its host sees it. One instance is one index. Pointers are valid
 * until the next call that may allocate. Nothing is checked here that the host checks: dimensions,
 * limits, and every number of a graph that is put in.
 */
import {
  answerLinks, chooseNearest, keepAnchors, layBulk, linkAbove, makeNodes, nodesAt, orderNodes, proveNodes, takeSample, writeLists,
} from './bulk';
import { adoptRows, appendRows, layQuery, queryFloats, takeBack, takeQuery, trueDistance } from './encode';
import {
  clearGraph, countLinks, entry, inserted, layGraph, linksIn, makeNode, reserveVisited, setEntry, setInserted, top,
} from './graph';
import { distanceOf, keyAt, reserveNear } from './heap';
import { insertRows, layInsertion } from './insert';
import { assignNodes, layLeaders, leadersAt, leavesAt, membersAt, packLeaders, sortLeaves } from './leaders';
import { joinLeaf, layLeaf, openLeaf } from './leaf';
import { allocate, limitMemory, usedBytes } from './memory';
import {
  commitRows, degree0, floatsOf, inLinksOf, L2, layRows, layStage, levelOf, linksOf, metric, padded, recordOf, recordStride, reserveBlocks, rowsPerBlock, twinOf,
} from './rows';
import { bestKeys, finishBest, layScan, scanAllowed, scanRows, startBest } from './scan';
import { siftedRows, siftRows } from './sift';
import { laySigns } from './signs';
import { searchGraph } from './walk';

export {
  clearGraph, countLinks, floatsOf, inLinksOf, insertRows, levelOf, limitMemory, linksIn, linksOf, makeNode, rowsPerBlock, scanRows, searchGraph,
  setEntry, setInserted, startBest, takeBack, takeQuery, twinOf, usedBytes, adoptRows, appendRows, siftedRows, siftRows,
  // Bulk build
  answerLinks, assignNodes, chooseNearest, commitRows, joinLeaf, keepAnchors, layBulk, layLeaders, layLeaf, leadersAt,
  leavesAt, linkAbove, makeNodes, membersAt, nodesAt, openLeaf, orderNodes, packLeaders, recordOf, recordStride, sortLeaves,
  proveNodes, takeSample, writeLists,
};

/** Hits for which there is always memory. */
const FEW: i32 = 1024;

/** Sets up an index; false when memory is exhausted. `links` is M, or 0 for no graph; `floats`, `signs`: keep them. */
export function setUp(
  dimension: i32, metricCode: i32, links: i32, efConstruction: i32, seed: u32, floats: bool, signs: bool,
): bool {
  layRows(dimension, metricCode, 2 * links, floats, signs);
  if (!layStage() || !layQuery() || !laySigns() || !layScan() || !startBest(FEW)) return false;
  return links == 0 || (layGraph(links) && layInsertion(efConstruction, seed));
}

/** Makes room for that many rows altogether, and for searches among them; false when memory is exhausted. */
export function reserveRows(rows: u32): bool {
  if (degree0 > 0 && !(reserveVisited(rows) && reserveNear(rows))) return false;
  return bitmapOf((rows + 31) >> 5) != 0 && reserveBlocks(rows);
}

export function queryAt(): usize {
  return queryFloats;
}

export function paddedDimension(): u32 {
  return <u32>padded;
}

export function entryRow(): u32 {
  return entry;
}

export function topLayer(): i32 {
  return top;
}

export function insertedRows(): u32 {
  return inserted;
}

let bitmap: usize = 0;
let bitmapWords: u32 = 0;

/** Room for a bitmap of that many words; 0 when memory is exhausted. */
export function bitmapOf(words: u32): usize {
  if (words <= bitmapWords) return bitmap;
  const larger = allocate(<u64>max(words, bitmapWords * 2) << 2);
  if (larger == 0) return 0;
  bitmapWords = max(words, bitmapWords * 2);
  bitmap = larger;
  return bitmap;
}

/** Offers the rows of a range that the bitmap allows. */
export function scanBitmap(from: u32, to: u32): void {
  scanAllowed(bitmap, from, to);
}

/** Turns a distance into a score: the inner product, the cosine, the squared distance, or the bits that differ. */
function scoreOf(distance: f32): f32 {
  return metric >= L2 ? distance : 0 - distance;
}

/** Sorts the best, turns each key into row and score (two u32 and f32 side by side); their number. */
export function finish(): i32 {
  const count = finishBest();
  const keys = bestKeys();
  for (let i = 0; i < count; i++) {
    const key = keyAt(keys, i);
    const at = keys + (<usize>i << 3);
    store<u32>(at, <u32>key);
    store<f32>(at, scoreOf(distanceOf(key)), 4);
  }
  return count;
}

export function bestAt(): usize {
  return bestKeys();
}

/** Score of one row. */
export function scoreRow(row: u32): f32 {
  return scoreOf(trueDistance(row));
}

/** A number that changes with any code of rows `0 .. rows - 1`, their order included. */
export function hashCodes(rows: u32): u32 {
  let h: u64 = 0x9e3779b97f4a7c15 ^ <u64>rows;
  for (let row: u32 = 0; row < rows; row++) {
    let at = recordOf(row);
    const end = at + padded;
    while (at < end) {
      h = (h ^ load<u64>(at)) * 0x9fb21c651e98df25;
      h ^= h >> 32;
      at += 8;
    }
    h = (h ^ <u64>load<u32>(at)) * 0x9fb21c651e98df25;
    h ^= h >> 29;
  }
  return <u32>(h ^ (h >> 32));
}
