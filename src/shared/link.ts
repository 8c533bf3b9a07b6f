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
  toWire,
  WhorlError,
  type WireError,
} from './errors.ts';
import type { CallContext, CallOptions, Contract } from './types.ts';

type Request<M> = M extends (request: infer R) => unknown ? R : never;
type Answer<M> = M extends (request: never) => infer A ? A : never;

/** The implementation of a contract on the far side. */
export type Handlers<C extends Contract<C>> = {
  readonly [K in keyof C]: (
    request: Request<C[K]>,
    context: CallContext<never>,
  ) => Answer<C[K]> | Promise<Answer<C[K]>>;
};

type Outcome = { readonly value: unknown } | { readonly error: WireError };

interface Wire {
  invoke(
    id: number,
    method: string,
    request: unknown,
    report: ((progress: unknown) => void) | null,
  ): Promise<Outcome>;
  cancel(id: number): void;
  ping(): true;
  /** Holds a Web Lock for as long as this side lives; false where there are none. */
  hold(name: string): Promise<boolean>;
}

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

/** The platform's locks, or undefined: Node has none, and a sandboxed frame may not touch them. */
function platformLocks(): LockManager | undefined {
  try {
    return (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks;
  } catch {
    return undefined;
  }
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

/** A worker or a port, and how to end it. */
export interface Far {
  readonly endpoint: Comlink.Endpoint & EventTarget;
  /** Ends the far side for good. */
  end(): void;
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

/** One far side, from its first message to its end. */
class Incarnation {
  readonly wire: Comlink.Remote<Wire>;
  readonly #far: Far;
  readonly #pending = new Set<(error: WhorlError) => void>();
  readonly #onLost: (error: WhorlError) => void;
  readonly #options: { readonly name: string; readonly pingMs: number; readonly hungMs: number };
  #lost: WhorlError | null = null;
  #started = false;
  readonly #lifeline = new AbortController();
  #missed = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    far: Far,
    options: { readonly name: string; readonly pingMs: number; readonly hungMs: number },
    onLost: (error: WhorlError) => void,
  ) {
    this.#far = far;
    this.#options = options;
    this.#onLost = onLost;
    this.wire = Comlink.wrap<Wire>(far.endpoint);
    far.endpoint.addEventListener('error', this.#onError);
    far.endpoint.addEventListener('messageerror', this.#onError);
    far.endpoint.addEventListener('message', this.#onLife);
  }

  get alive(): boolean {
    return this.#lost === null;
  }

  readonly #onLife = (): void => {
    this.#started = true;
    this.#missed = 0;
  };

  // A script that cannot be fetched, parsed or compiled gives an `error` event without a message.
  readonly #onError = (event: Event): void => {
    const detail = (event as { message?: string }).message;
    const what = `${this.#started ? 'stopped' : 'could not be started'}${detail ? ` (${detail})` : ''}`;
    const { message } = this.#lostError(what);
    const code = this.#started ? 'worker_lost' : 'worker_start_failed';
    this.lose(new WhorlError(code, message, { retryable: true }));
  };

  /** Learns of the far side's death by the release of its lock; resolves when the lock is held, or cannot be. */
  async watchLife(): Promise<void> {
    const locks = platformLocks();
    if (!locks) return;
    const lock = `whorl-life-${crypto.randomUUID()}`;
    if (!(await this.wire.hold(lock))) return;
    const gone = () => this.lose(this.#lostError('was ended from outside'));
    locks.request(lock, { signal: this.#lifeline.signal }, gone).catch(() => {});
  }

  #lostError(how: string): WhorlError {
    const message =
      `The ${this.#options.name} ${how}. What was confirmed is kept; whether a change that was ` +
      'under way is kept shows when it is read. The next call starts a fresh one.';
    return new WhorlError('worker_lost', message, { retryable: true });
  }

  /** Rejects everything pending and ends the far side; once. */
  lose(error: WhorlError): void {
    if (this.#lost !== null) return;
    this.#lost = error;
    this.#lifeline.abort();
    clearInterval(this.#timer);
    this.#far.endpoint.removeEventListener('error', this.#onError);
    this.#far.endpoint.removeEventListener('messageerror', this.#onError);
    this.#far.endpoint.removeEventListener('message', this.#onLife);
    this.#far.end();
    for (const reject of [...this.#pending]) reject(error);
    this.#pending.clear();
    this.#onLost(error);
  }

  /** Ties a promise to the life of the far side. `work` may reject early by the function it is given. */
  guard<T>(work: (reject: (error: WhorlError) => void) => Promise<T>): Promise<T> {
    // It may have been lost while the caller waited for its turn: nothing would ever answer.
    if (this.#lost !== null) return Promise.reject(this.#lost);
    return new Promise<T>((resolve, reject) => {
      const fail = (error: WhorlError): void => {
        this.#pending.delete(fail);
        if (this.#pending.size === 0) this.#rest();
        reject(error);
      };
      this.#pending.add(fail);
      this.#watch();
      work(fail).then(
        (value) => {
          this.#pending.delete(fail);
          if (this.#pending.size === 0) this.#rest();
          resolve(value);
        },
        (error) => fail(asWhorlError(error)),
      );
    });
  }

  #watch(): void {
    if (this.#timer !== undefined) return;
    this.#missed = 0;
    this.#timer = setInterval(() => this.#beat(), this.#options.pingMs);
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #beat(): void {
    // Counted in beats, not by the clock: a page that was frozen or asleep must not end a healthy worker.
    const silentMs = this.#missed * this.#options.pingMs;
    if (silentMs > this.#options.hungMs) {
      this.lose(this.#lostError(`has not answered for ${silentMs} ms and was ended`));
      return;
    }
    this.#missed += 1;
    this.wire.ping().catch(() => {});
  }
}

/** Calls to a far side that is replaced when it is lost. */
export class Link<C extends Contract<C>> {
  readonly #options: LinkOptions<C>;
  #current: { readonly far: Incarnation; readonly ready: Promise<void> } | null = null;
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
    const far = new Incarnation(this.#options.spawn(), { name, pingMs, hungMs }, (error) => {
      if (this.#current?.far === far) this.#current = null;
      if (!this.#closed) this.#options.onLost?.(error);
    });
    const ready = this.#prepare(far, startMs);
    this.#current = { far, ready };
    ready.catch((error) => far.lose(asWhorlError(error)));
    return this.#current;
  }

  async #prepare(far: Incarnation, startMs: number): Promise<void> {
    const { name, prepare } = this.#options;
    await far.guard(
      (reject) =>
        new Promise<void>((resolve) => {
          const timer = setTimeout(
            () =>
              reject(
                new WhorlError(
                  'worker_start_failed',
                  `The ${name} gave no sign of life in ${startMs} ms.`,
                  {
                    retryable: true,
                  },
                ),
              ),
            startMs,
          );
          far.wire
            .ping()
            .then(() => resolve(), reject)
            .finally(() => clearTimeout(timer));
        }),
    );
    await far.guard(() => far.watchLife());
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
    const outcome = await far.guard<Outcome>((reject) => {
      const expire = () => {
        far.wire.cancel(id).catch(() => {});
        const message = `"${method}" got no answer from the ${this.#options.name} in ${deadlineMs} ms.`;
        reject(new WhorlError('deadline', message, { retryable: true }));
      };
      let timer = startTimer(expire, deadlineMs);
      const stop = () => {
        clearTimeout(timer);
        far.wire.cancel(id).catch(() => {});
        reject(abortedError(signal));
      };
      signal?.addEventListener('abort', stop, { once: true });
      const report = Comlink.proxy((progress: unknown) => {
        clearTimeout(timer);
        timer = startTimer(expire, deadlineMs);
        onProgress?.(progress as never);
      });
      return far.wire
        .invoke(id, method, Comlink.transfer(request, [...transfer]), onProgress ? report : null)
        .finally(() => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', stop);
        });
    });
    if ('error' in outcome) throw fromWire(outcome.error);
    return outcome.value as Answer<C[K]>;
  }
}

/** `setTimeout` treats what it cannot count to as 0: no timer then, so that Infinity means none. */
function startTimer(expire: () => void, ms: number): ReturnType<typeof setTimeout> | undefined {
  return ms > 0x7fffffff ? undefined : setTimeout(expire, ms);
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
