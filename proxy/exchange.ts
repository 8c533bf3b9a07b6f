/** What one request holds while it is answered, given back exactly once however it ends. */
import type { Reservation } from './budget.ts';
import type { ParsedRequest } from './message-request.ts';
import type { ProxyError } from './proxy-error.ts';
import { UsageMeter } from './usage.ts';
import { Watch } from './watch.ts';

/** Who asks. */
export interface Caller {
  readonly requestId: string;
  readonly address?: string | undefined;
  readonly disconnect?: (() => void) | undefined;
}

/** How an exchange ended, for the log. */
export interface Ending {
  readonly error: ProxyError | null;
  /** The status that the client saw: 200 also where the stream went wrong after it. */
  readonly status: number;
  readonly model: string;
  /** Tokens charged to the budget. */
  readonly tokens: number;
}

export interface ExchangeOptions {
  readonly request: Request;
  readonly caller: Caller;
  readonly parsed: ParsedRequest;
  readonly totalMs: number;
  readonly reservation: Reservation;
  readonly release: () => void;
  readonly onEnd: (ending: Ending) => void;
}

export class Exchange {
  readonly parsed: ParsedRequest;
  readonly caller: Caller;
  readonly watch: Watch;
  readonly meter = new UsageMeter();
  /** Resolves when everything is given back. */
  readonly over: Promise<void>;
  readonly #options: ExchangeOptions;
  #over: () => void = () => {};
  #ended = false;

  constructor(options: ExchangeOptions) {
    const { request, parsed, caller, totalMs } = options;
    this.#options = options;
    this.parsed = parsed;
    this.caller = caller;
    this.watch = new Watch(totalMs);
    this.over = new Promise((resolve) => {
      this.#over = resolve;
    });
    request.signal.addEventListener('abort', this.#left, { once: true });
    if (request.signal.aborted) this.#left();
  }

  readonly #left = (): void => this.watch.stop('client');

  /** Ends an exchange that was answered 200; `error` is what happened to its stream. */
  answered(error: ProxyError | null): void {
    this.#end(error, 200, this.#cost());
  }

  /**
   * Ends an exchange that is answered with an error status. What the API refused is not billed; what
   * was given up or cut may be.
   */
  refused(error: ProxyError): void {
    const billed = this.watch.reason !== null || error.code === 'stream_incomplete';
    this.#end(error, error.status, billed ? this.#cost() : 0);
  }

  #cost(): number {
    return this.meter.charge(this.parsed.inputBound, this.parsed.body.max_tokens);
  }

  #end(error: ProxyError | null, status: number, tokens: number): void {
    if (this.#ended) return;
    this.#ended = true;
    const { request, release, reservation, onEnd } = this.#options;
    this.watch.end();
    request.signal.removeEventListener('abort', this.#left);
    release();
    // Nothing is lost when this fails: the store then still holds the larger, reserved sum.
    reservation.settle(tokens).catch(() => {});
    onEnd({ error, status, model: this.parsed.body.model, tokens });
    this.#over();
  }
}
