/** One start for many waiters. */
import { abortedError } from './shared/errors.ts';

interface Run<T> {
  readonly promise: Promise<T>;
  readonly abort: AbortController;
  waiting: number;
  settled: boolean;
}

/**
 * Runs a start once however many wait for it. A waiter's abort ends its own wait; the start itself is
 * aborted when the last waiter has gone. A failure is forgotten, so that the next wait tries again.
 */
export class SharedStart<T, P> {
  readonly #work: (signal: AbortSignal, report: (progress: P) => void) => Promise<T>;
  readonly #listeners = new Set<(progress: P) => void>();
  #run: Run<T> | null = null;

  constructor(work: (signal: AbortSignal, report: (progress: P) => void) => Promise<T>) {
    this.#work = work;
  }

  /** The next wait starts anew. A start that still runs goes on: its end says what became of it. */
  forget(): void {
    if (this.#run?.settled) this.#run = null;
  }

  async wait(
    options: { readonly signal?: AbortSignal; readonly onProgress?: (progress: P) => void } = {},
  ): Promise<T> {
    const { signal, onProgress } = options;
    if (signal?.aborted) throw abortedError(signal);
    const run = this.#current();
    run.waiting += 1;
    if (onProgress) this.#listeners.add(onProgress);
    let leave = (): void => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(abortedError(signal));
      signal?.addEventListener('abort', leave, { once: true });
    });
    try {
      return await Promise.race([run.promise, left]);
    } finally {
      signal?.removeEventListener('abort', leave);
      if (onProgress) this.#listeners.delete(onProgress);
      run.waiting -= 1;
      if (run.waiting === 0 && !run.settled) this.#giveUp(run);
    }
  }

  #current(): Run<T> {
    if (this.#run) return this.#run;
    const abort = new AbortController();
    const promise = this.#work(abort.signal, (progress) => {
      for (const listener of this.#listeners) listener(progress);
    });
    const run: Run<T> = { promise, abort, waiting: 0, settled: false };
    promise.then(
      () => {
        run.settled = true;
      },
      () => {
        run.settled = true;
        if (this.#run === run) this.#run = null;
      },
    );
    this.#run = run;
    return run;
  }

  #giveUp(run: Run<T>): void {
    run.abort.abort();
    if (this.#run === run) this.#run = null;
  }
}
