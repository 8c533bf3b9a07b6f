/**
 * The storage that a core runs on: what was asked for, with its mirror; or memory where the browser denies
 * it, or cannot open it, with what the mirror has.
 */
import { isWhorlError, type WhorlError } from '../../src/shared/errors.ts';
import type { StoreMode } from '../../src/shared/types.ts';
import type { LeaderLock } from './leader.ts';
import type { MirrorFiles } from './mirror/files.ts';
import type { Timer } from './mirror/mirror.ts';
import { MirroredStorage } from './mirror/mirrored-storage.ts';
import { readableLog, restoreInto } from './mirror/rescue.ts';
import { MemoryStorage } from './storage/memory-storage.ts';
import { FORMAT_VERSION } from './storage/migrate.ts';
import type { Storage } from './storage/storage.ts';

export interface OpenedStorage {
  readonly storage: Storage;
  /** The same, where it has a mirror to take over with the lead. */
  readonly mirrored: MirroredStorage | null;
  /** Modes of the status from the start, each with its sentence. */
  readonly modes: readonly (readonly [StoreMode, string])[];
}

/**
 * Opens durable storage. `onRetired` is to be called when it can be used no more, `onVanished` when the
 * browser has deleted it and it may be opened again.
 */
export type OpenStorage = (
  onRetired: (why: WhorlError) => void,
  onVanished?: (why: WhorlError) => void,
) => Promise<Storage>;

/** Where a mirror goes. */
export interface MirrorPlace {
  /** Null: this browser has no files that only one tab at a time writes. */
  readonly files: MirrorFiles | null;
  /** False: no copy, only a note that there was data. */
  readonly copy: boolean;
  /** Default: timers of the thread. */
  readonly timer?: Timer;
  /** A random name. Default: a UUID. */
  readonly id?: () => string;
}

export interface OpenStorageOptions {
  readonly name: string;
  /** Null: memory was asked for. */
  readonly openStorage: OpenStorage | null;
  readonly lock: LeaderLock | null;
  readonly mirror?: MirrorPlace | null;
  /** Removes a database that cannot be opened, once its mirror was found sound. Default: it stays. */
  readonly deleteDatabase?: () => Promise<void>;
  readonly clock: { now(): number; monotonic(): number };
  readonly onRetired: (why: WhorlError) => void;
  readonly onMode: (mode: StoreMode, why: string | null) => void;
  /** See {@link MirroredOptions}. */
  readonly onReplaced: () => void;
  readonly onThrough: () => void;
}

/** Rejects with what `openStorage` says, except `storage_unavailable`. */
export async function openStorage(options: OpenStorageOptions): Promise<OpenedStorage> {
  if (options.openStorage === null) {
    return inMemory('Memory was asked for; nothing outlives the page.');
  }
  try {
    return await openDurable(options, options.openStorage);
  } catch (error) {
    if (!isWhorlError(error) || error.code !== 'storage_unavailable') throw error;
    return rescue(options, options.openStorage, error);
  }
}

async function openDurable(options: OpenStorageOptions, open: OpenStorage): Promise<OpenedStorage> {
  const { mirror, clock, onRetired, onMode, onReplaced, onThrough } = options;
  if (!mirror) return { storage: await open(onRetired), mirrored: null, modes: [] };
  const mirrored = await MirroredStorage.open({
    open: (onVanished) => open(onRetired, onVanished),
    files: mirror.files,
    copy: mirror.copy,
    format: FORMAT_VERSION,
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    timer: mirror.timer ?? later,
    id: mirror.id ?? (() => crypto.randomUUID()),
    onMode,
    onReplaced,
    onThrough,
  });
  return { storage: mirrored, mirrored, modes: [] };
}

function later(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}

function inMemory(why: string, storage = new MemoryStorage()): OpenedStorage {
  return { storage, mirrored: null, modes: [['memory_only', why]] };
}

/** The database cannot be opened: is there a mirror that can take its place? */
async function rescue(
  options: OpenStorageOptions,
  open: OpenStorage,
  error: WhorlError,
): Promise<OpenedStorage> {
  const why = `${error.message} Collections live in memory and end with the page.`;
  const files = options.mirror?.files;
  if (!files) return inMemory(why);
  const log = await readableLog(files, FORMAT_VERSION);
  if (log === null) return inMemory(why);
  if (await deleted(options)) {
    // A fresh one is filled from the mirror when this tab takes the lead.
    const fresh = await openDurable(options, open).catch(() => null);
    if (fresh !== null) return fresh;
  }
  const memory = new MemoryStorage();
  const sentence = await restoreInto(memory, files, log);
  const opened = inMemory(why, memory);
  return { ...opened, modes: [...opened.modes, ...sentence] };
}

/** Removes the broken database, unless another tab leads: it has it open then, and here the fault is another. */
async function deleted({ name, lock, deleteDatabase }: OpenStorageOptions): Promise<boolean> {
  if (deleteDatabase === undefined) return false;
  const { signal } = new AbortController();
  try {
    const hold = lock === null ? null : await lock.acquire(name, { wait: false, signal });
    if (hold === null) return false;
    try {
      await deleteDatabase();
      return true;
    } finally {
      hold.release();
    }
  } catch {
    // It can be neither opened nor deleted; what follows says so.
    return false;
  }
}
