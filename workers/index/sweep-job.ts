/** When collections are tidied: soon after a change, all at once, and whenever somebody waits for it. */
import { abortedError, throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import type { Background, Job } from './background.ts';
import type { Collection } from './collection.ts';
import type { Ledger } from './ledger.ts';
import { sweepPage } from './sweep.ts';

/** Changes that follow each other are tidied up together. */
const SOON_MS = 1_000;
/** Rest after tidying, in times of what it took: changes all over a large collection cost a fifth of the time at most. */
const REST = 4;
const LONGEST_REST_MS = 60_000;

export interface SweeperOptions {
  readonly ledger: Ledger;
  readonly background: Background;
  /** Aborts when the store is closed. */
  readonly closing: AbortSignal;
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
}

export class Sweeper {
  readonly #ledger: Ledger;
  readonly #background: Background;
  readonly #closing: AbortSignal;
  readonly #monotonic: () => number;
  /** What the last tidying took, all collections together. */
  #spentMs = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #waiting = 0;

  constructor({ ledger, background, closing, monotonic }: SweeperOptions) {
    this.#monotonic = monotonic;
    this.#ledger = ledger;
    this.#background = background;
    this.#closing = closing;
    closing.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** Looks whether anything wants tidying, and does it soon. A follower leaves it to the leader. */
  look(): void {
    if (this.#timer !== null || this.#closing.aborted || this.#wanting().length === 0) return;
    const rest = Math.min(REST * this.#spentMs, LONGEST_REST_MS);
    this.#timer = setTimeout(() => this.begin(), Math.max(SOON_MS, rest));
  }

  /** Begins at once with what wants tidying; `Background.idle` tells the end. */
  begin(): void {
    this.#stop();
    this.#spentMs = 0;
    for (const collection of this.#wanting()) {
      this.#background.add(`sweep ${collection.record.id}`, this.#timed(collection));
    }
  }

  #timed(collection: Collection): Job {
    const job = sweepJob(this.#ledger, collection);
    return async (pause, signal) => {
      const from = this.#monotonic();
      try {
        await job(pause, signal);
      } finally {
        this.#spentMs += this.#monotonic() - from;
      }
    };
  }

  /**
   * Resolves when nothing of the collection wants tidying any more. Rejects with `aborted`, `closed`,
   * `not_leader` or what the storage says; what is left is done in the background then. `onPage` is
   * called after each page: a sign of life.
   */
  async finish(
    collection: Collection,
    signal: AbortSignal | undefined,
    onPage: () => void = () => {},
  ): Promise<void> {
    throwIfAborted(signal);
    this.#waiting += 1;
    const job = sweepJob(this.#ledger, collection, onPage);
    const name = `sweep ${collection.record.id}, waited for ${this.#waiting}`;
    await new Promise<void>((resolve, reject) => {
      const closed = () =>
        reject(new WhorlError('closed', 'The store was closed while it tidied up.'));
      const aborted = () => reject(abortedError(signal));
      this.#closing.addEventListener('abort', closed, { once: true });
      signal?.addEventListener('abort', aborted, { once: true });
      if (this.#closing.aborted) closed();
      // Beside an embedding anew the sweep could not tell its chunks from remains: jobs run one by one.
      this.#background.add(name, async (pause, stop) => {
        await job(pause, stop).then(resolve, reject);
        this.#closing.removeEventListener('abort', closed);
        signal?.removeEventListener('abort', aborted);
      });
    });
    this.#ledger.requireLeader();
  }

  #wanting(): readonly Collection[] {
    if (this.#ledger.role !== 'leader') return [];
    return this.#ledger.collections.filter(({ record }) => record.unswept !== undefined);
  }

  #stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

function sweepJob(ledger: Ledger, collection: Collection, onPage?: () => void): Job {
  return async (pause, signal) => {
    // Rows that are read for this alone are let go of again.
    const isOwn = collection.rows === null;
    try {
      while (!signal.aborted && ledger.role === 'leader') {
        if (await sweepPage(ledger, collection)) return;
        onPage?.();
        await pause();
      }
    } finally {
      if (isOwn && collection.openVectors.length === 0) collection.drop();
    }
  };
}
