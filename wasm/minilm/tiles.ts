/**
 * How rows are shared out to tiles. Rows are taken in blocks that stay in the nearest cache while all
 * panels of a layer pass by; a block is shared out evenly, so that no tile is left with a single row
 * (7 rows are 4 + 3 and not 5 + 2).
 */
import {
  floatTile as packedTile, floatTileRows, floatStrided, floatStridedRows, wideningTile, wideTile, wideTileRows,
} from './generated/plain-tiles';
import {
  fusedTile, fusedTileRows, fusedStrided, fusedStridedRows, relaxedTile, relaxedTileRows,
} from './generated/relaxed-tiles';
import { float32, RELAXED } from './precision';

/** Rows of a block: a multiple of every tile, and 8 columns of float32 for each fit 2 KiB. */
export const BLOCK_ROWS: i32 = 60;

/** Most rows of a tile at the precision in use. */
// @ts-ignore: decorator
@inline
function tileRows(): i32 {
  if (RELAXED) return float32 ? fusedTileRows : relaxedTileRows;
  return float32 ? floatTileRows : wideTileRows;
}

/** Number of tiles that a block of that many rows is shared out to. */
export function tilesOf(rows: i32): i32 {
  const most = tileRows();
  return (rows + most - 1) / most;
}

/** Rows of one of them; the first ones are the larger ones. */
// @ts-ignore: decorator
@inline
export function rowsOfTile(tile: i32, tiles: i32, rows: i32): i32 {
  return rows / tiles + i32(tile < rows % tiles);
}

/**
 * int32 sums of a block with one panel, tile by tile. `wide` has room for the panel's weights as int16,
 * which only the plain build uses.
 */
export function integerTiles(rows: i32, a: usize, panel: usize, inner: usize, out: usize, wide: usize): void {
  const tiles = tilesOf(rows);
  for (let tile = 0; tile < tiles; tile++) {
    const count = rowsOfTile(tile, tiles, rows);
    if (RELAXED) relaxedTile(count, a, panel, inner, out);
    else if (tile == 0 || tiles < WORTH_WIDENING) wideningTile(count, a, panel, inner, out, wide);
    else wideTile(count, a, wide, inner, out);
    a += <usize>count * inner << 1;
    out += <usize>count << 5;
  }
}

/** Tiles from which on it pays to read widened weights, which are twice as many bytes. */
const WORTH_WIDENING: i32 = 3;

/** float32 sums of one tile, added to `out`. */
// @ts-ignore: decorator
@inline
export function addFloatTile(rows: i32, a: usize, panel: usize, inner: usize, out: usize): void {
  if (RELAXED) fusedTile(rows, a, panel, inner, out);
  else packedTile(rows, a, panel, inner, out);
}

/** Most rows that {@link floatTile} takes. */
export const FLOAT_TILE_ROWS: i32 = RELAXED ? fusedStridedRows : floatStridedRows;

/**
 * out[rows][8] = a[rows][inner] x panel[inner][8], all float32; rows of `a` and `out` lie `aStride` and
 * `outStride` bytes apart. At most {@link FLOAT_TILE_ROWS} rows; `inner` at least 1.
 */
export function floatTile(
  rows: i32, a: usize, aStride: usize, panel: usize, inner: i32, out: usize, outStride: usize,
): void {
  if (RELAXED) fusedStrided(rows, a, aStride, panel, <usize>inner, out, outStride);
  else floatStrided(rows, a, aStride, panel, <usize>inner, out, outStride);
}
