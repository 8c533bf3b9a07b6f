/** Who is compared on what: passed between Node and the pages. */

/** The workloads on which sides are compared; what each holds is said in `workloads.ts`. */
export type WorkloadName = 'Q' | 'D' | 'S' | 'B';

export type PeerName = 'ort_fp32' | 'ort_int8' | 'transformers_fp32' | 'transformers_q8';
/** The paths of our kernel: builds and arithmetics. */
export type PathName = 'plain' | 'relaxed' | 'float32' | 'float32_relaxed';
/**
 * `ours` is the engine, through its public API; `kernel` its kernel alone, on the page's thread as the peers, by
 * the path that the engine chooses here; a path is the kernel by that path.
 */
export type SideName = 'ours' | 'kernel' | PathName | PeerName;

export const PATHS: readonly PathName[] = ['plain', 'relaxed', 'float32', 'float32_relaxed'];

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
export const BATCH_SIZES: readonly number[] = [1, 2, 4, 8, 16, 32, 64];

/** How sides are opened. */
export interface Opening {
  /** Embed workers of our engine. */
  readonly workers: number;
  /** Threads of transformers.js; `default`: as it chooses. onnxruntime-web has one. */
  readonly threads: number | 'default';
}

/** Paths on the benchmark's server. */
export const PLACES = {
  lib: 'lib/index.js',
  embedWorker: 'lib/embed.worker.js',
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
