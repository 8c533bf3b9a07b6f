/**
 * The encoder over our own kernel. Sequences of any lengths lie side by side in a batch, without padding.
 * Bulk work gives way at least every 5 ms; a query that comes then runs in a slot of its own, to its end,
 * before the bulk batch goes on where it stood. Where memory ends, batches become smaller; a query that finds
 * no room beside a bulk batch takes its place, and that batch begins anew behind it.
 */
import { isWhorlError, throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import { backendError } from './backend-error.ts';
import { type BatchRules, planBatches } from './batches.ts';
import type { EncodeOptions, Encoder } from './encoder.ts';

export type Slot = 'query' | 'bulk';

/** What the encoder needs of the kernel; `kernel/minilm-kernel.ts` describes each method. */
export interface BatchKernel {
  begin(slot: Slot, sequences: readonly Int32Array[]): void;
  step(slot: Slot): boolean;
  take(slot: Slot): Float32Array<ArrayBuffer>;
  cancel(slot: Slot): void;
  close(): void;
}

export interface KernelEncoderOptions {
  readonly kernel: BatchKernel;
  readonly dimension: number;
  readonly maxTokens: number;
  readonly vocabulary: number;
  /** Lets messages in: a query, an abort, a ping. */
  readonly breathe: () => Promise<void>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Rows of a batch at the start: the kernel's speed no longer grows beyond it, its working memory does. */
const BATCH_TOKENS = 640;
/** Milliseconds of work without a look at the messages; a step of about 1 ms is added to it. */
const YIELD_MS = 4;

export class KernelEncoder implements Encoder {
  readonly backend = 'wasm';
  readonly dimension: number;
  readonly threads = 1;
  readonly #options: KernelEncoderOptions;
  readonly #tails: { [S in Slot]: Promise<unknown> } = {
    query: Promise.resolve(),
    bulk: Promise.resolve(),
  };
  #tokens = BATCH_TOKENS;
  /** Queries that wait or run; bulk work stands still until there is none. */
  #queries = 0;
  /** What became of the bulk batch that is under way. */
  #bulk: 'none' | 'held' | 'displaced' = 'none';
  /** Why the kernel cannot be used any more. */
  #broken: WhorlError | null = null;
  #closed = false;

  constructor(options: KernelEncoderOptions) {
    this.dimension = options.dimension;
    this.#options = options;
  }

  get rules(): BatchRules {
    return { tokens: this.#tokens, waste: 1 };
  }

  embed(
    ids: readonly Int32Array[],
    options: EncodeOptions = {},
  ): Promise<Float32Array<ArrayBuffer>> {
    const slot = options.priority ?? 'bulk';
    if (slot === 'query') this.#queries += 1;
    // Whatever became of the call before, this one gets its turn.
    const turn = this.#tails[slot]
      .then(() => this.#embed(slot, ids, options))
      .finally(() => {
        if (slot === 'query') this.#queries -= 1;
      });
    this.#tails[slot] = turn.catch(() => {});
    return turn;
  }

  /** What runs ends at its next look at the messages, with `closed`. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(Object.values(this.#tails));
    this.#options.kernel.close();
  }

  async #embed(
    slot: Slot,
    ids: readonly Int32Array[],
    { signal, onProgress }: EncodeOptions,
  ): Promise<Float32Array<ArrayBuffer>> {
    this.#check(signal);
    for (const sequence of ids) this.#checkSequence(sequence);
    const { dimension } = this;
    const vectors = new Float32Array(ids.length * dimension);
    const batches = this.#plan(
      ids,
      ids.map((_, index) => index),
    );
    let done = 0;
    for (let batch = batches.shift(); batch; batch = batches.shift()) {
      if (slot === 'bulk' || done > 0) await this.#giveWay(slot, signal);
      const sequences = batch.map((index) => ids[index] as Int32Array);
      // Planned before memory ended, or found to be too large just now.
      const rows = this.#exceeds(sequences) ? null : await this.#run(slot, sequences, signal);
      if (rows === null) {
        batches.unshift(...this.#plan(ids, batch));
        continue;
      }
      for (const [row, index] of batch.entries()) {
        vectors.set(rows.subarray(row * dimension, (row + 1) * dimension), index * dimension);
      }
      done += batch.length;
      onProgress?.(done);
    }
    return vectors;
  }

  /** Batches of some of the sequences within the present bound. */
  #plan(ids: readonly Int32Array[], chosen: readonly number[]): number[][] {
    const lengths = chosen.map((index) => ids[index]?.length ?? 0);
    return planBatches(lengths, this.rules).map((batch) =>
      batch.map((position) => chosen[position] as number),
    );
  }

  #exceeds(sequences: readonly Int32Array[]): boolean {
    return sequences.length > 1 && tokensOf(sequences) > this.#tokens;
  }

  /** Runs one batch; null where it did not fit and the bound was made smaller than it. */
  async #run(
    slot: Slot,
    sequences: readonly Int32Array[],
    signal: AbortSignal | undefined,
  ): Promise<Float32Array | null> {
    const { kernel, now } = this.#options;
    if (!this.#begin(slot, sequences)) return null;
    if (slot === 'bulk') this.#bulk = 'held';
    try {
      let since = now();
      while (!kernel.step(slot)) {
        if (now() - since < YIELD_MS) continue;
        await this.#giveWay(slot, signal);
        if (slot === 'bulk' && this.#bulk === 'displaced') return null;
        since = now();
      }
      return kernel.take(slot);
    } catch (error) {
      throw this.#givenUp(slot, error);
    } finally {
      if (slot === 'bulk') this.#bulk = 'none';
    }
  }

  /** False where there was no room: the batch is planned again, smaller. */
  #begin(slot: Slot, sequences: readonly Int32Array[]): boolean {
    const { kernel } = this.#options;
    try {
      kernel.begin(slot, sequences);
      return true;
    } catch (error) {
      if (!isWhorlError(error) || error.code !== 'out_of_memory') throw this.#failure(error);
      if (slot === 'query' && this.#bulk === 'held') {
        this.#bulk = 'displaced';
        kernel.cancel('bulk');
        return this.#begin(slot, sequences);
      }
      const tokens = tokensOf(sequences);
      if (sequences.length < 2) throw noRoom(tokens, error);
      this.#tokens = Math.max(1, Math.floor(Math.min(this.#tokens, tokens) / 2));
      return false;
    }
  }

  /** Leaves the slot empty, so that the next batch can begin. */
  #givenUp(slot: Slot, error: unknown): WhorlError {
    try {
      this.#options.kernel.cancel(slot);
    } catch {
      // A kernel that trapped may trap again; what happened first is what is told.
    }
    return this.#failure(error);
  }

  /** What trapped is not used again: later calls, and the other slot's, are told the same. */
  #failure(error: unknown): WhorlError {
    if (this.#broken) return this.#broken;
    if (isWhorlError(error)) return error;
    this.#broken = backendError('wasm', 'failed while running', error);
    return this.#broken;
  }

  /** Lets messages in, and queries run where this is bulk work. */
  async #giveWay(slot: Slot, signal: AbortSignal | undefined): Promise<void> {
    await this.#options.breathe();
    while (slot === 'bulk' && this.#queries > 0) {
      await this.#tails.query;
      await this.#options.breathe();
    }
    this.#check(signal);
  }

  #check(signal: AbortSignal | undefined): void {
    if (this.#closed) throw new WhorlError('closed', 'The encoder was closed.');
    throwIfAborted(signal);
    if (this.#broken) throw this.#broken;
  }

  #checkSequence(sequence: Int32Array): void {
    const { maxTokens, vocabulary } = this.#options;
    if (sequence.length === 0 || sequence.length > maxTokens) {
      throw new WhorlError(
        'invalid_option',
        `A sequence of ${sequence.length} tokens cannot be encoded; 1 to ${maxTokens} can.`,
      );
    }
    const wrong = sequence.find((id) => id < 0 || id >= vocabulary);
    if (wrong !== undefined) {
      throw new WhorlError('invalid_option', `There is no token with the number ${wrong}.`);
    }
  }
}

function tokensOf(sequences: readonly Int32Array[]): number {
  return sequences.reduce((sum, { length }) => sum + length, 0);
}

function noRoom(tokens: number, cause: unknown): WhorlError {
  return new WhorlError(
    'out_of_memory',
    `There is not enough memory to embed a single text of ${tokens} tokens. Nothing of the call was kept; close other tabs, or hand over a shorter text.`,
    { cause },
  );
}
