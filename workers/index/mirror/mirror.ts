/**
 * The copy in OPFS that follows a database.
 *
 * Contract. `push` is called once for each committed change, in the order of the commits; what is queued is
 * written and put onto the disk a moment later, all of it at once and without waiting for anything, so that
 * a log never holds half a queue. `through` is what is on the disk. Where a log cannot follow any longer
 * (the disk is full, a number is missing, a value is refused) it is left as it is, a true past of the
 * database, and the next one is written from the database: at once, or after a pause that grows.
 */
import {
  abortedError,
  isWhorlError,
  throwIfAborted,
  WhorlError,
} from '../../../src/shared/errors.ts';
import type { Storage } from '../storage/storage.ts';
import { writePages } from './checkpoint.ts';
import type { MirrorFiles } from './files.ts';
import { type Stamp, sizeOf } from './frame.ts';
import type { Identity } from './identity.ts';
import { type FoundLog, LOG_VERSION } from './log-reader.ts';
import { changeFrames, discardLog, LogWriter } from './log-writer.ts';
import { MarkerKeeper } from './marker-keeper.ts';
import type { Recording } from './recording.ts';
import { generationOf, logName } from './survey.ts';

/** Runs work later; returns what calls it off. */
export type Timer = (run: () => void, ms: number) => () => void;

export interface MirrorOptions {
  readonly files: MirrorFiles;
  /** False: only the marker is kept, and logs that are there are removed. */
  readonly copy: boolean;
  readonly format: number;
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly timer: Timer;
  /** A random name. */
  readonly id: () => string;
  readonly storage: Pick<Storage, 'read'>;
  /** Runs work while no change is being made. */
  readonly settled: <T>(work: () => Promise<T>) => Promise<T>;
  /** Why the copy does not follow at present; null: it does. */
  readonly onTrouble: (why: string | null) => void;
  /** More is on the disk. */
  readonly onThrough: () => void;
}

/** A queue of so many bytes is written before the next change. */
const QUEUE_BYTES = 8_388_608;
/** Milliseconds that a change waits for others to be put onto the disk with it. */
const GATHER_MS = 20;
/** Writing takes at most a tenth of the thread's time. */
const REST_FACTOR = 10;
const LONGEST_REST_MS = 500;
/** After content was taken away, and at most a two-hundredth of the time: what a new log costs. */
const REWRITE_MS = 1_000;
const REWRITE_FACTOR = 200;
/** A log is written anew when it holds more superseded bytes than others, and at least so many. */
const OVERHEAD_BYTES = 4_194_304;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

interface Waiting {
  readonly stamp: Stamp;
  readonly recording: Recording;
}

export class Mirror {
  readonly #options: MirrorOptions;
  readonly #identity: Identity;
  readonly #marker: MarkerKeeper;
  readonly #stop = new AbortController();
  /** The last change there was. */
  #last: Stamp;
  #through: Stamp | null;
  #log: LogWriter | null = null;
  /** Being begun. */
  #next: LogWriter | null = null;
  #queue: Waiting[] = [];
  #queueBytes = 0;
  #overhead = 0;
  #cancelFlush: (() => void) | null = null;
  #cancelRewrite: (() => void) | null = null;
  #cancelTidy: (() => void) | null = null;
  #rewriting: Promise<void> | null = null;
  #flushCost = 0;
  #rewriteCost = 0;
  #rewrittenAt = Number.NEGATIVE_INFINITY;
  #retryMs = FIRST_RETRY_MS;

  constructor(
    options: MirrorOptions,
    start: {
      readonly identity: Identity;
      readonly last: Stamp;
      /** What an older log of this lineage has, on the disk. */
      readonly through: Stamp | null;
      /** Of the marker that is there. */
      readonly turn: number;
    },
  ) {
    this.#options = options;
    this.#identity = { origin: start.identity.origin, lineage: start.identity.lineage };
    this.#last = start.last;
    this.#through = start.through;
    this.#marker = new MarkerKeeper(options, start.turn, () => ({
      ...this.#identity,
      format: options.format,
      last: this.#log?.place.last ?? this.#last,
      log: this.#log === null ? null : { name: this.#log.name, place: this.#log.place },
    }));
  }

  /** The last change that is on the disk. */
  get through(): Stamp | null {
    return this.#through;
  }

  /** The last change there was. */
  get last(): Stamp {
    return this.#last;
  }

  /** Goes on with a log that has all changes; begins another where somebody else holds it. */
  async follow(log: FoundLog): Promise<void> {
    try {
      this.#log = await LogWriter.resume(this.#options.files, log);
      this.#through = log.last;
      if (log.end > 4 * log.checkpoint + 4 * OVERHEAD_BYTES) this.#rewriteSoon();
      void this.#tidy(FIRST_RETRY_MS);
    } catch {
      this.catchUp();
    }
  }

  /** Writes a log from the database, soon; nothing where nothing was ever stored. */
  catchUp(): void {
    if (this.#last.sequence === 0) return;
    if (this.#options.copy) this.#rewriteIn(0);
    else this.#marker.soon();
  }

  /** Takes a committed change. */
  push(recording: Recording): void {
    if (this.#stop.signal.aborted) return;
    const follows = recording.number === this.#last.number + 1;
    const sequence = recording.sequence ?? this.#last.sequence;
    this.#last = { number: recording.number, sequence, at: this.#options.now() };
    if (this.#log === null && this.#next === null) this.#miss();
    else if (recording.refused !== null) this.#fail(new Error(recording.refused));
    else if (!follows) this.#fail(new Error('a change is missing'));
    else this.#enqueue(recording);
  }

  /** No log takes it: the one that is to be written from the database will have it. */
  #miss(): void {
    if (this.#rewriting === null && this.#cancelRewrite === null) this.catchUp();
  }

  #enqueue(recording: Recording): void {
    this.#queue.push({ stamp: this.#last, recording });
    this.#queueBytes += recording.bytes;
    if (this.#queueBytes >= QUEUE_BYTES) this.flush();
    else this.#flushSoon();
    if (recording.replaced) this.#rewriteSoon();
  }

  #flushSoon(): void {
    const ms = Math.min(LONGEST_REST_MS, Math.max(GATHER_MS, REST_FACTOR * this.#flushCost));
    this.#cancelFlush ??= this.#options.timer(() => this.flush(), ms);
  }

  /** Puts all that is queued onto the disk. */
  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    const queue = this.#queue;
    this.#queue = [];
    this.#queueBytes = 0;
    if (queue.length === 0) return;
    const from = this.#options.monotonic();
    try {
      for (const { stamp, recording } of queue) this.#write(stamp, recording);
      this.#log?.flush();
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#flushCost = this.#options.monotonic() - from;
    if (this.#log === null) return;
    this.#reached(this.#log);
    const content = this.#log.size - this.#overhead;
    if (this.#overhead > Math.max(OVERHEAD_BYTES, content)) this.#rewriteSoon();
  }

  #write(stamp: Stamp, recording: Recording): void {
    const frames = changeFrames(stamp, recording.parts());
    this.#overhead += sizeOf(frames) - recording.contentBytes;
    this.#log?.change(stamp, frames);
    try {
      this.#next?.change(stamp, frames);
    } catch (error) {
      // The present log goes on without the next one.
      if (this.#log === null) throw error;
      closeQuietly(this.#next);
      this.#next = null;
    }
  }

  #reached(log: LogWriter): void {
    this.#through = log.place.last;
    this.#marker.soon();
    this.#options.onThrough();
  }

  /** The log stays as it is: a true past. The next one is written from the database. */
  #fail(error: unknown): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    this.#queue = [];
    this.#queueBytes = 0;
    for (const log of [this.#log, this.#next]) closeQuietly(log);
    this.#log = null;
    this.#next = null;
    if (this.#stop.signal.aborted) return;
    this.#options.onTrouble(reasonOf(error));
    this.#rewriteIn(this.#retryMs);
    this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
  }

  #rewriteSoon(): void {
    const since = this.#options.monotonic() - this.#rewrittenAt;
    this.#rewriteIn(Math.max(REWRITE_MS, REWRITE_FACTOR * this.#rewriteCost - since));
  }

  #rewriteIn(ms: number): void {
    if (this.#stop.signal.aborted) return;
    this.#cancelRewrite ??= this.#options.timer(() => {
      this.#cancelRewrite = null;
      // One that runs began before what asked for this one.
      if (this.#rewriting !== null) this.#rewriteIn(REWRITE_MS);
      else this.#rewriteAndTidy().catch(() => {});
    }, ms);
  }

  async #rewriteAndTidy(): Promise<void> {
    await this.#rewriteOnce();
    await this.#tidy(FIRST_RETRY_MS);
  }

  /** Removes older logs; one that a frozen tab holds is tried again. */
  async #tidy(ms: number): Promise<void> {
    this.#cancelTidy?.();
    this.#cancelTidy = null;
    try {
      await this.#discardOthers();
    } catch {
      if (this.#stop.signal.aborted) return;
      const later = Math.min(LONGEST_RETRY_MS, ms * 2);
      this.#cancelTidy = this.#options.timer(() => void this.#tidy(later), ms);
    }
  }

  /**
   * Writes a log of what is stored now and removes all others: nothing that was deleted is left after it.
   * Where no new log can be written the old ones are removed nevertheless. Rejects with `aborted`, and with
   * `storage_blocked` where an old one cannot be removed.
   */
  async rewrite(signal?: AbortSignal): Promise<void> {
    while (this.#rewriting !== null) await this.#rewriting.catch(() => {});
    throwIfAborted(signal);
    if (this.#options.copy && this.#last.sequence > 0) {
      try {
        await this.#rewriteOnce(signal);
      } catch (error) {
        if (isAborted(error)) throw error;
        this.#fail(error);
        this.#through = null;
      }
    }
    await this.#discardOthers().catch((error: unknown) => {
      void this.#tidy(FIRST_RETRY_MS);
      throw heldError(error);
    });
  }

  #rewriteOnce(signal?: AbortSignal): Promise<void> {
    this.#cancelRewrite?.();
    this.#cancelRewrite = null;
    const { signal: stop } = this.#stop;
    const from = this.#options.monotonic();
    const rewriting = this.#checkpoint(
      signal === undefined ? stop : AbortSignal.any([signal, stop]),
    );
    this.#rewriting = rewriting
      .catch((error: unknown) => {
        this.#notRewritten(error);
        throw error;
      })
      .finally(() => {
        this.#rewrittenAt = this.#options.monotonic();
        this.#rewriteCost = this.#rewrittenAt - from;
        this.#rewriting = null;
      });
    return this.#rewriting;
  }

  /** The present log, if there is one, goes on; it only holds more than it should. */
  #notRewritten(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    if (this.#log === null && !isAborted(error)) this.#options.onTrouble(reasonOf(error));
    this.#rewriteIn(this.#retryMs);
    this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
  }

  async #checkpoint(signal: AbortSignal): Promise<void> {
    const { files, storage, settled, format, id } = this.#options;
    const generations = (await files.list()).map((name) => generationOf(name) ?? 0);
    const generation = Math.max(0, ...generations) + 1;
    const header = { ...this.#identity, version: LOG_VERSION, generation, format };
    const next = await LogWriter.begin(files, logName(generation, id()), header);
    try {
      await settled(async () => {
        this.flush();
        this.#next = next;
      });
      await writePages(storage, next, signal);
      await settled(async () => this.#switchTo(next, signal));
    } catch (error) {
      if (this.#next === next) this.#next = null;
      closeQuietly(next);
      await discardLog(files, next.name).catch(() => {});
      throw error;
    }
    this.#retryMs = FIRST_RETRY_MS;
    this.#options.onTrouble(null);
    await this.#marker.now();
  }

  /** No change is being made, and all that were made are queued or written. */
  #switchTo(next: LogWriter, signal: AbortSignal): void {
    this.flush();
    // A write of the queue failed, and all logs were let go.
    if (this.#next !== next) throw new Error('the copy could not be written');
    if (signal.aborted) throw abortedError(signal);
    next.endCheckpoint(this.#last);
    next.flush();
    closeQuietly(this.#log);
    this.#log = next;
    this.#next = null;
    this.#overhead = 0;
    this.#reached(next);
  }

  /** Removes every log but the present one. Rejects where another tab holds one of them. */
  async #discardOthers(): Promise<void> {
    const { files } = this.#options;
    const keep = this.#log?.name;
    const others = (await files.list()).filter(
      (name) => name !== keep && generationOf(name) !== null,
    );
    const ends = await Promise.allSettled(others.map((name) => discardLog(files, name)));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Writes the log that is still to be begun, if that takes no longer than `ms`. */
  async finish(ms: number): Promise<void> {
    const { copy, timer } = this.#options;
    if (this.#log !== null || !copy || this.#last.sequence === 0) return;
    const late = new AbortController();
    const cancel = timer(() => late.abort(), ms);
    try {
      await (this.#rewriting ?? this.#rewriteOnce(late.signal));
    } catch {
      // It is written from the database when that is opened again.
    } finally {
      cancel();
    }
  }

  /** Finishes what is queued and lets go of the log. A log that is being begun is given up. */
  async release(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.flush();
    this.#stop.abort();
    this.#cancelRewrite?.();
    this.#cancelTidy?.();
    if (this.#last.sequence > 0) await this.#marker.now().catch(() => {});
    this.#marker.close();
    closeQuietly(this.#log);
    this.#log = null;
  }

  /** After {@link release}, and not while changes are kept away: resolves when nothing runs any more. */
  async ended(): Promise<void> {
    await this.#rewriting?.catch(() => {});
  }
}

function closeQuietly(log: LogWriter | null): void {
  try {
    log?.close();
  } catch {
    // It is given up anyway.
  }
}

function isAborted(error: unknown): boolean {
  return isWhorlError(error) && error.code === 'aborted';
}

function heldError(cause: unknown): WhorlError {
  return new WhorlError(
    'storage_blocked',
    'An older mirror could not be removed, because another tab holds it: what was deleted is gone from the database and may still be in that mirror. Close the other tabs of this site, then erase again.',
    { cause, retryable: true },
  );
}

/** What an error of the files says. */
export function reasonOf(error: unknown): string {
  return error instanceof Error || error instanceof DOMException
    ? `${error.name}: ${error.message}`
    : String(error);
}
