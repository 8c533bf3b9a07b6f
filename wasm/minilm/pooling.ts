/** One vector of a sequence: the mean of its rows at unit length. */
import { sumLanes } from './lanes';
import { width } from './shape';

/** Sums rows column by column; four columns stay in a register all the way down. */
function sumRows(x: usize, rows: i32, to: usize): f32 {
  const stride = <usize>width << 2;
  let squares = f32x4.splat(0);
  for (let column: usize = 0; column < stride; column += 16) {
    let at = x + column;
    let sum = f32x4.splat(0);
    for (let i = 0; i < rows; i++) {
      sum = f32x4.add(sum, v128.load(at));
      at += stride;
    }
    v128.store(to + column, sum);
    squares = f32x4.add(squares, f32x4.mul(sum, sum));
  }
  return sumLanes(squares);
}

/**
 * Writes the pooled row. The count of the rows cancels out in the length, so that their sum does. A
 * sum of zero, which has no direction, stays zero.
 */
export function pool(x: usize, rows: i32, to: usize): void {
  const squares = sumRows(x, rows, to);
  const factor = squares > 0 ? <f32>(1 / sqrt<f64>(<f64>squares)) : <f32>0;
  const by = f32x4.splat(factor);
  const end = to + (<usize>width << 2);
  while (to < end) {
    v128.store(to, f32x4.mul(v128.load(to), by));
    to += 16;
  }
}
