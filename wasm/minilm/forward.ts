/**
 * The forward pass in steps of about a millisecond (at 40 G multiply-adds a second), so that the thread
 * can turn to something else in between. Rows of all sequences lie behind each other without padding;
 * only attention looks at one sequence at a time. What a row becomes does not depend on its neighbours.
 */
import { attend } from './attention';
import { embedTokens } from './embed';
import { layerNorm } from './layer-norm';
import { linear, quantise } from './linear';
import { pool } from './pooling';
import { BLOCK_ROWS, feedRows, quantised } from './scratch';
import {
  ATTENTION_IN, ATTENTION_OUT, columnsOf, context, FEED_IN, FEED_OUT, feed, gainAt, headWidth, heads, innerOf, layers,
  linearAt, shiftAt, width,
} from './shape';
import { headsAt, idsAt, Slot, slotOf, startOf, statesAt, vectorAt } from './slots';

const EMPTY: i32 = 0;
const EMBED: i32 = 1;
const HEADS: i32 = 2;
const ATTEND: i32 = 3;
const FEED: i32 = 4;
const POOL: i32 = 5;
const DONE: i32 = 6;

/** Modes of `linear`. */
const STORE: i32 = 0;
const ADD: i32 = 1;
const GELU: i32 = 2;

/** Multiply-adds of a step of a linear layer. */
const STEP: i64 = 40_000_000;
/** Multiply-adds of a step of attention, which are dearer; a head or a part of one may go beyond. */
const ATTEND_STEP: i64 = 8_000_000;
/** Rows that are looked up, or pooled, in one step. */
const LIGHT_ROWS: i32 = 1024;

/** Begins a batch whose ids and starts were written to a reserved slot. */
export function startBatch(slot: i32, sequences: i32): void {
  const own = slotOf(slot);
  own.sequences = sequences;
  own.rows = startOf(slot, sequences);
  own.layer = 0;
  enter(own, EMBED);
}

/** Forgets a batch, done or not. */
export function dropBatch(slot: i32): void {
  slotOf(slot).phase = EMPTY;
}

function enter(own: Slot, phase: i32): void {
  own.phase = phase;
  own.next = 0;
  own.head = 0;
  own.row = 0;
}

/** Does one bounded piece of a batch; true when it is done. */
export function step(slot: i32): bool {
  const own = slotOf(slot);
  switch (own.phase) {
    case EMBED: embedStep(slot, own); break;
    case HEADS: headsStep(slot, own); break;
    case ATTEND: attendStep(slot, own); break;
    case FEED: feedStep(slot, own); break;
    case POOL: poolStep(slot, own); break;
  }
  return own.phase == DONE;
}

/** Rows of the next block: as even as may be, none larger than {@link BLOCK_ROWS} or than a step. */
function blockOf(left: i32, work: i64): i32 {
  const most = min(BLOCK_ROWS, max(1, <i32>(STEP / work)));
  const blocks = (left + most - 1) / most;
  return (left + blocks - 1) / blocks;
}

function rowAt(states: usize, row: i32): usize {
  return states + (<usize>row * <usize>width << 2);
}

/** Looks up whole sequences, at least one. */
function embedStep(slot: i32, own: Slot): void {
  const states = statesAt(slot);
  const first = startOf(slot, own.next);
  let end = first;
  do {
    const start = end;
    end = startOf(slot, ++own.next);
    embedTokens(idsAt(slot) + (<usize>start << 2), end - start, rowAt(states, start));
  } while (own.next < own.sequences && end - first < LIGHT_ROWS);
  layerNorm(rowAt(states, first), end - first, gainAt(-1, 0), shiftAt(-1, 0));
  if (own.next == own.sequences) enter(own, layers > 0 ? HEADS : POOL);
}

/** One linear layer over a block that was quantised. */
function apply(layer: i32, kind: i32, rows: i32, to: usize, stride: usize, mode: i32): void {
  linear(linearAt(layer, kind), columnsOf(kind), innerOf(kind), quantised, rows, to, stride, mode);
}

/** Query, key and value of a block of rows. */
function headsStep(slot: i32, own: Slot): void {
  const rows = blockOf(own.rows - own.next, 3 * <i64>context * <i64>width);
  const stride = <usize>(3 * context) << 2;
  quantise(rowAt(statesAt(slot), own.next), <usize>width << 2, rows, width, quantised);
  apply(own.layer, ATTENTION_IN, rows, headsAt(slot) + <usize>own.next * stride, stride, STORE);
  own.next += rows;
  if (own.next == own.rows) enter(own, ATTEND);
}

/** Attention: as many heads and sequences as make a step, a long sequence's head in parts. */
function attendStep(slot: i32, own: Slot): void {
  let left = ATTEND_STEP;
  const stride = <usize>(3 * context) << 2;
  do {
    const start = startOf(slot, own.next);
    const length = startOf(slot, own.next + 1) - start;
    const work = 2 * <i64>length * <i64>headWidth;
    const most = max(PART_ROWS, <i32>(ATTEND_STEP / work));
    const rows = min(length - own.row, most);
    attend(headsAt(slot) + <usize>start * stride, length, own.head, own.row, own.row + rows);
    left -= work * <i64>rows;
    passHead(own, rows, length);
  } while (left > 0 && own.next < own.sequences);
  if (own.next == own.sequences) enter(own, FEED);
}

/** Rows of a part of a head that are worth packing its keys and values. */
const PART_ROWS: i32 = 48;

function passHead(own: Slot, rows: i32, length: i32): void {
  own.row += rows;
  if (own.row < length) return;
  own.row = 0;
  if (++own.head < heads) return;
  own.head = 0;
  own.next++;
}

/** What follows attention in a layer, for a block of rows: each part is added to the hidden state and normalised. */
function feedStep(slot: i32, own: Slot): void {
  const layer = own.layer;
  const rows = blockOf(own.rows - own.next, <i64>width * (2 * <i64>feed + <i64>context));
  const x = rowAt(statesAt(slot), own.next);
  const bytes = <usize>width << 2;
  const stride = <usize>(3 * context) << 2;
  quantise(headsAt(slot) + <usize>own.next * stride, stride, rows, context, quantised);
  apply(layer, ATTENTION_OUT, rows, x, bytes, ADD);
  layerNorm(x, rows, gainAt(layer, 0), shiftAt(layer, 0));
  quantise(x, bytes, rows, width, quantised);
  apply(layer, FEED_IN, rows, feedRows, <usize>feed << 2, GELU);
  quantise(feedRows, <usize>feed << 2, rows, feed, quantised);
  apply(layer, FEED_OUT, rows, x, bytes, ADD);
  layerNorm(x, rows, gainAt(layer, 1), shiftAt(layer, 1));
  own.next += rows;
  if (own.next == own.rows) nextLayer(own);
}

function nextLayer(own: Slot): void {
  enter(own, ++own.layer < layers ? HEADS : POOL);
}

/** Pools whole sequences, at least one. */
function poolStep(slot: i32, own: Slot): void {
  const first = startOf(slot, own.next);
  let end = first;
  do {
    const start = end;
    end = startOf(slot, own.next + 1);
    pool(rowAt(statesAt(slot), start), end - start, vectorAt(slot, own.next++));
  } while (own.next < own.sequences && end - first < LIGHT_ROWS);
  if (own.next == own.sequences) enter(own, DONE);
}
