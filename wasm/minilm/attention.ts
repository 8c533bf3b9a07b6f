/**
 * Attention of one head of one sequence, over some of its rows. Keys are turned into panels of 8 and
 * values packed into panels of 8 columns, so that both products run through the same tile. The context
 * takes the place of the query, which is no longer needed then.
 */
import { floatTile } from './linear';
import { scores, TILE_ROWS, turnedKeys, valuePanels } from './scratch';
import { context, headWidth } from './shape';
import { softmaxRow } from './softmax';

/** Bytes from one row of query, key and value to the next. */
// @ts-ignore: decorator
@inline
function rowBytes(): usize {
  return <usize>(3 * context) << 2;
}

/** Turns a square of four keys by four columns: `to` gets a key a lane, 8 keys a row. */
// @ts-ignore: decorator
@inline
function turnSquare(from: usize, stride: usize, to: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + stride);
  const c = v128.load(from + 2 * stride);
  const d = v128.load(from + 3 * stride);
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(to, v128.shuffle<i64>(ab, cd, 1, 3), 32);
  const ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(ef, gh, 0, 2), 64);
  v128.store(to, v128.shuffle<i64>(ef, gh, 1, 3), 96);
}

/** Keys behind the last are those of other sequences, or left over: softmax does not look at their scores. */
function turnKeys(keys: usize, length: i32): void {
  const stride = rowBytes();
  const columns = <usize>headWidth << 2;
  let to = turnedKeys;
  for (let key = 0; key < length; key += 8) {
    for (let column: usize = 0; column < columns; column += 16) {
      turnSquare(keys + column, stride, to);
      turnSquare(keys + column + 4 * stride, stride, to + 16);
      to += 128;
    }
    keys += 8 * stride;
  }
}

function packValues(values: usize, length: i32): void {
  const stride = rowBytes();
  const columns = <usize>headWidth << 2;
  let to = valuePanels;
  for (let column: usize = 0; column < columns; column += 32) {
    let from = values + column;
    for (let row = 0; row < length; row++) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      from += stride;
      to += 32;
    }
  }
}

/** Divides a row of the context by the sum of its weights. */
function scaleContext(row: usize, sum: f32): void {
  const by = f32x4.splat(1 / sum);
  const end = row + (<usize>headWidth << 2);
  while (row < end) {
    v128.store(row, f32x4.mul(v128.load(row), by));
    row += 16;
  }
}

/** Scores, softmax and context of a few rows. */
function attendTile(rows: i32, query: usize, length: i32): void {
  const stride = rowBytes();
  const keys = (length + 7) & ~7;
  const scoreStride = <usize>keys << 2;
  let panel = turnedKeys;
  for (let key = 0; key < keys; key += 8) {
    floatTile(rows, query, stride, panel, headWidth, scores + (<usize>key << 2), scoreStride);
    panel += <usize>headWidth << 5;
  }
  // The query's place is written only when its last score is there.
  for (let i = 0; i < rows; i++) {
    const row = scores + <usize>i * scoreStride;
    store<f32>(sums + (<usize>i << 2), softmaxRow(row, length));
  }
  panel = valuePanels;
  for (let column = 0; column < headWidth; column += 8) {
    floatTile(rows, scores, scoreStride, panel, length, query + (<usize>column << 2), stride);
    panel += <usize>length << 5;
  }
  for (let i = 0; i < rows; i++) {
    scaleContext(query + <usize>i * stride, load<f32>(sums + (<usize>i << 2)));
  }
}

const sums: usize = memory.data(TILE_ROWS << 2, 16);

/**
 * Rows `from .. to - 1` of a sequence of `length` rows that begins at address `rows`. Keys and values are
 * packed anew by every call, so that calls for parts of a sequence depend on nothing but it.
 */
export function attend(rows: usize, length: i32, head: i32, from: i32, to: i32): void {
  const column = <usize>(head * headWidth) << 2;
  const third = <usize>context << 2;
  turnKeys(rows + third + column, length);
  packValues(rows + 2 * third + column, length);
  const count = to - from;
  const tiles = (count + TILE_ROWS - 1) / TILE_ROWS;
  let query = rows + <usize>from * rowBytes() + column;
  for (let tile = 0; tile < tiles; tile++) {
    const size = count / tiles + i32(tile < count % tiles);
    attendTile(size, query, length);
    query += <usize>size * rowBytes();
  }
}
