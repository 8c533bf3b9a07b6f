/**
 * Working memory that one step needs and leaves behind: both slots use it in turn, because no step
 * counts on what an earlier one has left.
 */
import { wideTileRows } from './generated/plain-tiles';
import { FLOAT_TILE_ROWS, quantisedBytes } from './linear';
import { aligned, allocate } from './memory';
import { float32 } from './precision';
import { context, feed, headWidth, hidden, intermediate, maxTokens, width } from './shape';

/** Rows that a linear layer takes at once at most. */
export const BLOCK_ROWS: i32 = 60;
/** Most rows of a tile of attention, whether it is of float32 or of int16. */
const TILE_ROWS: i32 = max(FLOAT_TILE_ROWS, wideTileRows);
/** Bytes of weights that are handed over at once, at least; a longest row always fits. */
const STAGING_BYTES: u64 = 262144;

/** A block of rows as `quantise` writes them. */
export let quantised: usize = 0;
/** A block of rows of the feed-forward layer, float32. */
export let feedRows: usize = 0;
/** Keys of one head in panels of 8 keys: float32 [headWidth][8], or int16 [headWidth / 2][8][2]. */
export let packedKeys: usize = 0;
/** Values of one head in panels of 8 columns: float32 [tokens][8], or int16 [tokens / 2][8][2]. */
export let packedValues: usize = 0;
/** A tile's rows of scores, then of weights, float32. */
export let scores: usize = 0;
/** Sums of the weights of a tile's rows, or what their codes count, float32. */
export let weightSums: usize = 0;
/** Keys of one head as int16, before they are turned. */
export let keyCodes: usize = 0;
/** What a step of each key's codes counts, float32. */
export let keyScales: usize = 0;
/** A tile of queries as int16, [headWidth / 2][rows][2]. */
export let pairedQueries: usize = 0;
/** A tile of weights as int16, [tokens / 2][rows][2]. */
export let pairedWeights: usize = 0;
/** Sums of a tile with one panel, int32 [rows][8]. */
export let sums: usize = 0;
/** Where the host puts weights, row by row as they are stored. */
export let staging: usize = 0;
export let stagingBytes: usize = 0;
/** A row of weights with its heads padded. */
export let laidRow: usize = 0;

/** Keys of the longest sequence, rounded up to whole panels. */
function mostKeys(): u64 {
  return <u64>((maxTokens + 7) & ~7);
}

/** Lays it all; false when memory is exhausted. */
export function layScratch(): bool {
  const inner = max(max(width, context), feed);
  const longest = <u64>max(hidden, intermediate) << 2;
  quantised = allocate(<u64>quantisedBytes(BLOCK_ROWS, inner));
  feedRows = allocate((<u64>BLOCK_ROWS * <u64>feed) << 2);
  stagingBytes = <usize>max(STAGING_BYTES, aligned(longest));
  staging = allocate(<u64>stagingBytes);
  laidRow = allocate(<u64>inner << 2);
  const laid = quantised != 0 && feedRows != 0 && staging != 0 && laidRow != 0;
  return laid && layAttention() && (float32 || layCodes());
}

function layAttention(): bool {
  const size: u64 = float32 ? 4 : 2;
  packedKeys = allocate(mostKeys() * <u64>headWidth * size);
  packedValues = allocate(mostKeys() * <u64>headWidth * size);
  scores = allocate((<u64>TILE_ROWS * mostKeys()) << 2);
  weightSums = allocate(<u64>TILE_ROWS << 2);
  return packedKeys != 0 && packedValues != 0 && scores != 0 && weightSums != 0;
}

/** What attention in int16 needs beside it. */
function layCodes(): bool {
  keyCodes = allocate((mostKeys() * <u64>headWidth) << 1);
  keyScales = allocate(mostKeys() << 2);
  pairedQueries = allocate((<u64>TILE_ROWS * <u64>headWidth) << 1);
  pairedWeights = allocate((<u64>TILE_ROWS * mostKeys()) << 1);
  sums = allocate(<u64>TILE_ROWS << 5);
  return keyCodes != 0 && keyScales != 0 && pairedQueries != 0 && pairedWeights != 0 && sums != 0;
}
