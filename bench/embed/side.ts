/** What every side can do. */
import type { SideName } from './settings.ts';

export interface Side {
  readonly name: SideName;
  /** The unit vector of one text, through everything that the side needs for it: tokenizer included. */
  query(text: string): Promise<Float32Array>;
  /**
   * Unit vectors of all texts, row-major, in their order.
   * @param batch Texts in a padded batch; of no meaning to a side that does not pad.
   */
  embed(texts: readonly string[], batch: number): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Positions in batches of like length, shortest first. */
export function batchesOfLikeLength(lengths: readonly number[], size: number): number[][] {
  const order = lengths.map((_, at) => at);
  order.sort((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0) || a - b);
  const batches: number[][] = [];
  for (let at = 0; at < order.length; at += size) batches.push(order.slice(at, at + size));
  return batches;
}

/** Puts the rows of a batch where its texts stand. */
export function scatter(
  into: Float32Array,
  rows: Float32Array,
  batch: readonly number[],
  dimension: number,
): void {
  batch.forEach((to, row) => {
    into.set(rows.subarray(row * dimension, (row + 1) * dimension), to * dimension);
  });
}
