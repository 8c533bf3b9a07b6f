/**
 * Why an upstream request is stopped before its end. One abort signal, and the first reason wins:
 * the signal alone would not tell a client that left from a server that went silent.
 */
import { ProxyError } from './proxy-error.ts';

export type StopReason = 'client' | 'first_byte' | 'idle' | 'total' | 'slow_client' | 'closed';

export class Watch {
  readonly #abort = new AbortController();
  readonly #total: ReturnType<typeof setTimeout>;
  readonly #totalMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerMs = 0;
  #reason: StopReason | null = null;
  #onStop: ((reason: StopReason) => void) | null = null;

  constructor(totalMs: number) {
    this.#totalMs = totalMs;
    this.#total = setTimeout(() => this.stop('total'), totalMs);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get reason(): StopReason | null {
    return this.#reason;
  }

  /** Called once, when the first reason comes. */
  set onStop(listener: (reason: StopReason) => void) {
    this.#onStop = listener;
  }

  /** Starts a timer in place of the one that runs; none after a stop. */
  arm(reason: StopReason, ms: number): void {
    clearTimeout(this.#timer);
    if (this.#reason !== null) return;
    this.#timerMs = ms;
    this.#timer = setTimeout(() => this.stop(reason), ms);
  }

  disarm(): void {
    clearTimeout(this.#timer);
  }

  stop(reason: StopReason): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.end();
    this.#abort.abort();
    this.#onStop?.(reason);
  }

  /** Stops all timers. */
  end(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#total);
  }

  /** The reason as an error, or null while there is none. */
  error(): ProxyError | null {
    switch (this.#reason) {
      case null:
        return null;
      case 'client':
        return new ProxyError('aborted', 'The client left; the upstream request was stopped.');
      case 'closed':
        return new ProxyError('closed', 'The proxy is shutting down and stopped this answer.');
      case 'slow_client':
        return new ProxyError('stream_timeout', `The client read nothing for ${this.#timerMs} ms.`);
      case 'first_byte':
        return timeout(`The Claude API sent nothing for ${this.#timerMs} ms.`);
      case 'idle':
        return timeout(`The Claude API went silent for ${this.#timerMs} ms.`);
      case 'total':
        return timeout(`The answer took longer than ${this.#totalMs} ms.`);
    }
  }
}

function timeout(what: string): ProxyError {
  const message = `${what} The request was stopped; what arrived is a draft. It may be made again.`;
  return new ProxyError('stream_timeout', message);
}
