/**
 * Work for one encoder, by priority, in two lanes. Contract: queries go in the order of their arrival, each
 * to its end, and are handed to the encoder at once; no batch of bulk work begins before the last query is
 * answered. (Our own kernel runs a query in the middle of a bulk batch, ONNX Runtime after it.) Bulk jobs take
 * turns, batch by batch, so that each of them shows life and none waits past its caller's deadline. An
 * aborted job rejects at once and its remaining batches never run.
 */
import { abortedError } from '../../src/shared/errors.ts';
import { planBatches } from './batches.ts';
import type { Encoder } from './encoder.ts';

type Lane = 'query' | 'bulk';

export interface EncodeJob {
  readonly ids: readonly Int32Array[];
  readonly priority: Lane;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number) => void;
}

interface Entry {
  readonly job: EncodeJob;
  readonly vectors: Float32Array<ArrayBuffer>;
  batches: number[][];
  done: number;
  readonly resolve: (vectors: Float32Array<ArrayBuffer>) => void;
  readonly reject: (error: unknown) => void;
}

export interface QueueDeps {
  /** The encoder of the moment; another one after a loss. */
  readonly encoder: () => Encoder;
  /** Mends the backend after a failure; resolves when the batch may be run once more. */
  readonly recover: (error: unknown) => Promise<void>;
  /** Lets messages (a query, an abort, a ping) in between two batches. */
  readonly breathe: () => Promise<void>;
  /** Told of each batch that went through, with its tokens. */
  readonly onEncoded?: (tokens: number) => void;
}

export class EncodeQueue {
  readonly #deps: QueueDeps;
  readonly #waiting: { readonly [L in Lane]: Entry[] } = { query: [], bulk: [] };
  readonly #work: { [L in Lane]: Promise<void> | null } = { query: null, bulk: null };
  #epoch = 0;

  constructor(deps: QueueDeps) {
    this.#deps = deps;
  }

  /** Whether nothing waits and nothing runs. */
  get idle(): boolean {
    return this.#waiting.query.length + this.#waiting.bulk.length === 0;
  }

  /** Resolves when the queries that are here were answered; null where there are none. */
  get queries(): Promise<void> | null {
    return this.#work.query;
  }

  /** @returns row-major vectors in the order of `job.ids`. */
  run(job: EncodeJob): Promise<Float32Array<ArrayBuffer>> {
    if (job.signal.aborted) return Promise.reject(abortedError(job.signal));
    return new Promise((resolve, reject) => {
      const stop = (): void => this.#drop(entry, abortedError(job.signal));
      const settle = (): void => job.signal.removeEventListener('abort', stop);
      const entry = this.#entry(
        job,
        (vectors) => {
          settle();
          resolve(vectors);
        },
        (error) => {
          settle();
          reject(error);
        },
      );
      job.signal.addEventListener('abort', stop, { once: true });
      this.#waiting[job.priority].push(entry);
      this.#begin(job.priority);
    });
  }

  /** Runs every job from its beginning: what was encoded so far is not to be trusted. */
  restart(): void {
    this.#epoch += 1;
    for (const entry of [...this.#waiting.query, ...this.#waiting.bulk]) {
      entry.batches = this.#plan(entry.job);
      entry.done = 0;
    }
  }

  /** Rejects everything that waits. */
  close(error: unknown): void {
    for (const entry of [...this.#waiting.query.splice(0), ...this.#waiting.bulk.splice(0)]) {
      entry.reject(error);
    }
  }

  #entry(job: EncodeJob, resolve: Entry['resolve'], reject: Entry['reject']): Entry {
    const vectors = new Float32Array(job.ids.length * this.#deps.encoder().dimension);
    return { job, vectors, batches: this.#plan(job), done: 0, resolve, reject };
  }

  #plan({ ids }: EncodeJob): number[][] {
    const lengths = ids.map((sequence) => sequence.length);
    return planBatches(lengths, this.#deps.encoder().rules);
  }

  #drop(entry: Entry, error: unknown): void {
    this.#leave(entry);
    entry.reject(error);
  }

  /** Takes a job out of its lane; false where it had left already (aborted, closed). */
  #leave(entry: Entry): boolean {
    const lane = this.#waiting[entry.job.priority];
    const at = lane.indexOf(entry);
    if (at >= 0) lane.splice(at, 1);
    return at >= 0;
  }

  #begin(lane: Lane): void {
    this.#work[lane] ??= this.#drain(lane).finally(() => {
      this.#work[lane] = null;
      if (this.#waiting[lane].length > 0) this.#begin(lane);
    });
  }

  async #drain(lane: Lane): Promise<void> {
    for (;;) {
      while (lane === 'bulk' && this.#work.query) await this.#work.query;
      const entry = this.#waiting[lane][0];
      if (!entry) return;
      const tokens = await this.#step(entry).catch((error) => this.#drop(entry, error));
      if (tokens) this.#deps.onEncoded?.(tokens);
      await this.#deps.breathe();
    }
  }

  /** One batch of a job; answers with its tokens. */
  async #step(entry: Entry): Promise<number> {
    const { job } = entry;
    const batch = entry.batches.shift() ?? [];
    if (!(await this.#encodeInto(entry, batch))) return 0;
    if (this.#leave(entry)) {
      if (entry.batches.length === 0) entry.resolve(entry.vectors);
      else if (job.priority === 'bulk') this.#waiting.bulk.push(entry);
      else this.#waiting.query.unshift(entry);
    }
    return batch.reduce((sum, index) => sum + (job.ids[index]?.length ?? 0), 0);
  }

  /** False where the job was begun anew meanwhile. */
  async #encodeInto(entry: Entry, batch: readonly number[]): Promise<boolean> {
    if (batch.length === 0) return true;
    const epoch = this.#epoch;
    const { ids, signal, onProgress } = entry.job;
    const sequences = batch.map((index) => ids[index] as Int32Array);
    const rows = await this.#encode(sequences, entry.job);
    if (epoch !== this.#epoch) return false;
    const { dimension } = this.#deps.encoder();
    for (const [row, index] of batch.entries()) {
      entry.vectors.set(rows.subarray(row * dimension, (row + 1) * dimension), index * dimension);
    }
    entry.done += batch.length;
    if (!signal.aborted) onProgress(entry.done);
    return true;
  }

  async #encode(ids: readonly Int32Array[], job: EncodeJob): Promise<Float32Array> {
    const { priority, signal } = job;
    const encoder = this.#deps.encoder();
    try {
      return await encoder.embed(ids, { priority, signal });
    } catch (error) {
      if (signal.aborted) throw error;
      // The other lane may have had it replaced already.
      if (this.#deps.encoder() === encoder) await this.#deps.recover(error);
      return this.#deps.encoder().embed(ids, { priority, signal });
    }
  }
}
