/**
 * The choice of a node's links among its nearest: algorithm 4 of the paper named in `walk.ts`. A
 * candidate is dropped when it is nearer to a neighbour already chosen than to the node itself, so that
 * links lead in all directions. Two differences: as near is near enough (`<=`, not `<`; see `insert.ts`),
 * and the distance to the node may be divided by `alpha` first (Subramanya et al., "DiskANN", 2019), so
 * that more links are kept: lists that hold nothing but the nearest need it.
 */
import { halfSquare, queryByRow } from './encode';
import { batchDistances, batchRows, compareBatch } from './graph';
import { distanceOf, keyAt } from './heap';
import { allocate } from './memory';
import { padded } from './rows';

/** Rows already chosen, and what is added to a distance to them. */
export let chosen: usize = 0;
let halves: usize = 0;
/** Codes of a candidate. */
let codes: usize = 0;

/** Room for that many chosen rows; false when memory is exhausted. */
export function layChoice(most: i32): bool {
  chosen = allocate(<u64>(most + 8) << 2);
  halves = allocate(<u64>(most + 8) << 2);
  codes = allocate(<u64>padded << 1);
  return chosen != 0 && halves != 0 && codes != 0;
}

/** Whether a candidate is farther than `cut` from each of the chosen. */
function isApart(row: u32, cut: f32, chosenCount: i32): bool {
  if (chosenCount == 0) return true;
  queryByRow(row, codes);
  for (let from = 0; from < chosenCount; from += 4) {
    const count = min(4, chosenCount - from);
    const at = <usize>from << 2;
    v128.store(batchRows, v128.load(chosen + at));
    compareBatch(codes, count);
    const distances = f32x4.add(v128.load(batchDistances), v128.load(halves + at));
    const near = i32x4.bitmask(f32x4.le(distances, f32x4.splat(cut)));
    if ((near & ((1 << count) - 1)) != 0) return false;
  }
  return true;
}

/** Chooses at most `most` of the sorted keys into {@link chosen}; their number. */
export function choose(keys: usize, count: i32, most: i32): i32 {
  let kept = 0;
  for (let i = 0; i < count && kept < most; i++) {
    const key = keyAt(keys, i);
    const row = <u32>key;
    if (!isApart(row, distanceOf(key), kept)) continue;
    store<u32>(chosen + (<usize>kept << 2), row);
    store<f32>(halves + (<usize>kept << 2), 0);
    kept++;
  }
  return kept;
}

/** As {@link choose}, for the links of `node` and with an alpha above 1, which needs true distances. */
export function chooseApart(node: u32, keys: usize, count: i32, most: i32, alpha: f32): i32 {
  const own = halfSquare(node);
  const inverse: f32 = 1 / alpha;
  let kept = 0;
  for (let i = 0; i < count && kept < most; i++) {
    const key = keyAt(keys, i);
    const row = <u32>key;
    const half = halfSquare(row);
    const cut = (distanceOf(key) + own + half) * inverse - half;
    if (!isApart(row, cut, kept)) continue;
    store<u32>(chosen + (<usize>kept << 2), row);
    store<f32>(halves + (<usize>kept << 2), half);
    kept++;
  }
  return kept;
}
