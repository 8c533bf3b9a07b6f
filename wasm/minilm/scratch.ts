/**
 * Working memory that one step needs and leaves behind: both slots use it in turn, because no step
 * counts on what an earlier one has left.
 */
import { FLOAT_TILE_ROWS, quantisedBytes } from './linear';
import { aligned, allocate } from './memory';
import { context, feed, headWidth, hidden, intermediate, maxTokens, width } from './shape';

/** Rows that a linear layer takes at once at most. */
export const BLOCK_ROWS: i32 = 60;
/** Rows of a tile of attention. */
export const TILE_ROWS: i32 = FLOAT_TILE_ROWS;
/** Bytes of weights that are handed over at once, at least; a longest row always fits. */
const STAGING_BYTES: u64 = 262144;

/** A block of rows as `quantise` writes them. */
export let quantised: usize = 0;
/** A block of rows of the feed-forward layer, float32. */
export let feedRows: usize = 0;
/** The keys of one head, turned: panels of 8 keys, `headWidth` x 8. */
export let turnedKeys: usize = 0;
/** The values of one head: panels of 8 columns, tokens x 8. */
export let valuePanels: usize = 0;
/** {@link TILE_ROWS} rows of scores. */
export let scores: usize = 0;
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
  quantised = allocate(<u64>quantisedBytes(BLOCK_ROWS, inner));
  feedRows = allocate((<u64>BLOCK_ROWS * <u64>feed) << 2);
  turnedKeys = allocate((mostKeys() * <u64>headWidth) << 2);
  valuePanels = allocate((mostKeys() * <u64>headWidth) << 2);
  scores = allocate((<u64>TILE_ROWS * mostKeys()) << 2);
  const longest = <u64>max(hidden, intermediate) << 2;
  stagingBytes = <usize>max(STAGING_BYTES, aligned(longest));
  staging = allocate(<u64>stagingBytes);
  laidRow = allocate(<u64>inner << 2);
  if (quantised == 0 || feedRows == 0 || turnedKeys == 0 || valuePanels == 0) return false;
  return scores != 0 && staging != 0 && laidRow != 0;
}
