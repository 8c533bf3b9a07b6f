/** One IndexedDB transaction as the storage interface knows it. */
import { wrap } from 'idb';
import { isLostConnection } from './idb-error.ts';
import { compareStorageKeys } from './key-order.ts';
import type {
  Entry,
  KeyRange,
  SimpleKey,
  StorageKey,
  StoreName,
  WriteTransaction,
} from './storage.ts';

type Mode = 'readonly' | 'readwrite';

/** How a transaction ended. */
export type Ending<T> =
  | { readonly kept: true; readonly value: T }
  | {
      readonly kept: false;
      readonly error: unknown;
      /** The connection went while the transaction was being committed: it may be kept after all. */
      readonly undecided: boolean;
    };

/** Runs the body in one transaction; ends when that is complete on the disk, or failed. Never rejects. */
export async function runTransaction<T>(
  database: IDBDatabase,
  stores: readonly StoreName[],
  mode: Mode,
  body: (transaction: WriteTransaction) => Promise<T>,
): Promise<Ending<T>> {
  let native: IDBTransaction;
  try {
    native = database.transaction([...stores], mode, { durability: 'strict' });
  } catch (error) {
    return { kept: false, error, undecided: false };
  }
  const end = endOf(database, native);
  let value: T;
  try {
    value = await Promise.race([body(new IdbTransaction(native)), failureOf(end)]);
  } catch (error) {
    abort(native);
    return { kept: false, error: reasonOf(error, await end), undecided: false };
  }
  const error = await end;
  if (error === null) return { kept: true, value };
  return { kept: false, error, undecided: mode === 'readwrite' && isLostConnection(error) };
}

/**
 * Null when the transaction is complete, else why it is not. The reason sits on the transaction
 * (QuotaExceededError) and is there with its `abort` event, not yet with the `error` event of a request,
 * which comes first. The browser's closing of a connection ends the transactions before its `close`
 * event: one that has not ended by then never will.
 */
function endOf(database: IDBDatabase, native: IDBTransaction): Promise<unknown> {
  return new Promise((resolve) => {
    let first: unknown = null;
    const over = (reason: unknown): void => {
      database.removeEventListener('close', closed);
      resolve(reason);
    };
    const closed = (): void => over(aborted('The connection was closed.'));
    native.addEventListener('error', ({ target }) => {
      first ??= (target as IDBRequest | null)?.error ?? null;
    });
    native.addEventListener('complete', () => over(null));
    native.addEventListener('abort', () => {
      over(native.error ?? first ?? aborted('The transaction was aborted.'));
    });
    database.addEventListener('close', closed);
  });
}

function aborted(message: string): DOMException {
  return new DOMException(message, 'AbortError');
}

/** Rejects when the transaction fails; never resolves. */
async function failureOf(end: Promise<unknown>): Promise<never> {
  const reason = await end;
  if (reason !== null) throw reason;
  return new Promise<never>(() => {});
}

function abort(native: IDBTransaction): void {
  try {
    native.abort();
  } catch {
    // It was over already; its end says how.
  }
}

/**
 * What the body threw, unless that is only the echo of the transaction's end: requests of a transaction
 * that was aborted give AbortError, new ones TransactionInactiveError.
 */
function reasonOf(error: unknown, reason: unknown): unknown {
  if (!(error instanceof DOMException) || reason === null) return error;
  const echo = ['AbortError', 'TransactionInactiveError', 'InvalidStateError'].includes(error.name);
  const ours = reason instanceof DOMException && reason.name === 'AbortError';
  return echo || !ours ? reason : error;
}

class IdbTransaction implements WriteTransaction {
  readonly #native: IDBTransaction;

  constructor(native: IDBTransaction) {
    this.#native = native;
  }

  async get(store: StoreName, key: StorageKey): Promise<unknown> {
    return wrap(this.#native.objectStore(store).get(nativeKey(key)));
  }

  async scan(store: StoreName, range: KeyRange | null, limit?: number): Promise<readonly Entry[]> {
    // IndexedDB takes a limit of 0 for none.
    if (limit === 0 || isEmpty(range)) return [];
    const query = range === null ? null : nativeRange(range);
    const from = this.#native.objectStore(store);
    const requests = [from.getAllKeys(query, limit), from.getAll(query, limit)] as const;
    const [keys, values] = await Promise.all([wrap(requests[0]), wrap(requests[1])]);
    return keys.map((key, at): Entry => ({ key: ownKey(key), value: values[at] }));
  }

  // A failed request fails the transaction, whose end the caller waits for.
  put(store: StoreName, key: StorageKey, value: unknown): void {
    this.#native.objectStore(store).put(value, nativeKey(key));
  }

  delete(store: StoreName, key: StorageKey): void {
    this.#native.objectStore(store).delete(nativeKey(key));
  }

  deleteRange(store: StoreName, range: KeyRange): void {
    if (!isEmpty(range)) this.#native.objectStore(store).delete(nativeRange(range));
  }
}

function nativeKey(key: StorageKey): IDBValidKey {
  return key as IDBValidKey;
}

/** IndexedDB refuses to make a range that begins after its only key. */
function isEmpty(range: KeyRange | null): boolean {
  return range?.lowerOpen === true && compareStorageKeys(range.lower, range.upper) === 0;
}

function nativeRange(range: KeyRange): IDBKeyRange {
  return IDBKeyRange.bound(range.lower, range.upper, range.lowerOpen === true, false);
}

/** IndexedDB gives binary keys back as ArrayBuffer. */
function ownKey(key: IDBValidKey): StorageKey {
  return Array.isArray(key) ? key.map(ownSimpleKey) : ownSimpleKey(key);
}

function ownSimpleKey(key: IDBValidKey): SimpleKey {
  return key instanceof ArrayBuffer ? new Uint8Array(key) : (key as SimpleKey);
}
