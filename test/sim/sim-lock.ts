/** A lock that tabs of one process share as tabs of a browser share a Web Lock: it passes on when a tab dies. */
import type { LeaderLock, LockHold } from '../../workers/index/leader.ts';

interface Waiter {
  readonly owner: object;
  readonly grant: () => void;
}

interface Holder {
  readonly owner: object;
  readonly lost: () => void;
}

export class SimLock {
  #holder: Holder | null = null;
  #queue: Waiter[] = [];
  readonly #untold: Holder[] = [];

  /** The lock as one tab sees it; `owner` is the tab. */
  seenBy(owner: object): LeaderLock {
    return { acquire: (_name, how) => this.#acquire(owner, how) };
  }

  holds(owner: object): boolean {
    return this.#holder?.owner === owner;
  }

  async #acquire(
    owner: object,
    how: { readonly wait: boolean; readonly steal?: boolean; readonly signal: AbortSignal },
  ): Promise<LockHold | null> {
    if (how.steal === true) this.#takeAway(true);
    if (this.#holder === null) return this.#hold(owner);
    if (!how.wait) return null;
    return new Promise<LockHold>((resolve, reject) => {
      const waiter = { owner, grant: () => resolve(this.#hold(owner)) };
      this.#queue.push(waiter);
      how.signal.addEventListener(
        'abort',
        () => {
          this.#queue = this.#queue.filter((each) => each !== waiter);
          reject(how.signal.reason);
        },
        { once: true },
      );
    });
  }

  #hold(owner: object): LockHold {
    let lose = (): void => {};
    const lost = new Promise<void>((resolve) => {
      lose = resolve;
    });
    const holder: Holder = { owner, lost: lose };
    this.#holder = holder;
    return {
      lost,
      release: () => {
        if (this.#holder === holder) this.#pass();
      },
    };
  }

  #takeAway(told: boolean): void {
    const holder = this.#holder;
    this.#holder = null;
    if (holder !== null) this.#untold.push(holder);
    if (told) this.tell();
  }

  /** Everyone whose lock was taken away is told by now. */
  tell(): void {
    for (const { lost } of this.#untold.splice(0)) lost();
  }

  #pass(): void {
    this.#holder = null;
    this.#queue.shift()?.grant();
  }

  /** The tab's process ends: what it held is free, and it waits no more. */
  bury(owner: object): void {
    this.#queue = this.#queue.filter((each) => each.owner !== owner);
    if (this.#holder?.owner === owner) this.#pass();
  }

  /** Whoever waits gets the lock while the holder still believes that it is his (`told` false), or is told. */
  stolen(told: boolean): void {
    this.#takeAway(told);
    this.#pass();
  }
}
