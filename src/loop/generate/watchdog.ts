/** Deadlines and the caller's abort of one attempt, as one signal. */
import { abortedError, WhorlError } from '../../shared/errors.ts';

/**
 * Named timers over one signal. `race` settles as soon as the signal aborts even where the promise
 * never would: a body that ignores its signal must not hold a turn for ever.
 */
export class Watchdog {
  readonly #abort = new AbortController();
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #outer: AbortSignal | undefined;
  readonly #leave = () => this.#fail(abortedError(this.#outer));
  #reason: WhorlError | null = null;

  constructor(outer: AbortSignal | undefined) {
    this.#outer = outer;
    if (outer?.aborted) this.#leave();
    else outer?.addEventListener('abort', this.#leave, { once: true });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Why it ended the attempt, or null. */
  reason(): WhorlError | null {
    return this.#reason;
  }

  /** Starts a timer, or starts it anew. */
  arm(name: string, ms: number, what: string): void {
    this.disarm(name);
    const message = `Waited ${ms} ms for ${what} in vain; the attempt was stopped and nothing was stored. Ask again.`;
    const fail = () => this.#fail(new WhorlError('stream_timeout', message, { retryable: true }));
    this.#timers.set(name, setTimeout(fail, ms));
  }

  disarm(name: string): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  async race<T>(promise: Promise<T>): Promise<T> {
    let stop = () => {};
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(this.#reason);
      if (this.signal.aborted) stop();
      else this.signal.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([promise, stopped]);
    } finally {
      this.signal.removeEventListener('abort', stop);
    }
  }

  /** Stops the timers; aborts what may still run of the attempt. */
  end(): void {
    for (const name of [...this.#timers.keys()]) this.disarm(name);
    this.#outer?.removeEventListener('abort', this.#leave);
    this.#abort.abort();
  }

  #fail(reason: WhorlError): void {
    this.#reason ??= reason;
    this.#abort.abort(reason);
  }
}
