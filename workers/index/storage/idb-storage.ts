/**
 * Storage in IndexedDB.
 *
 * - A write resolves when the transaction is complete with `durability: 'strict'`: it is on the disk
 *   then, not only in the system's buffers (Chromium's default has been `relaxed` since 121).
 * - A connection that the browser ended (a `close` event, an error of a request or of a commit, an
 *   exception of the next use) is dropped, never used again. Another one is opened and the transaction
 *   runs again on it, a few times with pauses of well below a second in all.
 * - Where that finds no database any more, none is made: the storage ends and says so.
 * - Another tab that upgrades or deletes the database closes this connection; nothing is written after that.
 */
import { WhorlError } from '../../../src/shared/errors.ts';
import {
  type Doing,
  mayPass,
  retiredError,
  storageError,
  unknownOutcome,
  vanishedError,
} from './idb-error.ts';
import { type OpenFacts, openConnection, Vanished } from './idb-open.ts';
import { runTransaction } from './idb-transaction.ts';
import type { Upgrade } from './migrate.ts';
import type { ReadTransaction, Storage, StoreName, WriteTransaction } from './storage.ts';

export interface IdbStorageOptions {
  readonly name: string;
  /** Default: the global one. */
  readonly factory?: IDBFactory | undefined;
  /** Told what each opening found, also of one after a lost connection. */
  readonly onOpened?: ((facts: OpenFacts) => void) | undefined;
  /** Called once when another tab upgraded or deleted the database and this connection was closed. */
  readonly onRetired?: ((why: WhorlError) => void) | undefined;
  /** Called once when the browser deleted the database while it was open. Default: `onRetired`. */
  readonly onVanished?: ((why: WhorlError) => void) | undefined;
  /** Waits some milliseconds before a connection is opened again. Default: a timer. */
  readonly wait?: ((ms: number) => Promise<void>) | undefined;
  /** For tests of upgrades. Default: the present format and its migrations. */
  readonly version?: number | undefined;
  readonly upgrade?: Upgrade | undefined;
}

/** Milliseconds before each further try. */
const PAUSES = [0, 20, 80, 250];

/** Stays in no storage: it is written and removed in one transaction. */
const PROBE = 'probe';

const timer = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class IdbStorage implements Storage {
  readonly kind = 'indexeddb';
  readonly durable = true;
  readonly #options: IdbStorageOptions;
  #connection: Promise<IDBDatabase> | null = null;
  #known = false;
  #ended: WhorlError | null = null;

  private constructor(options: IdbStorageOptions) {
    this.#options = options;
  }

  /**
   * Opens or creates the database. Rejects with `storage_unavailable` (denied, absent, or files that the
   * browser cannot open; `cause` says which), `storage_too_new` (written by a later version),
   * `storage_blocked` (another tab holds an older version for more than a second), `storage_full`,
   * `storage_lost`, or `internal` where a migration failed.
   */
  static async open(options: IdbStorageOptions): Promise<IdbStorage> {
    const storage = new IdbStorage(options);
    await storage.#trying('open', async () => ({ kept: true, value: undefined }));
    return storage;
  }

  read<T>(
    stores: readonly StoreName[],
    body: (transaction: ReadTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#trying('readonly', (database) =>
      runTransaction(database, stores, 'readonly', body),
    );
  }

  write<T>(
    stores: readonly StoreName[],
    body: (transaction: WriteTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#trying('readwrite', (database) =>
      runTransaction(database, stores, 'readwrite', body),
    );
  }

  /** Resolves when so many bytes more would be taken; nothing of them stays. Rejects with `storage_full`. */
  probe(bytes: number): Promise<void> {
    return this.write(['head'], async (tx) => {
      tx.put('head', PROBE, new Uint8Array(bytes));
      tx.delete('head', PROBE);
    });
  }

  close(): void {
    this.#end(new WhorlError('closed', 'The storage was closed.'));
  }

  /** Opens the connection where there is none, does the work on it, and again where the connection was lost. */
  async #trying<T>(
    doing: Doing,
    work: (database: IDBDatabase) => ReturnType<typeof runTransaction<T>>,
  ): Promise<T> {
    let undecided = false;
    for (let tries = 0; ; tries++) {
      const ending = await this.#once(work);
      if (ending.kept) return ending.value;
      undecided ||= ending.undecided;
      const pause = PAUSES[tries];
      if (this.#ended !== null || pause === undefined || !mayPass(ending.error)) {
        // What an earlier try committed, a later one cannot deny.
        if (undecided) throw unknownOutcome(ending.error);
        throw this.#ended ?? storageError(ending.error, doing);
      }
      await (this.#options.wait ?? timer)(pause);
    }
  }

  async #once<T>(
    work: (database: IDBDatabase) => ReturnType<typeof runTransaction<T>>,
  ): ReturnType<typeof runTransaction<T>> {
    let connection: Promise<IDBDatabase> | null = null;
    try {
      connection = this.#connect();
      const ending = await work(await connection);
      if (!ending.kept && mayPass(ending.error)) this.#drop(connection);
      return ending;
    } catch (error) {
      if (connection !== null) this.#drop(connection);
      return { kept: false, error, undecided: false };
    }
  }

  #connect(): Promise<IDBDatabase> {
    if (this.#ended !== null) throw this.#ended;
    this.#connection ??= this.#open();
    return this.#connection;
  }

  async #open(): Promise<IDBDatabase> {
    const { name, factory = globalThis.indexedDB, onOpened, version, upgrade } = this.#options;
    try {
      const { database, facts } = await openConnection({
        name,
        factory,
        known: this.#known,
        onRetired: (deleted) => this.#end(retiredError(deleted), this.#options.onRetired),
        onClosed: (closed) => void this.#forget(closed),
        ...(version === undefined ? {} : { version }),
        ...(upgrade === undefined ? {} : { upgrade }),
      });
      if (this.#ended !== null) {
        database.close();
        throw this.#ended;
      }
      this.#known = true;
      onOpened?.(facts);
      return database;
    } catch (error) {
      if (!(error instanceof Vanished)) throw error;
      this.#end(vanishedError(), this.#options.onVanished ?? this.#options.onRetired);
      throw this.#ended ?? error;
    }
  }

  /** The dead handle is dropped, never tried again. */
  #drop(connection: Promise<IDBDatabase>): void {
    if (this.#connection === connection) this.#connection = null;
    connection.then(
      (database) => database.close(),
      () => {},
    );
  }

  /** The browser closed a connection: the next call opens another one, unless it did already. */
  async #forget(closed: IDBDatabase): Promise<void> {
    const connection = this.#connection;
    const current = await connection?.catch(() => null);
    if (current === closed && this.#connection === connection) this.#connection = null;
  }

  #end(why: WhorlError, tell?: (why: WhorlError) => void): void {
    if (this.#ended !== null) return;
    this.#ended = why;
    if (this.#connection !== null) this.#drop(this.#connection);
    tell?.(why);
  }
}
