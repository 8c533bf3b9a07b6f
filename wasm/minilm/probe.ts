/**
 * A look at what relaxed instructions do on this machine, small enough to be compiled and run before a
 * kernel is chosen: is the relaxed tile right, how is its dot made, and which tile is faster. Compiled
 * with relaxed SIMD only.
 *
 * The relaxed dot is defined for activations of 7 bits and for nothing else. What it makes of 8 bits is
 * never relied on; it tells how the engine makes the instruction.
 */
import { wideTile, wideTileRows } from './generated/plain-tiles';
import { relaxedTile, relaxedTileRows } from './generated/relaxed-tiles';

/** Depth of the tiles that are tested and timed: that of the encoder's commonest layer. */
const INNER: usize = 384;

const A: usize = memory.data(384 * 2 * 8, 64);
const PANEL: usize = memory.data(384 * 16, 64);
const OUT: usize = memory.data(8 * 32, 64);

/** Rows of a call of {@link timePlain} and of {@link timeRelaxed}; both take the same. */
const ROWS_TIMED: i32 = 15;

let state: u32 = 1;

/** xorshift32. */
function random(): u32 {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

/** Sums of the relaxed tile that are not those of a plain loop, over random operands and the largest ones. */
export function relaxedFaults(seed: u32): i32 {
  state = seed | 1;
  let faults = 0;
  for (let rows = 1; rows <= relaxedTileRows; rows++) {
    for (let extreme = 0; extreme < 3; extreme++) {
      fill(rows, extreme);
      relaxedTile(rows, A, PANEL, INNER, OUT);
      faults += differences(rows);
    }
  }
  return faults;
}

/** Random operands (0), the largest products (1), the smallest (2). */
function fill(rows: i32, extreme: i32): void {
  for (let k: usize = 0; k < INNER * 2 * <usize>rows; k++) store<u8>(A + k, extreme ? 127 : <u8>(random() >> 25));
  const edge: u8 = extreme == 1 ? 127 : 0x80;
  for (let k: usize = 0; k < INNER * 8; k++) store<u8>(PANEL + k, extreme ? edge : <u8>(random() >> 24));
}

function differences(rows: i32): i32 {
  let count = 0;
  for (let row = 0; row < rows; row++) {
    for (let column: usize = 0; column < 8; column++) {
      const sum = load<i32>(OUT + (<usize>row << 5) + (column << 2));
      count += i32(sum != sumOf(rows, row, column));
    }
  }
  return count;
}

/** One sum as the tile should have it. */
function sumOf(rows: i32, row: i32, column: usize): i32 {
  let sum = 0;
  for (let k: usize = 0; k < INNER; k++) {
    const a = A + (k >> 2) * <usize>rows * 8 + <usize>row * 8 + (k & 3);
    const weight = <i32>load<i8>(PANEL + (k >> 2) * 32 + column * 4 + (k & 3));
    sum += ((<i32>load<u8>(a) << 7) + <i32>load<u8>(a, 4)) * weight;
  }
  return sum;
}

/** The relaxed dot of four equal products of an activation of 8 bits and a weight. */
export function relaxedDot(activation: i32, weight: i32): i32 {
  return i32x4.extract_lane(
    i32x4.relaxed_dot_i8x16_i7x16_add_s(i8x16.splat(<i8>weight), i8x16.splat(<i8>activation), i32x4.splat(0)),
    0,
  );
}

/** {@link ROWS_TIMED} rows through a panel by the plain tile. */
export function timePlain(): void {
  for (let row = 0; row < ROWS_TIMED; row += wideTileRows) wideTile(wideTileRows, A, PANEL, INNER, OUT);
}

/** The same by the relaxed tile. */
export function timeRelaxed(): void {
  for (let row = 0; row < ROWS_TIMED; row += relaxedTileRows) relaxedTile(relaxedTileRows, A, PANEL, INNER, OUT);
}
