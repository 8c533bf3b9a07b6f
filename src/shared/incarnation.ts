/**
 * One far side of a link, from its first message to its end. It is lost by an error event, by the release of
 * the lock that it holds for life, or by a ping that it leaves unanswered; then everything pending rejects.
 */
import * as Comlink from 'comlink';
import { asWhorlError, WhorlError, type WireError } from './errors.ts';
import { giveWay } from './give-way.ts';

/** How a call ended on the far side. */
export type Outcome = { readonly value: unknown } | { readonly error: WireError };

/** What both sides of a link say to each other. */
export interface Wire {
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

/** The platform's locks, or undefined: Node has none, and a sandboxed frame may not touch them. */
export function platformLocks(): LockManager | undefined {
  try {
    return (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks;
  } catch {
    return undefined;
  }
}

/** A worker or a port, and how to end it. */
export interface Far {
  readonly endpoint: Comlink.Endpoint & EventTarget;
  /** Address of its script, for messages. */
  readonly address?: string;
  /** Ends the far side for good. */
  end(): void;
}

export interface IncarnationOptions {
  /** Named in messages. */
  readonly name: string;
  readonly pingMs: number;
  readonly hungMs: number;
}

/** Milliseconds that a successor waits for one that was ended to let go of what it holds; it takes a few as a rule. */
const GONE_MS = 1_000;

export class Incarnation {
  readonly wire: Comlink.Remote<Wire>;
  readonly #far: Far;
  readonly #pending = new Set<(error: WhorlError) => void>();
  readonly #onLost: (error: WhorlError) => void;
  readonly #options: IncarnationOptions;
  #lost: WhorlError | null = null;
  #started = false;
  readonly #lifeline = new AbortController();
  #gone: Promise<unknown> = Promise.resolve();
  /** Beats since the last message, each with a ping. */
  #missed = 0;
  /** Whether messages had their turn on this side since the last beat. */
  #isFlowing = true;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(far: Far, options: IncarnationOptions, onLost: (error: WhorlError) => void) {
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

  /** Of one that was lost: resolves when it holds no locks any more, or has had a second for that. */
  get gone(): Promise<unknown> {
    return this.#gone;
  }

  readonly #onLife = (): void => {
    this.#started = true;
    this.#missed = 0;
  };

  // A script that cannot be fetched, parsed or compiled gives an `error` event without a message.
  readonly #onError = (event: Event): void => {
    // The calls that reject tell of it; uncaught, it would go on to the page.
    event.preventDefault();
    const detail = detailOf(event);
    this.lose(this.#started ? this.#lostError(`stopped${detail}`) : this.#startError(detail));
  };

  /**
   * Says the first word, and learns of the far side's death from its answer on: by the release of the lock that
   * it took. Where there are no locks, only a ping that stays unanswered tells of it.
   */
  async greet(): Promise<void> {
    const locks = platformLocks();
    if (!locks) {
      await this.wire.ping();
      return;
    }
    const lock = `whorl-life-${crypto.randomUUID()}`;
    if (!(await this.wire.hold(lock))) return;
    const gone = () => this.lose(this.#lostError('was ended from outside'));
    this.#gone = locks.request(lock, { signal: this.#lifeline.signal }, gone).catch(() => {});
  }

  #startError(detail: string): WhorlError {
    const { address } = this.#far;
    const script = address === undefined ? 'its script' : address;
    const message =
      `The ${this.#options.name} could not be started${detail}. Nothing was changed. Reload the page if the ` +
      `site was deployed anew; else see that ${script} is there, whole and served as JavaScript, and that ` +
      'the content security policy (worker-src, script-src) allows it. The next call tries again.';
    return new WhorlError('worker_start_failed', message, { retryable: true });
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
    clearInterval(this.#timer);
    const late = setTimeout(() => this.#lifeline.abort(), GONE_MS);
    void this.#gone.then(() => clearTimeout(late));
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
        reject(error);
      };
      this.#pending.add(fail);
      this.#timer ??= setInterval(() => this.#beat(), this.#options.pingMs);
      work(fail).then(
        (value) => {
          this.#pending.delete(fail);
          resolve(value);
        },
        (error) => fail(asWhorlError(error)),
      );
    });
  }

  /**
   * Counted in beats, not by the clock: a page that was frozen or asleep must not end a healthy worker.
   * Goes on when nobody waits any more, until a ping is answered: calls that are given up early, one after
   * the other, would never find out that they wait for a worker that hangs.
   */
  #beat(): void {
    if (this.#pending.size === 0 && this.#missed === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    // Timers may come in a burst, and an answer cannot be heard in between.
    if (!this.#isFlowing) return;
    const silentMs = this.#missed * this.#options.pingMs;
    if (silentMs > this.#options.hungMs) {
      this.lose(this.#lostError(`has not answered for ${silentMs} ms and was ended`));
      return;
    }
    this.#missed += 1;
    this.#isFlowing = false;
    this.wire.ping().catch(() => {});
    void giveWay().then(() => {
      this.#isFlowing = true;
    });
  }
}

/** What an `error` event says beyond that there was one. */
function detailOf(event: Event): string {
  if (event.type === 'messageerror') return ' (it sent what cannot be read)';
  const { message, filename, lineno } = event as Partial<ErrorEvent>;
  if (!message) return '';
  return filename ? ` (${message}, ${filename}:${lineno ?? 0})` : ` (${message})`;
}
