/**
 * Puts linear layers into the model region, row by row: a row of a stored matrix is an output column.
 * Heads are padded on the way: as columns of query, key and value, inside the rows of what mixes their
 * contexts. The query is divided by the root of the head's size here, once for all, and multiplied by
 * log2 e, so that softmax takes powers of two.
 */
import { packRow, setBias } from './linear';
import { laidRow, staging } from './scratch';
import {
  ATTENTION_IN, ATTENTION_OUT, columnsOf, context, FEED_IN, FEED_OUT, feed, headSize, headWidth, heads, hidden, innerOf,
  intermediate, linearAt, positionAt, positions, width,
} from './shape';

/** Parts of a layer, as the host names them: query, key, value, then the other linear layers. */
export const QUERY: i32 = 0;
export const VALUE: i32 = 2;
const MIXED: i32 = 3;
const RAISED: i32 = 4;

const LOG2_E: f64 = 1.44269504088896341;

/** How rows are stored. */
const SOURCE_INT8: i32 = 0;

function linearOf(part: i32): i32 {
  if (part <= VALUE) return ATTENTION_IN;
  if (part == MIXED) return ATTENTION_OUT;
  return part == RAISED ? FEED_IN : FEED_OUT;
}

/** Column of a padded matrix at which a stored row goes. */
function columnOf(part: i32, row: i32): i32 {
  if (part > VALUE) return row;
  return part * context + (row / headSize) * headWidth + row % headSize;
}

function factorOf(part: i32): f32 {
  return part == QUERY ? <f32>(LOG2_E / sqrt<f64>(<f64>headSize)) : <f32>1;
}

/** Columns of a stored row. */
function storedInner(part: i32): i32 {
  return linearOf(part) == FEED_OUT ? intermediate : hidden;
}

/** Copies a stored row to {@link laidRow}, whose padding is zero. */
function layRow(part: i32, from: usize, shift: usize): void {
  if (part != MIXED) {
    memory.copy(laidRow, from, <usize>storedInner(part) << shift);
    return;
  }
  for (let head = 0; head < heads; head++) {
    const to = laidRow + (<usize>(head * headWidth) << shift);
    memory.copy(to, from, <usize>headSize << shift);
    from += <usize>headSize << shift;
  }
}

/** Where the scales of that many staged int8 rows begin: behind the rows, at a multiple of 4. */
export function stagedScales(part: i32, count: i32): usize {
  return staging + ((<usize>(count * storedInner(part)) + 3) & ~3);
}

/** Adds the staged float32 row to a position's; padding stays zero. */
function addRow(from: usize, to: usize): void {
  memory.copy(laidRow, from, <usize>hidden << 2);
  const end = to + (<usize>width << 2);
  let row = laidRow;
  while (to < end) {
    v128.store(to, f32x4.add(v128.load(to), v128.load(row)));
    to += 16;
    row += 16;
  }
}

/** Adds `count` staged float32 rows to the positions from `first` on. */
export function addPositions(first: i32, count: i32): void {
  memory.fill(laidRow, 0, <usize>width << 2);
  for (let i = 0; i < count; i++) {
    addRow(staging + (<usize>i * <usize>hidden << 2), positionAt(first + i));
  }
}

/** Adds the staged float32 row of token type 0, which all texts have, to every position. */
export function addToPositions(): void {
  memory.fill(laidRow, 0, <usize>width << 2);
  for (let position = 0; position < positions; position++) addRow(staging, positionAt(position));
}

/** Packs `count` rows from `first` on out of the staging area; `source` 0: int8 and their scales, 1: float32. */
export function loadRows(layer: i32, part: i32, first: i32, count: i32, source: i32): void {
  const linear = linearOf(part);
  const at = linearAt(layer, linear);
  const shift: usize = source == SOURCE_INT8 ? 0 : 2;
  const bytes = <usize>storedInner(part) << shift;
  const factor = factorOf(part);
  let scales = stagedScales(part, count);
  let from = staging;
  memory.fill(laidRow, 0, <usize>innerOf(linear) << 2);
  for (let row = first; row < first + count; row++) {
    layRow(part, from, shift);
    const scale = source == SOURCE_INT8 ? load<f32>(scales) * factor : factor;
    packRow(at, columnOf(part, row), columnsOf(linear), innerOf(linear), laidRow, scale, source);
    from += bytes;
    scales += 4;
  }
}

/** Sets `count` biases from `first` on out of the staging area. */
export function loadBias(layer: i32, part: i32, first: i32, count: i32): void {
  const linear = linearOf(part);
  const at = linearAt(layer, linear);
  const factor = factorOf(part);
  for (let i = 0; i < count; i++) {
    const bias = load<f32>(staging + (<usize>i << 2)) * factor;
    setBias(at, columnOf(part, first + i), columnsOf(linear), innerOf(linear), bias);
  }
}

function packZeros(at: usize, linear: i32, from: i32, to: i32): void {
  for (let column = from; column < to; column++) {
    packRow(at, column, columnsOf(linear), innerOf(linear), laidRow, 0, SOURCE_INT8);
    setBias(at, column, columnsOf(linear), innerOf(linear), 0);
  }
}

/** Fills the columns that only pad, in every linear layer of a layer. */
export function padLayer(layer: i32): void {
  memory.fill(laidRow, 0, <usize>max(max(width, context), feed) << 2);
  const first = linearAt(layer, ATTENTION_IN);
  for (let head = 0; head < 3 * heads; head++) {
    packZeros(first, ATTENTION_IN, head * headWidth + headSize, (head + 1) * headWidth);
  }
  packZeros(linearAt(layer, ATTENTION_OUT), ATTENTION_OUT, hidden, width);
  packZeros(linearAt(layer, FEED_IN), FEED_IN, intermediate, feed);
  packZeros(linearAt(layer, FEED_OUT), FEED_OUT, hidden, width);
}
