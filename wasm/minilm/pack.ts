/**
 * A linear layer in memory: panels of 8 columns, each with what its columns need afterwards, in the order
 * in which they are read. All of it is one stream.
 *
 * | part of a panel | bytes | what |
 * |---|---|---|
 * | weights | 8 x inner x (1 or 4) | in the order of the tiles |
 * | bias | 32 | float32 |
 * | scales | 32 | float32 of one step of the column's int8 weights |
 * | offsets | 32 | int32, 8192 x sum of the column's weights, for the relaxed build |
 *
 * int8 weights hold k in groups of 2 (plain) or 4 (relaxed) for each column, float32 weights in ones, and
 * then scales and offsets are not used.
 */
import { float32, RELAXED } from './precision';

/** Columns of a panel. */
export const PANEL: i32 = 8;

/** What the relaxed build adds to activations, so that they are not negative. */
export const ACTIVATION_OFFSET: i32 = 8192;

/** Source of a row: int8 codes. */
export const CODES: i32 = 0;

/** Source of a row: float32 values. */
export const FLOATS: i32 = 1;

/** Values of k that lie side by side for one column. */
const GROUP: usize = RELAXED ? 4 : 2;

// @ts-ignore: decorator
@inline
function weightBytes(): usize {
  return float32 ? 4 : 1;
}

/** Bytes of what follows the weights of a panel. */
const TAIL: usize = 96;
const SCALES: usize = 32;
const OFFSETS: usize = 64;

/** Bytes from one panel to the next. */
// @ts-ignore: decorator
@inline
export function panelBytes(inner: i32): usize {
  return <usize>PANEL * <usize>inner * weightBytes() + TAIL;
}

/** Bias, scales and offsets of a panel. */
// @ts-ignore: decorator
@inline
export function tailAt(panel: usize, inner: i32): usize {
  return panel + panelBytes(inner) - TAIL;
}

/** Bytes of a packed layer at the precision in use, a multiple of 64. Both sizes are multiples of 8. */
export function linearBytes(columns: i32, inner: i32): usize {
  return (<usize>(columns / PANEL) * panelBytes(inner) + 63) & ~63;
}

// @ts-ignore: decorator
@inline
function panelOf(layer: usize, column: i32, inner: i32): usize {
  return layer + <usize>(column / PANEL) * panelBytes(inner);
}

/**
 * Packs the weights of one output column from a row of `inner` int8 codes or float32 values. A weight
 * is code x scale, or value x scale. Floats are rounded to int8 codes with a scale of their own unless
 * the precision is float32. Columns that only pad a layer are packed too, with zeros.
 */
export function packRow(
  layer: usize, column: i32, columns: i32, inner: i32, row: usize, scale: f32, source: i32,
): void {
  const lane = <usize>(column & (PANEL - 1));
  const panel = panelOf(layer, column, inner);
  if (float32) {
    if (source == CODES) widenRow(panel, lane, inner, row, scale);
    else spreadRow(panel, lane, inner, row, scale);
    return;
  }
  const step = source == CODES ? <f32>1 : largest(row, inner) / <f32>127;
  const sum = source == CODES ? spreadCodes(panel, lane, inner, row) : roundRow(panel, lane, inner, row, step);
  const tail = tailAt(panel, inner) + (lane << 2);
  store<f32>(tail, step * scale, SCALES);
  store<i32>(tail, sum * ACTIVATION_OFFSET, OFFSETS);
}

/** Sets the bias of one output column. */
export function setBias(layer: usize, column: i32, columns: i32, inner: i32, bias: f32): void {
  store<f32>(tailAt(panelOf(layer, column, inner), inner) + (<usize>(column & (PANEL - 1)) << 2), bias);
}

/** int8 codes to a float32 panel. */
function widenRow(panel: usize, lane: usize, inner: i32, row: usize, scale: f32): void {
  let to = panel + (lane << 2);
  for (let k = 0; k < inner; k++) {
    store<f32>(to, <f32>load<i8>(row + <usize>k) * scale);
    to += PANEL << 2;
  }
}

/** float32 values to a float32 panel. */
function spreadRow(panel: usize, lane: usize, inner: i32, row: usize, scale: f32): void {
  let to = panel + (lane << 2);
  for (let k = 0; k < inner; k++) {
    store<f32>(to, load<f32>(row + (<usize>k << 2)) * scale);
    to += PANEL << 2;
  }
}

/** int8 codes to an int8 panel; their sum. */
function spreadCodes(panel: usize, lane: usize, inner: i32, row: usize): i32 {
  let to = panel + lane * GROUP;
  let sum = 0;
  for (let k: usize = 0; k < <usize>inner; k += GROUP) {
    if (RELAXED) store<u32>(to, load<u32>(row + k));
    else store<u16>(to, load<u16>(row + k));
    for (let j: usize = 0; j < GROUP; j++) sum += load<i8>(row + k + j);
    to += <usize>PANEL * GROUP;
  }
  return sum;
}

/** float32 values to an int8 panel, in steps of `step`; the sum of the codes. */
function roundRow(panel: usize, lane: usize, inner: i32, row: usize, step: f32): i32 {
  const inverse: f32 = step > 0 ? <f32>1 / step : 0;
  let sum = 0;
  for (let k: usize = 0; k < <usize>inner; k++) {
    const code = <i32>max<f32>(-127, min<f32>(127, nearest<f32>(load<f32>(row + (k << 2)) * inverse)));
    store<i8>(panel + (k / GROUP) * <usize>PANEL * GROUP + lane * GROUP + k % GROUP, <i8>code);
    sum += code;
  }
  return sum;
}

function largest(row: usize, inner: i32): f32 {
  let most: f32 = 0;
  for (let k = 0; k < inner; k++) most = max<f32>(most, abs<f32>(load<f32>(row + (<usize>k << 2))));
  return most;
}
