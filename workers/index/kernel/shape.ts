/** The shape of a kernel by the options of an index. */
import type { IndexKernel } from './kernel.ts';
import type { CheckedIndexOptions } from './options.ts';

/** Codes of `wasm/index/rows.ts`. */
export const METRICS = { IP: 0, COSINE: 1, L2: 2, HAMMING: 3 } as const;

/** Signs of fewer coordinates say too little: recall@10 of .95 to .99 at 16 or 17. */
const SIGNS_FROM = 64;

/** Whether rows have signs to sift by: where there would be a graph. */
export function keepsSigns({ indexType, metric, dimension }: CheckedIndexOptions): boolean {
  return indexType === 'HNSW' && metric !== 'HAMMING' && dimension >= SIGNS_FROM;
}

/** Gives a kernel its shape; false when memory is exhausted. `floats`, `signs`: whether it keeps them. */
export function setUp(
  kernel: IndexKernel,
  options: CheckedIndexOptions,
  floats: boolean,
  signs: boolean,
): boolean {
  const { dimension, metric, indexType, M, efConstruction, seed, maxBytes } = options;
  kernel.limitMemory(maxBytes);
  const links = indexType === 'HNSW' ? M : 0;
  const shape = [dimension, METRICS[metric], links, efConstruction, seed] as const;
  return kernel.setUp(...shape, floats ? 1 : 0, signs ? 1 : 0) !== 0;
}
