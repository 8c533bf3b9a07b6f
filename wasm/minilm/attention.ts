/**
 * Attention of one head of one sequence, over some of its rows. Keys and values are packed for the
 * products first, as int16 (`attention-int16.ts`) or as float32 (`attention-float.ts`). The context takes
 * the place of the query, which is no longer needed then.
 */
import { attendFloats, packFloats } from './attention-float';
import { attendIntegers, packIntegers } from './attention-int16';
import { wideTileRows } from './generated/plain-tiles';
import { FLOAT_TILE_ROWS } from './linear';
import { float32 } from './precision';
import { context, headWidth } from './shape';

/**
 * Rows `from .. to - 1` of a sequence of `length` rows that begins at address `rows`. Keys and values are
 * packed anew by every call, so that calls for parts of a sequence depend on nothing but it.
 */
export function attend(rows: usize, length: i32, head: i32, from: i32, to: i32): void {
  const third = <usize>context << 2;
  const stride: usize = third * 3;
  const queries = rows + (<usize>(head * headWidth) << 2);
  if (float32) packFloats(queries + third, queries + 2 * third, stride, length);
  else packIntegers(queries + third, queries + 2 * third, stride, length);
  const most = float32 ? FLOAT_TILE_ROWS : wideTileRows;
  const count = to - from;
  const tiles = (count + most - 1) / most;
  let query = queries + <usize>from * stride;
  for (let tile = 0; tile < tiles; tile++) {
    const size = count / tiles + i32(tile < count % tiles);
    if (float32) attendFloats(size, query, stride, length);
    else attendIntegers(size, query, stride, length);
    query += <usize>size * stride;
  }
}
