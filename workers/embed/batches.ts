/** Which sequences go through the encoder together. Pure. */

export interface BatchRules {
  /** Most tokens in a batch, padding included; one sequence may exceed it. */
  readonly tokens: number;
  /** Largest share of a batch that may be padding, 0..1. At 1 nothing is padded: only real tokens count. */
  readonly waste: number;
}

/**
 * Batches of like length, longest first: memory is at its largest in the first batch, and what does
 * not fit fails early.
 *
 * @param lengths Tokens of each sequence.
 * @returns positions in `lengths`; each position once.
 */
export function planBatches(lengths: readonly number[], rules: BatchRules): number[][] {
  const order = lengths.map((_, index) => index);
  order.sort((a, b) => at(lengths, b) - at(lengths, a) || a - b);
  const batches: number[][] = [];
  let batch: number[] = [];
  let real = 0;
  for (const index of order) {
    const longest = batch.length === 0 ? at(lengths, index) : at(lengths, batch[0] ?? 0);
    const filled = real + at(lengths, index);
    const size = rules.waste >= 1 ? filled : longest * (batch.length + 1);
    const fits = size <= rules.tokens && size - filled <= rules.waste * size;
    if (batch.length > 0 && !fits) {
      batches.push(batch);
      batch = [];
      real = 0;
    }
    batch.push(index);
    real += at(lengths, index);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

function at(lengths: readonly number[], index: number): number {
  return lengths[index] ?? 0;
}
