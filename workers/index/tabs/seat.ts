/**
 * This tab's place at the lock: it holds it, waits for it, or takes it from a leader that is frozen. Holding
 * the lock is not leading yet: that begins with the claim of a new epoch, and ends when either is gone.
 */
import type { LeaderLock, LockHold } from '../leader.ts';

/** After a claim that failed with the lock in hand: others may try, then this tab again. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

export interface SeatOptions {
  readonly name: string;
  readonly lock: LeaderLock;
  readonly wait: (ms: number) => Promise<void>;
  /** The lock is here: claims the lead. Resolves to whether this tab leads now. */
  readonly claim: () => Promise<boolean>;
  /** The lock was taken away. */
  readonly onLost: () => void;
  /** A claim failed while nobody waited for it; it is tried again. */
  readonly onTrouble: (error: unknown) => void;
}

export class Seat {
  readonly #options: SeatOptions;
  readonly #closing = new AbortController();
  #hold: LockHold | null = null;
  #waiting: AbortController | null = null;
  #stealing: Promise<void> | null = null;
  #retryMs = FIRST_RETRY_MS;
  /** A claim failed, and the next one waits for its time. */
  #resting = false;

  constructor(options: SeatOptions) {
    this.#options = options;
  }

  /** Takes the lock where it is free, else queues for it. Rejects with what the claim says. */
  async open(): Promise<void> {
    const { signal } = this.#closing;
    const hold = await this.#options.lock.acquire(this.#options.name, { wait: false, signal });
    if (hold === null) this.queue();
    else await this.#take(hold);
  }

  /** Waits for the lock: it comes when the leading tab goes, also when it crashes. */
  queue(): void {
    const isSeated = this.#hold !== null || this.#waiting !== null || this.#resting;
    if (isSeated || this.#closing.signal.aborted) return;
    const waiting = new AbortController();
    this.#waiting = waiting;
    this.#await(waiting).catch((error: unknown) => this.#trouble(waiting, error));
  }

  async #await(waiting: AbortController): Promise<void> {
    const { lock, name } = this.#options;
    const hold = await lock.acquire(name, { wait: true, signal: waiting.signal });
    if (this.#waiting === waiting) this.#waiting = null;
    if (hold === null) return;
    if (waiting.signal.aborted) hold.release();
    else await this.#take(hold);
  }

  #trouble(waiting: AbortController, error: unknown): void {
    if (waiting.signal.aborted || this.#closing.signal.aborted) return;
    if (this.#waiting === waiting) this.#waiting = null;
    this.#options.onTrouble(error);
    const retryMs = this.#retryMs;
    this.#retryMs = Math.min(LAST_RETRY_MS, retryMs * 2);
    this.#resting = true;
    void this.#options.wait(retryMs).then(() => this.#rested());
  }

  #rested(): void {
    if (!this.#resting) return;
    this.#resting = false;
    this.queue();
  }

  /** Somebody wants to write: a claim that failed before is tried again at once. Resolves to whether it led to the lead. */
  async urge(): Promise<boolean> {
    if (!this.#resting) return false;
    this.#resting = false;
    await this.open();
    return this.#hold !== null;
  }

  /** Takes the lock from whoever has it. One at a time. */
  steal(): Promise<void> {
    this.#stealing ??= this.#steal().finally(() => {
      this.#stealing = null;
      // Where it came to nothing, this tab waits like the others.
      this.queue();
    });
    return this.#stealing;
  }

  async #steal(): Promise<void> {
    const { signal } = this.#closing;
    if (this.#hold !== null || signal.aborted) return;
    this.#waiting?.abort();
    this.#waiting = null;
    const { lock, name } = this.#options;
    const hold = await lock.acquire(name, { wait: false, steal: true, signal });
    if (hold !== null) await this.#take(hold);
  }

  async #take(hold: LockHold): Promise<void> {
    if (this.#hold !== null || this.#closing.signal.aborted) return hold.release();
    this.#hold = hold;
    void hold.lost.then(() => {
      if (this.#hold !== hold) return;
      this.#hold = null;
      this.#options.onLost();
      this.queue();
    });
    let leads: boolean;
    try {
      leads = await this.#options.claim();
    } catch (error) {
      if (this.#hold === hold) this.#hold = null;
      hold.release();
      throw error;
    }
    if (leads && this.#hold === hold) {
      this.#retryMs = FIRST_RETRY_MS;
      return;
    }
    // The lock went while the claim was made, or another tab has claimed after us.
    this.#options.onLost();
    this.leave();
  }

  /** Lets the lock go, for another tab has claimed the lead, and queues for it again. */
  leave(): void {
    this.#hold?.release();
    this.#hold = null;
    this.queue();
  }

  /** Lets go for good. */
  close(): void {
    this.#closing.abort();
    this.#waiting?.abort();
    this.#waiting = null;
    this.#hold?.release();
    this.#hold = null;
  }
}
