/** Attention in float32: keys turned into panels of 8, values packed into panels of 8 columns. */
import { floatTile } from './linear';
import { packedKeys, packedValues, scores, weightSums } from './scratch';
import { headWidth } from './shape';
import { softmaxRow } from './softmax';
import { turnRows } from './turn';

function packValues(values: usize, stride: usize, length: i32): void {
  const columns = <usize>headWidth << 2;
  let to = packedValues;
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

/** Keys behind the last are those of other sequences, or left over: softmax does not look at their scores. */
export function packFloats(keys: usize, values: usize, stride: usize, length: i32): void {
  turnRows(keys, stride, length, headWidth, packedKeys);
  packValues(values, stride, length);
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
export function attendFloats(rows: i32, query: usize, stride: usize, length: i32): void {
  const keys = (length + 7) & ~7;
  const scoreStride = <usize>keys << 2;
  let panel = packedKeys;
  for (let key = 0; key < keys; key += 8) {
    floatTile(rows, query, stride, panel, headWidth, scores + (<usize>key << 2), scoreStride);
    panel += <usize>headWidth << 5;
  }
  for (let i = 0; i < rows; i++) {
    const sum = softmaxRow(scores + <usize>i * scoreStride, length);
    store<f32>(weightSums + (<usize>i << 2), sum);
  }
  panel = packedValues;
  for (let column = 0; column < headWidth; column += 8) {
    floatTile(rows, scores, scoreStride, panel, length, query + (<usize>column << 2), stride);
    panel += <usize>length << 5;
  }
  for (let i = 0; i < rows; i++) {
    scaleContext(query + <usize>i * stride, load<f32>(weightSums + (<usize>i << 2)));
  }
}
