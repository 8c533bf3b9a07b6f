/**
 * Storage in memory: for `storage: 'memory'`, for pages that are denied storage, and for tests. What it
 * keeps lies in a {@link MemoryDisk}, so that a test can close one storage and open the next over it.
 */
import { WhorlError } from '../../../src/shared/errors.ts';
import { compareStorageKeys } from './key-order.ts';
import {
  type Entry,
  type KeyRange,
  type ReadTransaction,
  STORE_NAMES,
  type Storage,
  type StorageKey,
  type StoreName,
  type WriteTransaction,
} from './storage.ts';

interface Shelf {
  keys: StorageKey[];
  values: unknown[];
}

export class MemoryDisk {
  readonly shelves: ReadonlyMap<StoreName, Shelf> = new Map(
    STORE_NAMES.map((name) => [name, { keys: [], values: [] }]),
  );
  /** Transactions run one at a time, also those of several storages over this disk. */
  tail: Promise<void> = Promise.resolve();
}

/** Position of the first key that is not below `key`. */
function lowerBound(keys: readonly StorageKey[], key: KeyRange['upper']): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareStorageKeys(keys[middle] ?? 0, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

class MemoryTransaction implements WriteTransaction {
  readonly #disk: MemoryDisk;
  readonly #writable: boolean;
  readonly #undo: (() => void)[] = [];
  #over = false;

  constructor(disk: MemoryDisk, writable: boolean) {
    this.#disk = disk;
    this.#writable = writable;
  }

  #shelf(store: StoreName, write: boolean): Shelf {
    if (this.#over)
      throw new WhorlError('internal', 'A storage transaction was used after its end.');
    if (write && !this.#writable) {
      throw new WhorlError('internal', 'A storage transaction for reading was asked to write.');
    }
    const shelf = this.#disk.shelves.get(store);
    if (shelf === undefined) throw new WhorlError('internal', `There is no store "${store}".`);
    return shelf;
  }

  async get(store: StoreName, key: StorageKey): Promise<unknown> {
    const shelf = this.#shelf(store, false);
    const at = lowerBound(shelf.keys, key);
    return this.#holds(shelf, at, key) ? structuredClone(shelf.values[at]) : undefined;
  }

  async scan(
    store: StoreName,
    range: KeyRange | null,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<readonly Entry[]> {
    const shelf = this.#shelf(store, false);
    const [from, to] = bounds(shelf, range);
    const entries: Entry[] = [];
    for (let at = from; at < Math.min(to, from + limit); at++) {
      entries.push({ key: shelf.keys[at] ?? 0, value: structuredClone(shelf.values[at]) });
    }
    return entries;
  }

  put(store: StoreName, key: StorageKey, value: unknown): void {
    const shelf = this.#shelf(store, true);
    const at = lowerBound(shelf.keys, key);
    const copy: unknown = structuredClone(value);
    if (this.#holds(shelf, at, key)) {
      const before = shelf.values[at];
      shelf.values[at] = copy;
      this.#undo.push(() => {
        shelf.values[at] = before;
      });
      return;
    }
    shelf.keys.splice(at, 0, structuredClone(key));
    shelf.values.splice(at, 0, copy);
    this.#undo.push(() => {
      shelf.keys.splice(at, 1);
      shelf.values.splice(at, 1);
    });
  }

  delete(store: StoreName, key: StorageKey): void {
    this.#cut(store, { lower: key, upper: key });
  }

  deleteRange(store: StoreName, range: KeyRange): void {
    this.#cut(store, range);
  }

  #cut(store: StoreName, range: KeyRange): void {
    const shelf = this.#shelf(store, true);
    const [from, to] = bounds(shelf, range);
    if (to <= from) return;
    const keys = shelf.keys.splice(from, to - from);
    const values = shelf.values.splice(from, to - from);
    this.#undo.push(() => {
      shelf.keys = [...shelf.keys.slice(0, from), ...keys, ...shelf.keys.slice(from)];
      shelf.values = [...shelf.values.slice(0, from), ...values, ...shelf.values.slice(from)];
    });
  }

  #holds(shelf: Shelf, at: number, key: StorageKey): boolean {
    return at < shelf.keys.length && compareStorageKeys(shelf.keys[at] ?? 0, key) === 0;
  }

  end(keep: boolean): void {
    this.#over = true;
    if (!keep) for (const undo of this.#undo.reverse()) undo();
  }
}

function bounds(shelf: Shelf, range: KeyRange | null): readonly [number, number] {
  if (range === null) return [0, shelf.keys.length];
  let from = lowerBound(shelf.keys, range.lower);
  const at = (index: number, key: KeyRange['upper']) =>
    index < shelf.keys.length && compareStorageKeys(shelf.keys[index] ?? 0, key) === 0;
  if (range.lowerOpen === true && at(from, range.lower)) from += 1;
  let to = lowerBound(shelf.keys, range.upper);
  if (at(to, range.upper)) to += 1;
  return [from, to];
}

export class MemoryStorage implements Storage {
  readonly kind = 'memory';
  readonly durable = false;
  readonly #disk: MemoryDisk;
  #closed = false;

  constructor(disk: MemoryDisk = new MemoryDisk()) {
    this.#disk = disk;
  }

  read<T>(
    _stores: readonly StoreName[],
    body: (transaction: ReadTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#run(false, body);
  }

  write<T>(
    _stores: readonly StoreName[],
    body: (transaction: WriteTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#run(true, body);
  }

  async #run<T>(
    writable: boolean,
    body: (transaction: WriteTransaction) => Promise<T>,
  ): Promise<T> {
    const before = this.#disk.tail;
    let done = (): void => {};
    this.#disk.tail = new Promise((resolve) => {
      done = resolve;
    });
    await before;
    const transaction = new MemoryTransaction(this.#disk, writable);
    let kept = false;
    try {
      if (this.#closed) throw new WhorlError('closed', 'The storage was closed.');
      const result = await body(transaction);
      kept = true;
      return result;
    } finally {
      transaction.end(kept);
      done();
    }
  }

  close(): void {
    this.#closed = true;
  }
}
