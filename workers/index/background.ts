/**
 * Work that nobody waits for: building graphs in slices, so that calls are answered in between, saving
 * finished graphs, and embedding again what another model embedded. One job runs at a time.
 */
import { asWhorlError, type WhorlError } from '../../src/shared/errors.ts';

export interface BackgroundOptions {
  /** Lets waiting calls run; a macrotask. */
  readonly pause: () => Promise<void>;
  /** How the last job ended: with an error (it is not tried again until it is asked for again), or well (null). */
  readonly onEnd: (trouble: WhorlError | null) => void;
}

export type Job = (pause: () => Promise<void>, signal: AbortSignal) => Promise<void>;

export class Background {
  readonly #options: BackgroundOptions;
  readonly #jobs = new Map<string, Job>();
  /** Found the storage full; run again when there is room. */
  readonly #parked = new Map<string, Job>();
  readonly #stop = new AbortController();
  #running: Promise<void> | null = null;

  constructor(options: BackgroundOptions) {
    this.#options = options;
  }

  /** Queues a job; one of the same name that still waits is replaced. */
  add(name: string, job: Job): void {
    if (this.#stop.signal.aborted) return;
    this.#parked.delete(name);
    this.#jobs.set(name, job);
    this.#start();
  }

  /** There may be room in the storage: the jobs that found none run again, from their beginning. */
  resume(): void {
    for (const [name, job] of [...this.#parked]) this.add(name, job);
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      // A job may have come after the last look and before this.
      if (this.#jobs.size > 0) this.#start();
    });
  }

  /** Resolves when nothing is queued or running. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    const { pause, onEnd } = this.#options;
    await pause();
    for (;;) {
      const [next] = this.#jobs;
      if (next === undefined || this.#stop.signal.aborted) return;
      const [name, job] = next;
      this.#jobs.delete(name);
      try {
        await job(pause, this.#stop.signal);
        onEnd(null);
      } catch (error) {
        const trouble = asWhorlError(error);
        if (trouble.code === 'storage_full' && !this.#jobs.has(name)) this.#parked.set(name, job);
        // Cancelled by a drop or by closing: that is no trouble.
        if (trouble.code !== 'aborted' && !this.#stop.signal.aborted) onEnd(trouble);
      }
    }
  }

  /** Stops after the present slice. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#jobs.clear();
    this.#parked.clear();
    await this.idle();
  }
}
