/** What every encoder promises; ONNX Runtime is one, our own kernel another. */
import type { Backend } from '../../src/shared/types.ts';
import type { BatchRules } from './batches.ts';

export interface EncodeOptions {
  /** Looked at between batches. */
  readonly signal?: AbortSignal;
  /** Called after each batch with the number of sequences that are done. */
  readonly onProgress?: (done: number) => void;
}

/** Token ids to vectors. Calls may overlap; they run one after the other. */
export interface Encoder {
  readonly backend: Backend;
  /** Numbers a vector. */
  readonly dimension: number;
  readonly threads: number;
  /** Largest piece of work that is worth handing over at once; a queue looks up between two. */
  readonly rules: BatchRules;
  /**
   * Embeds sequences of token ids, special tokens included, in any mix of lengths.
   *
   * @returns row-major `ids.length x dimension`, in the order of `ids`, unit length, in a buffer of
   * its own.
   * @throws WhorlError `aborted`, `invalid_option` (an empty or too long sequence, an id that is
   * not in the vocabulary), `backend_failed` (retryable, with a fresh encoder), `out_of_memory`,
   * `closed`.
   */
  embed(ids: readonly Int32Array[], options?: EncodeOptions): Promise<Float32Array<ArrayBuffer>>;
  /** Lets go of the backend's memory. Later calls reject with `closed`. */
  close(): Promise<void>;
}
