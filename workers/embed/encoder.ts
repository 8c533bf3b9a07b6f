/** What every encoder promises: our own kernel is one, ONNX Runtime another. */
import type { Backend } from '../../src/shared/types.ts';
import type { BatchRules } from './batches.ts';

export interface EncodeOptions {
  /**
   * What a `query` need not wait for: our own kernel runs it between two steps of a bulk batch; others run
   * calls in the order in which they came. Default `bulk`.
   */
  readonly priority?: 'query' | 'bulk';
  /** Looked at between batches at the latest. */
  readonly signal?: AbortSignal;
  /** Called after each batch with the number of sequences that are done. */
  readonly onProgress?: (done: number) => void;
}

/** Token ids to vectors. Calls may overlap; those of one priority run one after the other. */
export interface Encoder {
  readonly backend: Backend;
  /** Numbers a vector. */
  readonly dimension: number;
  readonly threads: number;
  /** Largest piece of work that is worth handing over at once; it may become smaller as memory runs out. */
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
