/**
 * Storage in IndexedDB.
 *
 * - A write resolves when the transaction is complete with `durability: 'strict'`: it is on the disk
 *   then, not only in the system's buffers (Chromium's default has been `relaxed` since 121).
 * - A connection that the browser ended (a `close` event, or InvalidStateError on the next use) is
 *   opened again once; the transaction runs again on the new one.
 * - Another tab that upgrades the database closes this connection; nothing is written after that.
 */
import type { IDBPDatabase } from 'idb';
import { WhorlError } from '../../../src/shared/errors.ts';
import { isLostConnection, storageError } from './idb-error.ts';
import { openConnection } from './idb-open.ts';
import { runTransaction } from './idb-transaction.ts';
import type { ReadTransaction, Storage, StoreName, WriteTransaction } from './storage.ts';

export interface IdbStorageOptions {
  readonly name: string;
  /** Default: the global one. */
  readonly factory?: IDBFactory;
  /** Called when another tab upgraded or deleted the database and this connection was closed. */
  readonly onRetired?: () => void;
}

type Mode = 'readonly' | 'readwrite';

export class IdbStorage implements Storage {
  readonly kind = 'indexeddb';
  readonly durable = true;
  readonly #options: IdbStorageOptions;
  #connection: Promise<IDBPDatabase> | null = null;
  #ended: WhorlError | null = null;

  private constructor(options: IdbStorageOptions) {
    this.#options = options;
  }

  /**
   * Opens or creates the database. Rejects with `storage_unavailable` (denied or absent),
   * `storage_too_new` (written by a later version), `storage_blocked` (another tab holds an older
   * version for more than a second), `storage_full` or `storage_lost`.
   */
  static async open(options: IdbStorageOptions): Promise<IdbStorage> {
    const storage = new IdbStorage(options);
    await storage.#connect();
    return storage;
  }

  #connect(): Promise<IDBPDatabase> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    if (this.#connection === null) {
      const { name, factory = globalThis.indexedDB } = this.#options;
      const opening = openConnection(name, factory, {
        retired: () => this.#retire(),
        lost: () => {
          if (this.#connection === opening) this.#connection = null;
        },
      });
      this.#connection = opening;
      // A failed opening is forgotten, so that the next call may try again.
      opening.catch(() => {
        if (this.#connection === opening) this.#connection = null;
      });
    }
    return this.#connection;
  }

  #retire(): void {
    this.#ended ??= new WhorlError(
      'storage_lost',
      'Another tab upgraded or deleted the storage, so this one let go of it. What was saved is kept; reload this page.',
    );
    this.#connection = null;
    this.#options.onRetired?.();
  }

  read<T>(
    stores: readonly StoreName[],
    body: (transaction: ReadTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#run(stores, 'readonly', body);
  }

  write<T>(
    stores: readonly StoreName[],
    body: (transaction: WriteTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#run(stores, 'readwrite', body);
  }

  async #run<T>(
    stores: readonly StoreName[],
    mode: Mode,
    body: (transaction: WriteTransaction) => Promise<T>,
  ): Promise<T> {
    const database = await this.#connect();
    try {
      return await runTransaction(database, stores, mode, body);
    } catch (error) {
      if (this.#ended !== null || !isLostConnection(error)) throw storageError(error);
      // The dead handle is dropped, never tried again.
      database.close();
      this.#connection = null;
    }
    const fresh = await this.#connect();
    try {
      return await runTransaction(fresh, stores, mode, body);
    } catch (error) {
      throw storageError(error);
    }
  }

  close(): void {
    this.#ended ??= new WhorlError('closed', 'The storage was closed.');
    this.#connection?.then(
      (database) => database.close(),
      () => {},
    );
    this.#connection = null;
  }
}
