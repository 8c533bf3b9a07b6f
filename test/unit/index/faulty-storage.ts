/** A storage whose n-th operation fails, once. */
import { WhorlError } from '../../../src/shared/errors.ts';
import { type MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import type {
  ReadTransaction,
  Storage,
  StoreName,
  WriteTransaction,
} from '../../../workers/index/storage/storage.ts';

/**
 * `refused`: the operation fails and the transaction rolls back, as with a full disk. `unknown`: the
 * transaction that the operation is in commits, and then the connection is lost before it can say so.
 */
export type FaultKind = 'refused' | 'unknown';

export class FaultyStorage implements Storage {
  readonly kind = 'memory';
  readonly durable = true;
  readonly #inner: MemoryStorage;
  readonly #faults: Faults;

  constructor(disk: MemoryDisk, faults: Faults) {
    this.#inner = new MemoryStorage(disk);
    this.#faults = faults;
  }

  read<T>(
    stores: readonly StoreName[],
    body: (transaction: ReadTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#inner.read(stores, (tx) => {
      this.#faults.step('refused');
      return body({
        get: async (store, key) => {
          this.#faults.step('refused');
          return tx.get(store, key);
        },
        scan: async (store, range, limit) => {
          this.#faults.step('refused');
          return tx.scan(store, range, limit);
        },
      });
    });
  }

  async write<T>(
    stores: readonly StoreName[],
    body: (transaction: WriteTransaction) => Promise<T>,
  ): Promise<T> {
    let lost = false;
    const step = () => {
      lost = this.#faults.step(this.#faults.kind) || lost;
    };
    const result = await this.#inner.write(stores, (tx) => {
      step();
      return body({
        get: async (store, key) => {
          step();
          return tx.get(store, key);
        },
        scan: async (store, range, limit) => {
          step();
          return tx.scan(store, range, limit);
        },
        put: (store, key, value) => {
          step();
          tx.put(store, key, value);
        },
        delete: (store, key) => {
          step();
          tx.delete(store, key);
        },
        deleteRange: (store, range) => {
          step();
          tx.deleteRange(store, range);
        },
      });
    });
    if (lost) throw new WhorlError('outcome_unknown', 'lost after the commit');
    return result;
  }

  close(): void {
    this.#inner.close();
  }
}

export class Faults {
  readonly kind: FaultKind;
  readonly #failAt: number;
  count = 0;

  constructor(failAt: number, kind: FaultKind) {
    this.#failAt = failAt;
    this.kind = kind;
  }

  get struck(): boolean {
    return this.count >= this.#failAt;
  }

  /** Counts an operation; true where the transaction is to be lost after its commit. */
  step(kind: FaultKind): boolean {
    this.count += 1;
    if (this.count !== this.#failAt) return false;
    if (kind === 'unknown') return true;
    throw new WhorlError('storage_full', 'the disk is full', { retryable: true });
  }
}
