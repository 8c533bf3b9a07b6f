/**
 * A full storage. The change that found it full is kept not at all, and from then on what would grow the
 * storage is refused at once, typed, before anything is embedded for it. Reading goes on. Deletes, drops
 * and compaction are put to the browser, which may refuse them, too: Chromium takes no transaction with a
 * `put` any more, and what is deleted takes room before it gives some. Whether there is room again is
 * probed with a write of the refused size that leaves nothing: at once, after 1 s, 2 s, 4 s .. 30 s, and
 * after each change that may have made room. The mode ends by itself.
 *
 * Background work waits meanwhile. It may find no room where a small change still does (a graph is large):
 * then it alone waits, for 30 s, 1 min .. 16 min or until something was deleted.
 */
import { isWhorlError, WhorlError } from '../../src/shared/errors.ts';
import type { StorageUsage } from '../../src/shared/types.ts';
import type { Change } from './store.ts';

export interface QuotaOptions {
  /** Resolves where so many bytes more would be taken, rejects with `storage_full` otherwise; null: cannot be asked. */
  readonly probe: ((bytes: number) => Promise<void>) | null;
  /** What the browser says of the space; null where it says nothing. Chromium does not show an overridden quota. */
  readonly estimate: () => Promise<StorageUsage | null>;
  /** The mode began or has a new sentence, or it ended (null). */
  readonly onChange: (why: string | null) => void;
  /** There may be room for background work that found none. */
  readonly onRoom: () => void;
  /** Calls back after some milliseconds unless cancelled. Default: a timer. */
  readonly after?: (ms: number, call: () => void) => () => void;
}

type Kind = Change['kind'];

/** Changes and calls that grow the storage. */
const GROWING: ReadonlySet<string> = new Set(['create', 'insert', 'upsert', 'reembed', 'import']);
const GROWING_CALLS: ReadonlySet<string> = new Set([
  'collections/create',
  'entities/insert',
  'entities/upsert',
  'whorl/import',
]);
/** Changes after which there is no more room than before. */
const TAKING: ReadonlySet<string> = new Set(['create', 'insert', 'load', 'release', 'import']);

const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 30_000;
const BACKGROUND_PAUSE_MS = 30_000;
const LAST_BACKGROUND_PAUSE_MS = 960_000;
/** A probe is as large as what was refused, between these bounds. */
const LEAST_PROBE_BYTES = 4_096;
const MOST_PROBE_BYTES = 1_048_576;
/** Of a row without its vectors, with key, log and what the browser adds. */
const ROW_BYTES = 512;

const timer = (ms: number, call: () => void): (() => void) => {
  const id = setTimeout(call, ms);
  return () => clearTimeout(id);
};

export class QuotaGate {
  readonly #options: QuotaOptions;
  #full = false;
  #backgroundWaits = false;
  #usage: StorageUsage | null = null;
  #bytes = LEAST_PROBE_BYTES;
  #pause = FIRST_PAUSE_MS;
  #backgroundPause = BACKGROUND_PAUSE_MS;
  #cancel: (() => void) | null = null;
  #probing = false;
  #again = false;
  #closed = false;

  constructor(options: QuotaOptions) {
    this.#options = options;
  }

  /** Whether the mode lasts. */
  get full(): boolean {
    return this.#full;
  }

  /** While the mode lasts, and where the browser says it. */
  get usage(): StorageUsage | null {
    return this.#usage;
  }

  /**
   * Before a call that would grow a full storage: whether there is room again is asked at once, so that
   * who has made room need not wait for the next probe.
   */
  async askAgain(endpoint: string): Promise<void> {
    const { probe } = this.#options;
    if (!this.#full || probe === null || this.#probing || !GROWING_CALLS.has(endpoint)) return;
    this.#stop();
    await this.#probe(probe);
  }

  /** Throws `storage_full` at once where a call would grow a full storage. */
  admitCall(endpoint: string): void {
    if (GROWING_CALLS.has(endpoint)) this.#refuse();
  }

  /** Throws `storage_full` at once where a change would grow a full storage. */
  admit(kind: Kind): void {
    if (GROWING.has(kind)) this.#refuse();
  }

  /** For background work that can wait: throws `storage_full` while there is no room for it. */
  admitBackground(): void {
    if (this.#backgroundWaits) throw fullError(this.#backgroundPause);
    this.#refuse();
  }

  #refuse(): void {
    // Where the storage cannot be asked, each change is itself the question.
    if (this.#full && this.#options.probe !== null) throw fullError(this.#pause);
  }

  /** A change was committed. */
  committed(kind: Kind): void {
    if (this.#full && this.#options.probe === null) this.#room();
    else if (TAKING.has(kind)) return;
    else if (this.#full) this.#look();
    else if (this.#backgroundWaits) this.#room();
  }

  /** A change failed; anything but `storage_full` is no matter of this gate. */
  failed(error: unknown, change: Omit<Change, 'at'>): void {
    if (!isFull(error)) return;
    this.#enter(sizeOf(change));
  }

  /**
   * Background work, which may be far larger than any change, found no room. Changes are refused only
   * where a probe finds that there is none for them either.
   */
  backgroundFailed(error: unknown): void {
    if (!isFull(error) || this.#closed || this.#backgroundWaits) return;
    this.#backgroundWaits = true;
    if (this.#full) return;
    this.#bytes = LEAST_PROBE_BYTES;
    this.#look();
  }

  /** This tab writes no more: whether there is room is another one's matter. */
  reset(): void {
    this.#stop();
    this.#backgroundWaits = false;
    this.#leave();
  }

  /** Ends probing; nothing is told any more. */
  close(): void {
    this.#closed = true;
    this.#stop();
  }

  #enter(bytes: number): void {
    this.#bytes = Math.min(Math.max(bytes, LEAST_PROBE_BYTES), MOST_PROBE_BYTES);
    if (this.#full || this.#closed) return;
    this.#full = true;
    this.#pause = FIRST_PAUSE_MS;
    this.#options.onChange(sentence(null));
    void this.#learnUsage();
    this.#look();
  }

  async #learnUsage(): Promise<void> {
    const usage = await this.#options.estimate().catch(() => null);
    if (!this.#full || this.#closed || usage === null) return;
    this.#usage = usage;
    this.#options.onChange(sentence(usage));
  }

  #leave(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#usage = null;
    this.#options.onChange(null);
  }

  /** There is room: changes go on, and so does the background. */
  #room(): void {
    this.#stop();
    this.#backgroundWaits = false;
    this.#leave();
    this.#options.onRoom();
  }

  /** Probes now, or once more where a probe is under way whose answer may be old. */
  #look(): void {
    const { probe } = this.#options;
    this.#stop();
    this.#again = this.#probing;
    if (probe === null) this.#waitForBackground();
    else if (!this.#probing) void this.#probe(probe);
  }

  async #probe(probe: (bytes: number) => Promise<void>): Promise<void> {
    this.#probing = true;
    let trouble: unknown = null;
    do {
      this.#again = false;
      trouble = await probe(this.#bytes).then(
        () => null,
        (error: unknown) => error,
      );
    } while (this.#again && !this.#closed);
    this.#probing = false;
    if (!this.#closed) this.#learnt(trouble);
  }

  #learnt(trouble: unknown): void {
    if (!this.#full) {
      if (this.#backgroundWaits && isFull(trouble)) this.#enter(this.#bytes);
      else this.#waitForBackground();
    } else if (trouble === null) {
      this.#backgroundPause = BACKGROUND_PAUSE_MS;
      this.#room();
    } else {
      this.#after(this.#pause, () => this.#look());
      this.#pause = Math.min(this.#pause * 2, LAST_PAUSE_MS);
    }
  }

  #waitForBackground(): void {
    if (!this.#backgroundWaits) return;
    this.#after(this.#backgroundPause, () => this.#room());
    this.#backgroundPause = Math.min(this.#backgroundPause * 2, LAST_BACKGROUND_PAUSE_MS);
  }

  #after(ms: number, call: () => void): void {
    this.#stop();
    this.#cancel = (this.#options.after ?? timer)(ms, call);
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}

function isFull(error: unknown): boolean {
  return isWhorlError(error) && error.code === 'storage_full';
}

function sizeOf({ added = [], chunks = [] }: Omit<Change, 'at'>): number {
  const vectors = chunks.reduce((sum, { chunk }) => sum + chunk.data.byteLength, 0);
  return vectors + added.length * ROW_BYTES;
}

function fullError(retryAfterMs: number): WhorlError {
  return new WhorlError(
    'storage_full',
    'The storage of this site is full, so nothing of this change was written. Everything written before is kept and can be read. Free space on this device; writing goes on by itself when there is room.',
    { retryable: true, retryAfterMs },
  );
}

function sentence(usage: StorageUsage | null): string {
  const used = usage === null ? '' : ` (${megabytes(usage.bytes)} of ${megabytes(usage.quota)} MB)`;
  return `The storage of this site is full${used}: nothing new is written. What was written before is kept and can be read. Free space on this device; writing goes on by itself when there is room.`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
