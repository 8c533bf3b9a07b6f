/**
 * Where a bulk build looks for neighbours: each node goes to the few leaders nearest to it, and all
 * nodes of one leader are a leaf. Neighbours share a leader more often than not, so that comparing all
 * pairs inside each leaf finds them.
 */
import { queryScale, queryWeight, termsByRow } from './encode';
import { allocate } from './memory';
import { offsetAt, recordOf, scaleAt } from './rows';
import { multiplyRows, packedBytes, packRows, TILE, tileOf } from './tile';

/** Nodes assigned at once: their packed codes stay in the first cache while leaders stream by. */
const TOGETHER: i32 = 24;
const SPARE: u64 = 16;
/** Leaders a node can go to, and their largest number. */
const MOST_FAN: i32 = 8;
const NO_LEADER: u16 = 0xffff;

/** Leaders a node goes to. */
let fan: i32 = 0;
let leaderCount: i32 = 0;
let leaders: usize = 0;
let packedLeaders: usize = 0;
let scales: usize = 0;
let offsets: usize = 0;
/** Leaders of each row, nearest first: eight u16, {@link NO_LEADER} where there are fewer. */
let assigned: usize = 0;
let packedNodes: usize = 0;
let products: usize = 0;
let stride: usize = 0;
/** The nearest leaders of one node so far. */
let bestDistances: usize = 0;
let bestLeaders: usize = 0;

/** Rows of the nodes, leaf by leaf, and where each leaf begins. */
let members: usize = 0;
let leafStarts: usize = 0;

/** Makes room for that many leaders of nodes among `rows` rows; false when memory is exhausted. */
export function layLeaders(rows: i32, nodes: i32, most: i32): bool {
  const columns = (<u64>most + SPARE) << 2;
  stride = <usize>columns;
  leaders = allocate(columns);
  scales = allocate(columns);
  offsets = allocate(columns);
  leafStarts = allocate(columns);
  packedLeaders = allocate((<u64>most + TILE) * <u64>packedBytes());
  packedNodes = allocate(<u64>TOGETHER * <u64>packedBytes());
  products = allocate(<u64>TOGETHER * columns);
  bestDistances = allocate(<u64>(MOST_FAN + 1) << 2);
  bestLeaders = allocate(<u64>(MOST_FAN + 1) << 2);
  assigned = allocate(<u64>rows << 4);
  members = allocate(<u64>nodes * <u64>MOST_FAN << 2);
  return (
    leaders != 0 && scales != 0 && offsets != 0 && leafStarts != 0 && packedLeaders != 0 &&
    packedNodes != 0 && products != 0 && bestLeaders != 0 && assigned != 0 && members != 0
  );
}

/** Where the row numbers of the leaders are to be written before {@link packLeaders}. */
export function leadersAt(): usize {
  return leaders;
}

export function membersAt(): usize {
  return members;
}

export function leavesAt(): usize {
  return leafStarts;
}

/** Address of the leaders of a row: eight u16. */
// @ts-ignore: decorator
@inline
export function leadersOf(row: u32): usize {
  return assigned + (<usize>row << 4);
}

/** Takes `count` leaders; each node goes to `wanted` of them. */
export function packLeaders(count: i32, wanted: i32): void {
  leaderCount = count;
  fan = min(min(wanted, MOST_FAN), count);
  packRows(packedLeaders, leaders, leaderCount);
  for (let i = 0; i < leaderCount; i++) {
    const record = recordOf(load<u32>(leaders + (<usize>i << 2)));
    store<f32>(scales + (<usize>i << 2), load<f32>(scaleAt(record)));
    store<f32>(offsets + (<usize>i << 2), load<f32>(offsetAt(record)));
  }
}

/** Assigns nodes `from .. to - 1` of the row numbers at `nodes`. */
export function assignNodes(nodes: usize, from: i32, to: i32): void {
  for (let first = from; first < to; first += TOGETHER) {
    const count = min(TOGETHER, to - first);
    const rows = nodes + (<usize>first << 2);
    packRows(packedNodes, rows, count);
    multiplyTogether(count);
    for (let i = 0; i < count; i++) {
      const row = load<u32>(rows + (<usize>i << 2));
      chooseLeaders(row, products + <usize>i * stride);
      const list = leadersOf(row);
      v128.store(list, i16x8.splat(NO_LEADER));
      for (let f: usize = 0; f < <usize>fan; f++) store<u16>(list + (f << 1), <u16>load<u32>(bestLeaders + (f << 2)));
    }
  }
}

function multiplyTogether(count: i32): void {
  for (let j = 0; j < leaderCount; j += TILE) {
    for (let i = 0; i < count; i += TILE) {
      const a = tileOf(packedNodes, i);
      multiplyRows(a, packedLeaders, j, j + TILE, products + <usize>i * stride, stride);
    }
  }
}

/** The leaders nearest to a row, into `bestLeaders`. */
function chooseLeaders(row: u32, dots: usize): void {
  termsByRow(row);
  const scale = f32x4.splat(queryScale);
  const weight = f32x4.splat(queryWeight);
  let found = 0;
  let worst: f32 = Infinity;
  for (let j = 0; j < leaderCount; j += 4) {
    const at = <usize>j << 2;
    const dot = f32x4.convert_i32x4_s(v128.load(dots + at));
    const distances = f32x4.sub(
      f32x4.mul(v128.load(offsets + at), weight),
      f32x4.mul(dot, f32x4.mul(v128.load(scales + at), scale)),
    );
    if (!v128.any_true(f32x4.lt(distances, f32x4.splat(worst)))) continue;
    v128.store(dots + at, distances);
    for (let t = j; t < min(j + 4, leaderCount); t++) {
      const distance = load<f32>(dots + (<usize>t << 2));
      if (distance >= worst) continue;
      placeLeader(distance, t, min(found, fan - 1));
      if (found < fan) found++;
      if (found == fan) worst = load<f32>(bestDistances + (<usize>(fan - 1) << 2));
    }
  }
}

/** Puts a leader in its place among the nearest, of which `at` stay. */
function placeLeader(distance: f32, leader: i32, at: i32): void {
  let i = <usize>at << 2;
  while (i > 0 && load<f32>(bestDistances + i - 4) > distance) {
    store<f32>(bestDistances + i, load<f32>(bestDistances + i - 4));
    store<u32>(bestLeaders + i, load<u32>(bestLeaders + i - 4));
    i -= 4;
  }
  store<f32>(bestDistances + i, distance);
  store<u32>(bestLeaders + i, leader);
}

/** Sorts the assigned nodes by leaf: {@link members}. `ranks`: how many of a node's leaders count. */
export function sortLeaves(nodes: usize, count: i32, ranks: i32): void {
  const used = <usize>min(ranks, fan);
  memory.fill(leafStarts, 0, <usize>(leaderCount + 2) << 2);
  for (let i = 0; i < count; i++) {
    const list = leadersOf(load<u32>(nodes + (<usize>i << 2)));
    for (let f: usize = 0; f < used; f++) {
      const at = leafStarts + (<usize>(<u32>load<u16>(list + (f << 1)) + 2) << 2);
      store<u32>(at, load<u32>(at) + 1);
    }
  }
  for (let leaf = 2; leaf < leaderCount + 2; leaf++) {
    const at = leafStarts + (<usize>leaf << 2);
    store<u32>(at, load<u32>(at) + load<u32>(at - 4));
  }
  // Each start moves to the end of its leaf, which is the start of the next, one place before.
  for (let i = 0; i < count; i++) {
    const row = load<u32>(nodes + (<usize>i << 2));
    const list = leadersOf(row);
    for (let f: usize = 0; f < used; f++) {
      const at = leafStarts + (<usize>(<u32>load<u16>(list + (f << 1)) + 1) << 2);
      const to = load<u32>(at);
      store<u32>(members + (<usize>to << 2), row);
      store<u32>(at, to + 1);
    }
  }
}
