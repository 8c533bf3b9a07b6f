/**
 * Notices that somebody has gone quiet. Beats are counted, not milliseconds: a tab that was frozen or asleep
 * finds one beat gone when it wakes, however long it slept, and asks again before it judges.
 */
export interface PulseOptions {
  readonly everyMs: number;
  /** So many beats in a row without a sign of life are silence. */
  readonly limit: number;
  readonly wait: (ms: number) => Promise<void>;
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
  /** Asks for a sign of life. */
  readonly ask: () => void;
  readonly onSilence: () => void;
}

export class Pulse {
  readonly #options: PulseOptions;
  #missed = 0;
  #wanted = false;
  #running = false;

  constructor(options: PulseOptions) {
    this.#options = options;
  }

  /** Begins to listen for the pulse; harmless when it does already. */
  start(): void {
    // The beat that is still under way from before is no whole one.
    if (!this.#wanted) this.#missed = this.#running ? -1 : 0;
    this.#wanted = true;
    if (!this.#running) void this.#run();
  }

  stop(): void {
    this.#wanted = false;
  }

  /** A sign of life. */
  alive(): void {
    this.#missed = 0;
  }

  /** Beats since the last sign of life. */
  get missed(): number {
    return Math.max(0, this.#missed);
  }

  get silent(): boolean {
    return this.#wanted && this.#missed >= this.#options.limit;
  }

  async #run(): Promise<void> {
    const { everyMs, limit, wait, monotonic } = this.#options;
    this.#running = true;
    while (this.#wanted) {
      const before = monotonic();
      await wait(everyMs);
      if (!this.#wanted) break;
      // We were away ourselves: what came meanwhile has not been heard yet.
      const away = monotonic() - before > everyMs * limit;
      this.#missed = away ? 0 : this.#missed + 1;
      this.#options.ask();
      if (this.#missed >= limit) this.#options.onSilence();
    }
    this.#running = false;
  }
}
