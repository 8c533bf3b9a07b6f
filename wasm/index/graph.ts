/**
 * The graph: which rows are linked in which layer, where a walk starts, and what it has visited.
 * Layer 0 lies beside the rows; the upper layers, in which few rows are, lie in slots of their own.
 */
import { countBits4, dotCodes4 } from './dot';
import { queryOffset, queryScale, queryWeight } from './encode';
import { allocate, enlarge } from './memory';
import {
  degree0, HAMMING, inLinksOf, levelOf, linksOf, metric, NO_NODE, padded, recordOf, scaleAt, twinOf, upperOf,
} from './rows';

/** No row: where the graph is empty, and where a slot is missing. */
export const NONE: u32 = 0xffffffff;
const SLOTS_PER_BLOCK: u32 = 64;

/** Row at which every walk starts; NONE while the graph is empty. */
export let entry: u32 = NONE;
/** Highest layer in use. */
export let top: i32 = 0;
/** Rows `0 .. inserted - 1` are in the graph. */
export let inserted: u32 = 0;
/** Most links in an upper layer. */
export let degree: i32 = 0;

let slotBytes: usize = 0;
let slotTable: usize = 0;
let slotTableCapacity: u32 = 0;
let slotBlocks: u32 = 0;
let slotCount: u32 = 0;

let visited: usize = 0;
let visitedCapacity: u32 = 0;
let epoch: u32 = 0;

/** Row numbers to compare next, and their distances; room for one list and what rounds it up. */
export let batchRows: usize = 0;
export let batchDistances: usize = 0;

/** Sets the shape of the graph; false when memory is exhausted. */
export function layGraph(links: i32): bool {
  degree = links;
  slotBytes = <usize>(links + 1) << 2;
  const room = <u64>(max(degree0, 64) + 8) << 2;
  batchRows = allocate(room);
  batchDistances = allocate(room);
  return batchRows != 0 && batchDistances != 0;
}

export function setEntry(row: u32, layer: i32): void {
  entry = row;
  top = layer;
}

export function setInserted(rows: u32): void {
  inserted = rows;
}

/** Makes room to mark that many rows as visited; false when memory is exhausted. */
export function reserveVisited(rows: u32): bool {
  if (rows <= visitedCapacity) return true;
  const capacity = max(rows, max(visitedCapacity * 2, 1024));
  const larger = allocate(<u64>capacity);
  if (larger == 0) return false;
  visited = larger;
  visitedCapacity = capacity;
  epoch = 0;
  return true;
}

/** Forgets what was visited: a new number instead of clearing, 255 times out of 256. */
export function startVisit(): void {
  epoch++;
  if (epoch < 256) return;
  memory.fill(visited, 0, visitedCapacity);
  epoch = 1;
}

/** Marks a row; whether it was marked before. */
// @ts-ignore: decorator
@inline
export function visit(row: u32): bool {
  const at = visited + <usize>row;
  const before = <u32>load<u8>(at) == epoch;
  store<u8>(at, <u8>epoch);
  return before;
}

/** Whether a row is marked. */
// @ts-ignore: decorator
@inline
export function isVisited(row: u32): bool {
  return <u32>load<u8>(visited + <usize>row) == epoch;
}

// Upper layers

function slotOf(slot: u32): usize {
  const block = <usize>load<u32>(slotTable + (<usize>(slot / SLOTS_PER_BLOCK) << 2));
  return block + <usize>(slot % SLOTS_PER_BLOCK) * slotBytes;
}

function addSlotBlock(): bool {
  if (slotBlocks == slotTableCapacity) {
    const capacity = max(slotTableCapacity * 2, 64);
    const larger = enlarge(slotTable, <u64>slotTableCapacity << 2, <u64>capacity << 2);
    if (larger == 0) return false;
    slotTable = larger;
    slotTableCapacity = capacity;
  }
  const block = allocate(<u64>slotBytes * SLOTS_PER_BLOCK);
  if (block == 0) return false;
  store<u32>(slotTable + (<usize>slotBlocks << 2), <u32>block);
  slotBlocks++;
  return true;
}

/** Makes a row a node of layers 0 to `level`, without links; false when memory is exhausted. */
export function makeNode(row: u32, level: i32): bool {
  const first = slotCount;
  while (slotBlocks * SLOTS_PER_BLOCK < first + <u32>level) if (!addSlotBlock()) return false;
  for (let i = 0; i < level; i++) store<u32>(slotOf(first + i), 0);
  slotCount = first + level;
  store<u32>(upperOf(row), first);
  store<u8>(levelOf(row), <u8>level);
  store<u32>(linksOf(row), 0);
  store<u32>(twinOf(row), 0);
  store<u16>(inLinksOf(row), 0);
  return true;
}

/** Takes back the newest {@link makeNode} and lets another row stand for this one. */
export function becomeTwin(row: u32, node: u32): void {
  slotCount -= <u32>load<u8>(levelOf(row));
  store<u8>(levelOf(row), NO_NODE);
  store<u32>(linksOf(row), 0);
  store<u32>(twinOf(row), load<u32>(twinOf(node)));
  store<u32>(twinOf(node), row + 1);
}

/** Address of a node's links in a layer: their number, then row numbers. */
// @ts-ignore: decorator
@inline
export function linksIn(row: u32, layer: i32): usize {
  return layer == 0 ? linksOf(row) : slotOf(load<u32>(upperOf(row)) + <u32>(layer - 1));
}

/** Counts a link to a row in layer 0. */
export function countIn(row: u32): void {
  const at = inLinksOf(row);
  const count = <u32>load<u16>(at);
  if (count < 65535) store<u16>(at, <u16>(count + 1));
}

/** Takes back {@link countIn}; what was too much to count stays so. */
export function countOut(row: u32): void {
  const at = inLinksOf(row);
  const count = <u32>load<u16>(at);
  if (count < 65535) store<u16>(at, <u16>(count - 1));
}

/** Counts the links of all rows, after a graph was put in. */
export function countLinks(): void {
  for (let row: u32 = 0; row < inserted; row++) {
    if (load<u8>(levelOf(row)) == NO_NODE) continue;
    const at = linksOf(row);
    const count = load<u32>(at);
    for (let i: u32 = 1; i <= count; i++) countIn(load<u32>(at + (<usize>i << 2)));
  }
}

/** Empties the graph; rows stay. */
export function clearGraph(): void {
  entry = NONE;
  top = 0;
  inserted = 0;
  slotCount = 0;
}

// Distances by codes

/** Distances of the first `count` rows of the batch to a query's codes. */
export function compareBatch(codes: usize, count: i32): void {
  let at = batchRows + (<usize>count << 2);
  const last = load<u32>(at - 4);
  // Rounds up to four with the last row: three more comparisons are cheaper than a loop for the rest.
  for (let i = count; (i & 3) != 0; i++) {
    store<u32>(at, last);
    at += 4;
  }
  for (let i: usize = 0; i < <usize>count << 2; i += 16) {
    v128.store(batchDistances + i, compareFour(codes, batchRows + i));
  }
}

// @ts-ignore: decorator
@inline
function compareFour(codes: usize, rows: usize): v128 {
  const a = recordOf(load<u32>(rows));
  const b = recordOf(load<u32>(rows, 4));
  const c = recordOf(load<u32>(rows, 8));
  const d = recordOf(load<u32>(rows, 12));
  if (metric == HAMMING) return countBits4(codes, a, b, c, d);
  const dots = f32x4.convert_i32x4_s(dotCodes4(codes, a, b, c, d));
  const metaAB = v128.shuffle<i32>(v128.load(a + padded), v128.load(b + padded), 0, 4, 1, 5);
  const metaCD = v128.shuffle<i32>(v128.load(c + padded), v128.load(d + padded), 0, 4, 1, 5);
  const scales = v128.shuffle<i32>(metaAB, metaCD, 0, 1, 4, 5);
  const offsets = v128.shuffle<i32>(metaAB, metaCD, 2, 3, 6, 7);
  return f32x4.sub(
    f32x4.add(f32x4.mul(offsets, f32x4.splat(queryWeight)), f32x4.splat(queryOffset)),
    f32x4.mul(dots, f32x4.mul(scales, f32x4.splat(queryScale))),
  );
}

/** Distance of one row to a query's codes. */
export function compareOne(codes: usize, row: u32): f32 {
  store<u32>(batchRows, row);
  compareBatch(codes, 1);
  return load<f32>(batchDistances);
}

/** Whether two rows look the same to the graph: equal codes, and scales within a tenth of a percent. */
export function sameCodes(a: u32, b: u32): bool {
  let left = recordOf(a);
  let right = recordOf(b);
  const scale = load<f32>(scaleAt(left));
  if (Mathf.abs(load<f32>(scaleAt(right)) - scale) > scale * <f32>0.001) return false;
  const end = left + padded;
  while (left < end) {
    if (v128.any_true(v128.xor(v128.load(left), v128.load(right)))) return false;
    left += 16;
    right += 16;
  }
  return true;
}
