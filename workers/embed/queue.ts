/**
 * Work for one encoder, by priority. Contract: a job's sequences are encoded batch by batch; between
 * two batches the most urgent job goes on, so that a query waits for one batch of bulk work at most.
 * Queries go in the order of their arrival; bulk jobs take turns, batch by batch, so that each of them
 * shows life and none waits past its caller's deadline. An aborted job rejects at once and its remaining
 * batches never run.
 */
import { abortedError } from '../../src/shared/errors.ts';
import { planBatches } from './batches.ts';
import type { Encoder } from './encoder.ts';

export interface EncodeJob {
  readonly ids: readonly Int32Array[];
  readonly priority: 'query' | 'bulk';
  readonly signal: AbortSignal;
  readonly onProgress: (done: number) => void;
}

interface Entry {
  readonly job: EncodeJob;
  readonly vectors: Float32Array<ArrayBuffer>;
  readonly batches: number[][];
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
}

export class EncodeQueue {
  readonly #deps: QueueDeps;
  readonly #waiting: Entry[] = [];
  #running = false;

  constructor(deps: QueueDeps) {
    this.#deps = deps;
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
      this.#waiting.push(entry);
      if (!this.#running) void this.#work();
    });
  }

  /** Rejects everything that waits. */
  close(error: unknown): void {
    for (const entry of this.#waiting.splice(0)) entry.reject(error);
  }

  #entry(job: EncodeJob, resolve: Entry['resolve'], reject: Entry['reject']): Entry {
    const { dimension, rules } = this.#deps.encoder();
    const lengths = job.ids.map((sequence) => sequence.length);
    return {
      job,
      vectors: new Float32Array(job.ids.length * dimension),
      batches: planBatches(lengths, rules),
      done: 0,
      resolve,
      reject,
    };
  }

  #drop(entry: Entry, error: unknown): void {
    const at = this.#waiting.indexOf(entry);
    if (at >= 0) this.#waiting.splice(at, 1);
    entry.reject(error);
  }

  async #work(): Promise<void> {
    this.#running = true;
    for (;;) {
      const entry = this.#waiting.find(({ job }) => job.priority === 'query') ?? this.#waiting[0];
      if (!entry) break;
      await this.#step(entry).catch((error) => this.#drop(entry, error));
      await this.#deps.breathe();
    }
    this.#running = false;
  }

  async #step(entry: Entry): Promise<void> {
    const batch = entry.batches.shift();
    if (batch) {
      const ids = batch.map((index) => entry.job.ids[index] as Int32Array);
      const rows = await this.#encode(ids);
      const { dimension } = this.#deps.encoder();
      batch.forEach((index, row) => {
        entry.vectors.set(rows.subarray(row * dimension, (row + 1) * dimension), index * dimension);
      });
      entry.done += batch.length;
      if (!entry.job.signal.aborted) entry.job.onProgress(entry.done);
    }
    const at = this.#waiting.indexOf(entry);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    if (entry.batches.length === 0) entry.resolve(entry.vectors);
    else if (entry.job.priority === 'bulk') this.#waiting.push(entry);
    else this.#waiting.unshift(entry);
  }

  async #encode(ids: readonly Int32Array[]): Promise<Float32Array> {
    try {
      return await this.#deps.encoder().embed(ids);
    } catch (error) {
      await this.#deps.recover(error);
      return this.#deps.encoder().embed(ids);
    }
  }
}
