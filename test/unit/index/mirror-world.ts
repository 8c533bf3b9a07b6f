/** A database in memory that misbehaves on demand, files that may be cut, and a clock that is moved by hand. */
import { WhorlError } from '../../../src/shared/errors.ts';
import type { StoreMode } from '../../../src/shared/types.ts';
import { crc32c } from '../../../workers/index/mirror/crc32c.ts';
import type { MirrorFiles } from '../../../workers/index/mirror/files.ts';
import { MirroredStorage } from '../../../workers/index/mirror/mirrored-storage.ts';
import { MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import {
  type Entry,
  type ReadTransaction,
  STORE_NAMES,
  type Storage,
  type StoreName,
  type WriteTransaction,
} from '../../../workers/index/storage/storage.ts';
import { DiskFiles, MirrorDisk } from './mirror-disk.ts';

/** What the next write does: its body runs twice, or it commits and cannot say so, or it does not commit. */
export type WriteFault = 'twice' | 'unknown' | 'refused' | null;

/** The database of one process; `place` may be given another disk, which is how a browser deletes one. */
class ShakyStorage implements Storage {
  readonly kind = 'indexeddb';
  readonly durable = true;
  readonly #place: { readonly disk: MemoryDisk; fault: WriteFault };
  readonly #disk: MemoryDisk;
  readonly #onVanished: () => void;
  readonly #inner: MemoryStorage;
  #ended = false;

  constructor(place: { readonly disk: MemoryDisk; fault: WriteFault }, onVanished: () => void) {
    this.#place = place;
    this.#disk = place.disk;
    this.#onVanished = onVanished;
    this.#inner = new MemoryStorage(place.disk);
  }

  #checkThere(): void {
    if (this.#disk === this.#place.disk && !this.#ended) return;
    if (!this.#ended) this.#onVanished();
    this.#ended = true;
    throw new WhorlError('storage_lost', 'The browser deleted the database.');
  }

  async read<T>(
    stores: readonly StoreName[],
    body: (transaction: ReadTransaction) => Promise<T>,
  ): Promise<T> {
    this.#checkThere();
    return this.#inner.read(stores, body);
  }

  async write<T>(
    stores: readonly StoreName[],
    body: (transaction: WriteTransaction) => Promise<T>,
  ): Promise<T> {
    this.#checkThere();
    const { fault } = this.#place;
    this.#place.fault = null;
    if (fault === 'twice') {
      const rolledBack = this.#inner.write(stores, async (tx) => {
        await body(tx);
        throw new Error('the connection was lost');
      });
      await rolledBack.catch(() => {});
    }
    if (fault === 'refused') {
      return this.#inner.write(stores, async (tx) => {
        await body(tx);
        throw new WhorlError('storage_full', 'The disk is full.', { retryable: true });
      });
    }
    const result = await this.#inner.write(stores, body);
    if (fault === 'unknown') throw new WhorlError('outcome_unknown', 'It may be there.');
    return result;
  }

  close(): void {
    this.#inner.close();
  }
}

export class MirrorWorld {
  readonly mirror = new MirrorDisk();
  disk = new MemoryDisk();
  fault: WriteFault = null;
  copy = true;
  noFiles = false;
  format = 2;
  time = 1_700_000_000_000;
  readonly modes = new Map<StoreMode, string>();
  replaced = 0;
  #ids = 0;
  #timers = new Map<object, { readonly due: number; readonly run: () => void }>();

  open(): Promise<MirroredStorage> {
    this.#timers.clear();
    this.modes.clear();
    return this.#open(this.noFiles ? null : new DiskFiles(this.mirror));
  }

  #open(files: MirrorFiles | null): Promise<MirroredStorage> {
    return MirroredStorage.open({
      open: async (onVanished) => new ShakyStorage(this, onVanished),
      files,
      copy: this.copy,
      format: this.format,
      now: () => this.time,
      monotonic: () => this.time,
      timer: (run, ms) => {
        const key = {};
        this.#timers.set(key, { due: this.time + ms, run });
        return () => void this.#timers.delete(key);
      },
      id: () => `id${this.#ids++}`,
      onMode: (mode, why) => {
        if (why === null) this.modes.delete(mode);
        else this.modes.set(mode, why);
      },
      onReplaced: () => {
        this.replaced += 1;
      },
      onThrough: () => {},
    });
  }

  /** Opens and takes the lead. */
  async lead(): Promise<MirroredStorage> {
    const storage = await this.open();
    await storage.attach();
    return storage;
  }

  /** Lets so many milliseconds pass, with all that they bring. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const [next] = [...this.#timers].sort(([, a], [, b]) => a.due - b.due);
      if (next === undefined || next[1].due > end) break;
      const [key, { due, run }] = next;
      this.#timers.delete(key);
      this.time = Math.max(this.time, due);
      run();
    }
    this.time = Math.max(this.time, end);
    await settle();
  }

  /** The process dies; `keeps` as in {@link MirrorDisk.crash}. */
  crash(keeps: (length: number) => number = () => 0): void {
    this.#timers.clear();
    this.mirror.crash(keeps);
  }

  /** The browser deletes the database. */
  loseDatabase(): void {
    this.disk = new MemoryDisk();
  }
}

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Large buffers by length and checksum: a difference is to be read by people. */
function shortened(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('data' in value)) return value;
  const { data } = value;
  if (!(data instanceof ArrayBuffer)) return value;
  return { ...value, data: `${data.byteLength} bytes, ${crc32c(new Uint8Array(data))}` };
}

/** Closes as a core does. */
export async function shut(storage: MirroredStorage): Promise<void> {
  await storage.finish();
  storage.close();
  await storage.detach();
}

export type Content = { readonly [store in StoreName]?: readonly Entry[] };

/** All that is mirrored, past every storage that misbehaves; the head's sequence apart. */
export async function contentOf(disk: MemoryDisk): Promise<Content> {
  const storage = new MemoryStorage(disk);
  const content: { [store in StoreName]?: readonly Entry[] } = {};
  for (const store of STORE_NAMES) {
    if (store === 'snapshots') continue;
    const entries = await storage.read([store], (tx) => tx.scan(store, null));
    content[store] = entries
      .filter(({ key }) => store !== 'head' || key !== 'mirror')
      .map(({ key, value }) => ({ key, value: shortened(value) }));
  }
  return content;
}

/** The content with another sequence in its head. */
export function atSequence(content: Content, sequence: number): Content {
  const head = (content.head ?? []).map(({ key, value }) =>
    key === 'head' ? { key, value: { ...(value as object), sequence } } : { key, value },
  );
  return { ...content, head };
}

export function sequenceOf(content: Content): number {
  const head = content.head?.find(({ key }) => key === 'head')?.value;
  return (head as { readonly sequence?: number } | undefined)?.sequence ?? 0;
}
