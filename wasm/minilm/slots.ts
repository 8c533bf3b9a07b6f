/**
 * Two batches may be under way side by side, so that a query runs in the middle of bulk work. A slot is
 * one piece of memory behind the model: where its sequences begin, the hidden states, and query, key and value of every row. The bulk slot lies behind the
 * query slot and moves when that one grows. What an empty slot has grown to is given up where the other one
 * would find no room beside it.
 */
import { aligned, allocatedEnd, reach } from './memory';
import { context, hidden, width } from './shape';

export const QUERY_SLOT: i32 = 0;
export const BULK_SLOT: i32 = 1;

/** Rows by which a slot grows at least: batches that differ by a few tokens do not move anything. */
const GROWTH: i32 = 64;
/** Rows behind the last that panels of 8 keys may read; what they hold is never used. */
const SLACK: i32 = 8;

/** Where a batch stands. */
@unmanaged
export class Slot {
  /** Rows that there is room for. */
  capacity: i32;
  rows: i32;
  sequences: i32;
  /** What is done next, 0 where the slot is empty; see `forward.ts`. */
  phase: i32;
  layer: i32;
  /** Row, or sequence, that is next in this phase. */
  next: i32;
  /** Head of that sequence, and row in it, that are next. */
  head: i32;
  row: i32;
}

const SLOTS: usize = memory.data(2 * 64, 16);

export function slotOf(slot: i32): Slot {
  return changetype<Slot>(SLOTS + <usize>slot * 64);
}

function startsBytes(rows: i32): u64 {
  return aligned((<u64>rows + 1) << 2);
}

function hiddenBytes(rows: i32): u64 {
  return aligned((<u64>rows * <u64>width) << 2);
}

function slotBytes(rows: i32): u64 {
  if (rows == 0) return 0;
  return startsBytes(rows) + hiddenBytes(rows) + aligned((<u64>(rows + SLACK) * 3 * <u64>context) << 2);
}

function baseOf(slot: i32): usize {
  const first = allocatedEnd();
  return slot == QUERY_SLOT ? first : first + <usize>slotBytes(slotOf(QUERY_SLOT).capacity);
}

/** Address of the row at which each sequence begins, and behind the last the number of rows; int32. */
export function startsAt(slot: i32): usize {
  return baseOf(slot);
}

/** Address of the hidden states, float32, `width` columns. */
export function statesAt(slot: i32): usize {
  return baseOf(slot) + <usize>startsBytes(slotOf(slot).capacity);
}

/** Address of query, key and value, float32, 3 x `context` columns. */
export function headsAt(slot: i32): usize {
  return statesAt(slot) + <usize>hiddenBytes(slotOf(slot).capacity);
}

/** Address of the token ids, int32: read before the first query, key and value is written. */
export function idsAt(slot: i32): usize {
  return headsAt(slot);
}

/** Address of the vectors, float32, `hidden` columns: written when the last query, key and value was read. */
export function vectorsAt(slot: i32): usize {
  return headsAt(slot);
}

/** Address of one sequence's vector. */
export function vectorAt(slot: i32, sequence: i32): usize {
  return vectorsAt(slot) + (<usize>sequence * <usize>hidden << 2);
}

/** First row of a sequence. */
export function startOf(slot: i32, sequence: i32): i32 {
  return load<i32>(startsAt(slot) + (<usize>sequence << 2));
}

/** Makes room for that many rows in an empty slot; false when memory is exhausted, and then nothing changed. */
export function reserveSlot(slot: i32, rows: i32): bool {
  const own = slotOf(slot);
  if (rows <= own.capacity) return true;
  const bulk = slotOf(BULK_SLOT);
  const capacity = (rows + GROWTH - 1) / GROWTH * GROWTH;
  const other = slot == QUERY_SLOT ? bulk : slotOf(QUERY_SLOT);
  const end = <u64>allocatedEnd() + slotBytes(capacity);
  if (!reach(end + slotBytes(other.capacity))) {
    if (other.phase != 0 || !reach(end)) return false;
    other.capacity = 0;
  }
  const before = baseOf(BULK_SLOT);
  own.capacity = capacity;
  const after = baseOf(BULK_SLOT);
  if (after != before) memory.copy(after, before, <usize>slotBytes(bulk.capacity));
  return true;
}
