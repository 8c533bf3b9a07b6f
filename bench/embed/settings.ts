/** Who is compared on what, and the bars: passed between Node and the pages. */

/** The workloads on which sides are compared; what each holds is said in `workloads.ts`. */
export type WorkloadName = 'Q' | 'D' | 'S' | 'B';

export type PeerName = 'ort_fp32' | 'ort_int8' | 'transformers_fp32' | 'transformers_q8';
export type SideName = 'ours' | PeerName;

export const PEERS: readonly PeerName[] = [
  'ort_fp32',
  'ort_int8',
  'transformers_fp32',
  'transformers_q8',
];

export const DIMENSION = 384;
/** Longest input in tokens, special tokens included, on every side: that of the model. */
export const MAX_TOKENS = 256;

/**
 * Texts in a padded batch that a peer is tried with, after sorting by length; it is then measured with
 * the one that was quickest for it.
 */
export const BATCH_SIZES: readonly number[] = [1, 4, 8, 16, 32];

/** Paths on the benchmark's server. */
export const PLACES = {
  lib: 'lib/index.js',
  ourModel: 'model/',
  peerModels: 'peer-models/',
  peerModel: 'peer-models/all-MiniLM-L6-v2/',
  modelName: 'all-MiniLM-L6-v2',
  ort: 'ort/ort.wasm.bundle.min.mjs',
  ortBinary: 'ort/ort-wasm-simd-threaded.wasm',
  transformers: 'transformers/transformers.min.js',
  /** transformers.js brings a runtime of its own, of another version; these are the files it picks by itself. */
  transformersOrt: {
    mjs: 'transformers-ort/ort-wasm-simd-threaded.asyncify.mjs',
    wasm: 'transformers-ort/ort-wasm-simd-threaded.asyncify.wasm',
  },
  texts: 'texts.json',
} as const;
