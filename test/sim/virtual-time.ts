/** Time that passes only when nothing else can happen: a wait of an hour takes a turn of the event loop. */
import { turn } from './sim-storage.ts';

/** Turns in which everything that follows from what happened has happened. */
const SETTLE_TURNS = 30;
/** Work that takes longer, in virtual milliseconds, hangs. */
const MOST_MS = 600_000;

/** So often nothing is waited for, and still the work is not over: it hangs. */
const MOST_IDLE = 50;

interface Timer {
  readonly at: number;
  readonly fire: () => void;
}

export class VirtualTime {
  now = 0;
  #timers: Timer[] = [];

  readonly wait = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      this.#timers.push({ at: this.now + ms, fire: resolve });
    });

  /** Lets happen what can happen at this moment. */
  async settle(): Promise<void> {
    for (let i = 0; i < SETTLE_TURNS; i++) await turn();
  }

  /** Lets time pass until the work is over; throws where it never is. */
  async until<T>(work: Promise<T>): Promise<T> {
    let over = false;
    const watched = work.finally(() => {
      over = true;
    });
    watched.catch(() => {});
    const last = this.now + MOST_MS;
    for (let idle = 0; idle < MOST_IDLE && this.now <= last; idle++) {
      for (let i = 0; i < SETTLE_TURNS && !over; i++) await turn();
      if (over) return watched;
      if (this.#next()) idle = 0;
    }
    throw new Error(`it hangs at ${this.now} ms`);
  }

  /** Lets some milliseconds pass. */
  async pass(ms: number): Promise<void> {
    await this.until(this.wait(ms));
  }

  #next(): boolean {
    const at = Math.min(...this.#timers.map((timer) => timer.at));
    if (!Number.isFinite(at)) return false;
    this.now = Math.max(this.now, at);
    const due = this.#timers.filter((timer) => timer.at <= at);
    this.#timers = this.#timers.filter((timer) => timer.at > at);
    for (const { fire } of due) fire();
    return true;
  }
}
