/** LayerNorm over rows of `width` columns, of which the last `width - hidden` are padding. */
import { sumLanes } from './lanes';
import { epsilon, hidden, width } from './shape';

/** Mean of a row; its padding is zero. */
function meanOf(row: usize, end: usize): f32 {
  let a = f32x4.splat(0);
  let b = a;
  while (row < end) {
    a = f32x4.add(a, v128.load(row));
    b = f32x4.add(b, v128.load(row, 16));
    row += 32;
  }
  return sumLanes(f32x4.add(a, b)) / <f32>hidden;
}

/** Sum of the squared distances to the mean; the padding's are taken out again. */
function spreadOf(row: usize, end: usize, mean: f32): f32 {
  const centre = f32x4.splat(mean);
  let a = f32x4.splat(0);
  let b = a;
  while (row < end) {
    const x = f32x4.sub(v128.load(row), centre);
    const y = f32x4.sub(v128.load(row, 16), centre);
    a = f32x4.add(a, f32x4.mul(x, x));
    b = f32x4.add(b, f32x4.mul(y, y));
    row += 32;
  }
  return sumLanes(f32x4.add(a, b)) - <f32>(width - hidden) * mean * mean;
}

/** `(x - mean) * factor * gain + shift`; the padding of gain and shift is zero, so that of the row stays so. */
function scaleRow(row: usize, end: usize, mean: f32, factor: f32, gain: usize, shift: usize): void {
  const centre = f32x4.splat(mean);
  const by = f32x4.splat(factor);
  while (row < end) {
    const x = f32x4.mul(f32x4.sub(v128.load(row), centre), by);
    const y = f32x4.mul(f32x4.sub(v128.load(row, 16), centre), by);
    v128.store(row, f32x4.add(f32x4.mul(x, v128.load(gain)), v128.load(shift)));
    v128.store(row, f32x4.add(f32x4.mul(y, v128.load(gain, 16)), v128.load(shift, 16)), 16);
    row += 32;
    gain += 32;
    shift += 32;
  }
}

/** Normalises that many rows in place. */
export function layerNorm(x: usize, rows: i32, gain: usize, shift: usize): void {
  const bytes = <usize>width << 2;
  for (let i = 0; i < rows; i++) {
    const end = x + bytes;
    const mean = meanOf(x, end);
    const variance = <f64>max<f32>(0, spreadOf(x, end, mean)) / <f64>hidden;
    scaleRow(x, end, mean, <f32>(1 / sqrt<f64>(variance + epsilon)), gain, shift);
    x = end;
  }
}
