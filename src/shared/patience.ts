/**
 * A deadline for a silence that a page which slept does not spend. Timers of a frozen page, of a laptop
 * that was shut, or behind a long task fire together when it goes on, before the messages that waited.
 */
import { giveWay } from './give-way.ts';

/** The longest that `setTimeout` can count to; more would be taken for 0. */
const LONGEST_MS = 0x7fffffff;
/** Milliseconds by which a timer is late only where the thread stood still: hidden pages are held to whole seconds. */
const LATE_MS = 1_500;

export class Patience {
  readonly #ms: number;
  readonly #onEnd: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  /**
   * Begins to count.
   *
   * @param ms Milliseconds of silence; more than 2,147,483,647 for no end.
   * @param onEnd Called once, when they are over and what had come until then was heard.
   */
  constructor(ms: number, onEnd: () => void) {
    this.#ms = ms;
    this.#onEnd = onEnd;
    this.renew();
  }

  /** Something was heard: counts anew. Without effect after {@link stop}, or when it is over. */
  renew(): void {
    if (!this.#isOver) this.#count(true);
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  /** @param mayBeLate The other side slept with us, as a rule: it gets the whole time once more, and only once. */
  #count(mayBeLate: boolean): void {
    clearTimeout(this.#timer);
    if (this.#ms > LONGEST_MS) return;
    const due = performance.now() + this.#ms;
    const ring = (): void => {
      if (mayBeLate && performance.now() - due > LATE_MS) this.#count(false);
      else void this.#end();
    };
    this.#timer = setTimeout(ring, this.#ms);
  }

  async #end(): Promise<void> {
    const timer = this.#timer;
    // An answer may lie in the queue behind this timer.
    await giveWay();
    if (this.#isOver || this.#timer !== timer) return;
    this.stop();
    this.#onEnd();
  }
}
