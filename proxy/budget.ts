/**
 * Tokens a day. A request reserves the most it can cost before it is sent and settles what it did
 * cost, so that requests at the same time cannot pass the cap together.
 *
 * What is stored counts open reservations as spent, and a reservation is stored before the request
 * leaves: a proxy that dies in the middle has counted too much, never too little.
 */
import { ProxyError } from './proxy-error.ts';

/** What is kept; `tokens` includes open reservations. */
export interface BudgetState {
  readonly version: 1;
  /** UTC date, `YYYY-MM-DD`. */
  readonly day: string;
  readonly tokens: number;
}

/** Keeps one {@link BudgetState}. `save` resolves once the state would survive a restart. */
export interface BudgetStore {
  load(): Promise<BudgetState | null>;
  save(state: BudgetState): Promise<void>;
}

/** Forgets with the process: for tests, and for hosts that have no disk. */
export function memoryBudgetStore(): BudgetStore {
  let kept: BudgetState | null = null;
  return {
    load: async () => kept,
    save: async (state) => {
      kept = state;
    },
  };
}

export interface Reservation {
  /** Replaces the reserved by the used tokens; the first call counts. Rejects when it could not be stored. */
  settle(tokens: number): Promise<void>;
}

export interface BudgetOptions {
  /** Tokens a UTC day. */
  readonly limit: number;
  readonly store: BudgetStore;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const DAY_MS = 86_400_000;

export class Budget {
  readonly #options: BudgetOptions;
  #loading: Promise<void> | null = null;
  #day = '';
  #spent = 0;
  #reserved = 0;
  #writing: Promise<void> = Promise.resolve();
  #queued: Promise<void> | null = null;

  constructor(options: BudgetOptions) {
    this.#options = options;
  }

  /** Reads what was kept; rejects with the store's error, which is forgotten: a later call may succeed. */
  ready(): Promise<void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }

  /** Rejects with `budget_exhausted` when `tokens` more would pass the cap. */
  async reserve(tokens: number): Promise<Reservation> {
    await this.ready().catch((error: unknown) => {
      throw unavailable(error);
    });
    this.#roll();
    const { limit } = this.#options;
    if (this.#spent + this.#reserved + tokens > limit) throw this.#exhausted(tokens);
    this.#reserved += tokens;
    const day = this.#day;
    const release = (used: number) => {
      // A request that began yesterday was counted yesterday.
      if (day !== this.#day) return;
      this.#reserved -= tokens;
      this.#spent += used;
    };
    try {
      await this.#persist();
    } catch (error) {
      release(0);
      throw unavailable(error);
    }
    return { settle: this.#settler(release) };
  }

  #settler(release: (used: number) => void): (tokens: number) => Promise<void> {
    let settled = false;
    return async (tokens) => {
      if (settled) return;
      settled = true;
      release(tokens);
      await this.#persist();
    };
  }

  async #load(): Promise<void> {
    const state = await this.#options.store.load();
    this.#day = state?.day ?? '';
    this.#spent = state?.tokens ?? 0;
    this.#roll();
  }

  /** Only forwards: a clock that is set back must not open the day's budget a second time. */
  #roll(): void {
    const today = new Date(this.#options.now()).toISOString().slice(0, 10);
    if (today <= this.#day) return;
    this.#day = today;
    this.#spent = 0;
    this.#reserved = 0;
  }

  /** One write at a time; a write that has not begun carries everything asked until then. */
  #persist(): Promise<void> {
    this.#queued ??= this.#writing.then(() => {
      this.#queued = null;
      return this.#options.store.save({
        version: 1,
        day: this.#day,
        tokens: this.#spent + this.#reserved,
      });
    });
    const write = this.#queued;
    this.#writing = write.catch(() => {});
    return write;
  }

  #exhausted(tokens: number): ProxyError {
    const left = Math.max(0, this.#options.limit - this.#spent - this.#reserved);
    const now = this.#options.now();
    return new ProxyError(
      'budget_exhausted',
      `The proxy's token budget for today is used up: this request may cost up to ${tokens} tokens and ` +
        `${left} of ${this.#options.limit} are left. Nothing was sent. The budget is renewed at 00:00 UTC.`,
      { retryAfterMs: DAY_MS - (now % DAY_MS) },
    );
  }

  /** Waits until everything that was settled is stored. */
  async close(): Promise<void> {
    await this.#writing;
  }
}

/** For clients: the store's own words, such as a path, stay in the log. */
function unavailable(error: unknown): ProxyError {
  const message =
    'The token budget could not be read or stored, so nothing was sent to the Claude API. ' +
    'The operator finds the cause in the log of the proxy.';
  return new ProxyError('storage_unavailable', message, { cause: error });
}
