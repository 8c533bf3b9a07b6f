/** What is degraded, why, and who wants to know. A mode that ends takes its sentence with it. */
import type { StoreMode, StoreStatus } from '../../src/shared/types.ts';

/** What the board does not know by itself. */
export type StoreFacts = Omit<StoreStatus, 'modes' | 'why'>;

const ORDER: readonly StoreMode[] = [
  'memory_only',
  'read_only',
  'quota',
  'unmirrored',
  'restored',
  'lost',
  'background_failed',
];

/** Milliseconds between two tellings of what changes all the time. */
const TELL_MS = 1_000;

export class StatusBoard {
  readonly #facts: () => StoreFacts;
  readonly #why = new Map<StoreMode, string>();
  readonly #watchers = new Set<(status: StoreStatus) => void>();
  #soon: ReturnType<typeof setTimeout> | null = null;

  constructor(facts: () => StoreFacts) {
    this.#facts = facts;
  }

  /** Enters a mode, with its sentence, or leaves it (null); tells the watchers when that is news. */
  set(mode: StoreMode, why: string | null): void {
    if ((this.#why.get(mode) ?? null) === why) return;
    if (why === null) this.#why.delete(mode);
    else this.#why.set(mode, why);
    this.tell();
  }

  status(): StoreStatus {
    const modes = ORDER.filter((mode) => this.#why.has(mode));
    const why = modes.map((mode) => this.#why.get(mode)).join(' ');
    return { ...this.#facts(), modes, ...(why === '' ? {} : { why }) };
  }

  /** Tells the watchers what the status is now. */
  tell(): void {
    const status = this.status();
    for (const report of this.#watchers) report(status);
  }

  /** Tells the watchers within a second, however often that is asked for. */
  tellSoon(): void {
    if (this.#watchers.size === 0) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      this.tell();
    }, TELL_MS);
  }

  /** Calls `report` with each change until the first of the signals aborts. */
  watch(report: (status: StoreStatus) => void, signals: readonly AbortSignal[]): Promise<void> {
    return new Promise((resolve) => {
      const stop = (): void => {
        this.#watchers.delete(report);
        resolve();
      };
      if (signals.some(({ aborted }) => aborted)) return stop();
      this.#watchers.add(report);
      for (const signal of signals) signal.addEventListener('abort', stop, { once: true });
    });
  }
}
