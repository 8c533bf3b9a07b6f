/** Milliseconds of each stage of a turn, by a monotonic clock. */
import type { Stage, Timings } from './types.ts';

export class Stopwatch {
  readonly #now: () => number;
  readonly #onStage: ((stage: Stage) => void) | undefined;
  readonly #start: number;
  readonly #spent = { embed: 0, retrieve: 0, generate: 0, evaluate: 0, store: 0 };

  constructor(now: () => number, onStage?: (stage: Stage) => void) {
    this.#now = now;
    this.#onStage = onStage;
    this.#start = now();
  }

  /** Runs a stage and adds its time, also when it fails. */
  async time<T>(stage: Stage, run: () => Promise<T>): Promise<T> {
    this.#onStage?.(stage);
    const from = this.#now();
    try {
      return await run();
    } finally {
      this.#spent[stage] += this.#now() - from;
    }
  }

  timings(): Timings {
    return { ...this.#spent, total: this.#now() - this.#start };
  }
}
