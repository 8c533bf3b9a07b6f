/**
 * Storage in memory: for `storage: 'memory'`, for pages that are denied storage, and for tests. What it
 * keeps lies in a {@link MemoryDisk}, so that a test can close one storage and open the next over it.
 */
import { WhorlError } from '../../../src/shared/errors.ts';
import { type MapEntry, OrderedMap } from './ordered-map.ts';
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
import { copyKey, copyValue } from './value-copy.ts';

export class MemoryDisk {
  readonly shelves: ReadonlyMap<StoreName, OrderedMap> = new Map(
    STORE_NAMES.map((name) => [name, new OrderedMap()]),
  );
  /** Transactions run one at a time, also those of several storages over this disk. */
  tail: Promise<void> = Promise.resolve();
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

  #shelf(store: StoreName, write: boolean): OrderedMap {
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
    return copyValue(this.#shelf(store, false).find(key)?.value);
  }

  async scan(store: StoreName, range: KeyRange | null, limit?: number): Promise<readonly Entry[]> {
    const entries = this.#shelf(store, false).slice(range, limit);
    return entries.map(({ key, value }) => ({ key: copyKey(key), value: copyValue(value) }));
  }

  put(store: StoreName, key: StorageKey, value: unknown): void {
    const shelf = this.#shelf(store, true);
    const copy = copyValue(value);
    const before = shelf.find(key);
    const own = before?.key ?? copyKey(key);
    shelf.set(own, copy);
    this.#undo.push(() => {
      if (before === undefined) shelf.delete(own);
      else shelf.set(own, before.value);
    });
  }

  delete(store: StoreName, key: StorageKey): void {
    const shelf = this.#shelf(store, true);
    const before = shelf.find(key);
    if (before === undefined) return;
    shelf.delete(key);
    this.#undo.push(() => shelf.set(before.key, before.value));
  }

  deleteRange(store: StoreName, range: KeyRange): void {
    const shelf = this.#shelf(store, true);
    const before: readonly MapEntry[] = shelf.slice(range);
    if (before.length === 0) return;
    shelf.deleteRange(range);
    this.#undo.push(() => {
      for (const { key, value } of before) shelf.set(key, value);
    });
  }

  end(keep: boolean): void {
    this.#over = true;
    if (!keep) for (const undo of this.#undo.reverse()) undo();
  }
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
