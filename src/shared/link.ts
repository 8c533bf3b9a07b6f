/**
 * Comlink under supervision. Comlink has no deadline, no abort, and does not notice a dead worker: a
 * call then hangs for ever. Here
 *
 * - every call settles: with the answer, or with `aborted`, `deadline`, `worker_lost`,
 *   `worker_start_failed` or `closed`;
 * - errors cross the border as code, message, cause and retryable;
 * - a worker that dies (an error event), hangs (no answer to a ping) or never starts is terminated,
 *   every pending call rejects, and the next call starts a fresh one, prepared by `prepare`.
 *
 * `worker.terminate()` gives no event at all, but it releases the locks of the worker: each far side
 * holds one for life, and getting it means that the other is gone. A hung worker keeps its lock; there
 * an unanswered ping is the only way to know.
 */
import * as Comlink from 'comlink';
import {
  abortedError,
  asWhorlError,
  fromWire,
  isWhorlError,
  toWire,
  WhorlError,
} from './errors.ts';
import { type Far, Incarnation, type Outcome, platformLocks, type Wire } from './incarnation.ts';
import { Patience } from './patience.ts';
import type { CallContext, CallOptions, Contract } from './types.ts';

export type { Far } from './incarnation.ts';

type Request<M> = M extends (request: infer R) => unknown ? R : never;
type Answer<M> = M extends (request: never) => infer A ? A : never;

/** The implementation of a contract on the far side. */
export type Handlers<C extends Contract<C>> = {
  readonly [K in keyof C]: (
    request: Request<C[K]>,
    context: CallContext<never>,
  ) => Answer<C[K]> | Promise<Answer<C[K]>>;
};

/** Serves a contract on a worker scope or a port. Only own methods of `handlers` can be called. */
export function serve<C extends Contract<C>>(
  handlers: Handlers<C>,
  endpoint: Comlink.Endpoint,
): void {
  const running = new Map<number, AbortController>();
  const wire: Wire = Object.assign(Object.create(null), {
    async invoke(id: number, method: string, request: unknown, report: unknown): Promise<Outcome> {
      const abort = new AbortController();
      running.set(id, abort);
      const buffers: ArrayBuffer[] = [];
      const context: CallContext<unknown> = {
        signal: abort.signal,
        report: typeof report === 'function' ? (report as (progress: unknown) => void) : () => {},
        transfer: (more) => buffers.push(...more),
      };
      try {
        const value = await handlerOf(handlers, method)(request as never, context as never);
        return Comlink.transfer({ value }, buffers);
      } catch (error) {
        return { error: toWire(error) };
      } finally {
        running.delete(id);
        if (typeof report === 'function')
          (report as Partial<Comlink.ProxyMethods>)[Comlink.releaseProxy]?.();
      }
    },
    cancel: (id: number) => running.get(id)?.abort(),
    ping: () => true as const,
    hold: holdForLife,
  });
  Comlink.expose(wire, endpoint);
}

function holdForLife(name: string): Promise<boolean> {
  const locks = platformLocks();
  if (!locks) return Promise.resolve(false);
  return new Promise((resolve) => {
    const granted = () => {
      resolve(true);
      return new Promise<never>(() => {});
    };
    locks.request(name, granted).catch(() => resolve(false));
  });
}

function handlerOf<C extends Contract<C>>(handlers: Handlers<C>, method: string) {
  if (!Object.hasOwn(handlers, method)) {
    throw new WhorlError('internal', `There is no method "${method}" on this side of the link.`);
  }
  return handlers[method as keyof C];
}

export interface LinkOptions<C extends Contract<C>> {
  /** Named in messages: `embed worker`. */
  readonly name: string;
  readonly spawn: () => Far;
  /** Runs on each fresh far side before any other call. */
  readonly prepare?: (call: Link<C>['call']) => Promise<void>;
  /** Milliseconds to the first sign of life. Default 15,000. */
  readonly startMs?: number;
  /** Milliseconds between pings while calls are pending. Default 1,000. */
  readonly pingMs?: number;
  /** Milliseconds without any sign of life, with calls pending, after which the far side counts as hung. Default 20,000. */
  readonly hungMs?: number;
  /** Called after a far side was lost, before the next one is started. */
  readonly onLost?: (error: WhorlError) => void;
}

const DEADLINE_MS = 30_000;

/** Calls to a far side that is replaced when it is lost. */
export class Link<C extends Contract<C>> {
  readonly #options: LinkOptions<C>;
  #current: { readonly far: Incarnation; readonly ready: Promise<void> } | null = null;
  /** When the one before is really gone. */
  #former: Promise<unknown> = Promise.resolve();
  #closed = false;
  #nextId = 1;

  constructor(options: LinkOptions<C>) {
    this.#options = options;
  }

  /**
   * Calls a method. Rejects with `aborted` at once when the signal fires (the far side is told),
   * with `deadline` after `deadlineMs` without answer or progress.
   */
  readonly call = async <K extends keyof C & string>(
    method: K,
    request: Request<C[K]>,
    options: CallOptions<never> = {},
  ): Promise<Answer<C[K]>> => {
    if (options.signal?.aborted) throw abortedError(options.signal);
    const { far, ready } = this.#start();
    await abortable(ready, options.signal);
    return this.#invoke(far, method, request, options);
  };

  /** Ends the present far side: pending calls reject with the error, the next call starts a fresh one. */
  replace(error: WhorlError): void {
    this.#current?.far.lose(error);
  }

  /** Ends the far side; pending and later calls reject with `closed`. */
  close(): void {
    this.#closed = true;
    this.#current?.far.lose(new WhorlError('closed', `The ${this.#options.name} was closed.`));
    this.#current = null;
  }

  /** Memoised until the far side is lost or its preparation fails: a failed start may be tried again. */
  #start(): { readonly far: Incarnation; readonly ready: Promise<void> } {
    if (this.#closed) throw new WhorlError('closed', `The ${this.#options.name} was closed.`);
    if (this.#current?.far.alive) return this.#current;
    const { name, pingMs = 1_000, hungMs = 20_000, startMs = 15_000 } = this.#options;
    const far = new Incarnation(this.#spawn(), { name, pingMs, hungMs }, (error) => {
      if (this.#current?.far === far) this.#current = null;
      this.#former = far.gone;
      if (!this.#closed) this.#options.onLost?.(error);
    });
    const ready = this.#prepare(far, startMs);
    this.#current = { far, ready };
    ready.catch((error) => far.lose(asWhorlError(error)));
    return this.#current;
  }

  #spawn(): Far {
    try {
      return this.#options.spawn();
    } catch (cause) {
      if (isWhorlError(cause)) throw cause;
      const said = cause instanceof Error ? cause.message : String(cause);
      const message = `The ${this.#options.name} could not be made (${said}). Nothing was changed; the next call tries again.`;
      throw new WhorlError('worker_start_failed', message, { cause });
    }
  }

  async #prepare(far: Incarnation, startMs: number): Promise<void> {
    const { name, prepare } = this.#options;
    const former = this.#former;
    let patience: Patience | undefined;
    const first = far.guard((reject) => {
      const message = `The ${name} gave no sign of life in ${startMs} ms. Nothing was changed; the next call tries again.`;
      const end = () => reject(new WhorlError('worker_start_failed', message, { retryable: true }));
      patience = new Patience(startMs, end);
      return far.greet();
    });
    try {
      await first;
    } finally {
      patience?.stop();
    }
    // Ended while it hung, it may hold its locks for a moment: its successor would find another in its place.
    await former;
    await prepare?.((method, request, options = {}) => this.#invoke(far, method, request, options));
  }

  async #invoke<K extends keyof C & string>(
    far: Incarnation,
    method: K,
    request: Request<C[K]>,
    options: CallOptions<never>,
  ): Promise<Answer<C[K]>> {
    if (options.signal?.aborted) throw abortedError(options.signal);
    const id = this.#nextId++;
    const { signal, deadlineMs = DEADLINE_MS, transfer = [], onProgress } = options;
    let leave = (): void => {};
    const answered = far.guard<Outcome>((reject) => {
      const giveUp = (error: WhorlError): void => {
        far.wire.cancel(id).catch(() => {});
        reject(error);
      };
      const patience = new Patience(deadlineMs, () => giveUp(this.#late(method, deadlineMs)));
      const stop = () => giveUp(abortedError(signal));
      signal?.addEventListener('abort', stop, { once: true });
      leave = () => {
        patience.stop();
        signal?.removeEventListener('abort', stop);
      };
      const report = Comlink.proxy((progress: unknown) => {
        patience.renew();
        onProgress?.(progress as never);
      });
      const sent = Comlink.transfer(request, [...transfer]);
      return far.wire.invoke(id, method, sent, onProgress ? report : null);
    });
    try {
      const outcome = await answered;
      if ('error' in outcome) throw fromWire(outcome.error);
      return outcome.value as Answer<C[K]>;
    } finally {
      // Also where nothing will ever answer: a caller's signal may outlive many workers.
      leave();
    }
  }

  #late(method: string, deadlineMs: number): WhorlError {
    const message =
      `"${method}" got no answer from the ${this.#options.name} in ${deadlineMs} ms and was cancelled; ` +
      'whether a change that was under way is kept shows when it is read.';
    return new WhorlError('deadline', message, { retryable: true });
  }
}

/** Waits for a promise no longer than the signal allows; leaves no listener behind. */
async function abortable(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return promise;
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(abortedError(signal));
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
