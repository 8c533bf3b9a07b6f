/** One IndexedDB transaction as the storage interface knows it. */
import type { IDBPDatabase, IDBPObjectStore } from 'idb';
import { isWhorlError } from '../../../src/shared/errors.ts';
import type {
  Entry,
  KeyRange,
  SimpleKey,
  StorageKey,
  StoreName,
  WriteTransaction,
} from './storage.ts';

type Mode = 'readonly' | 'readwrite';
type StoreOf = (store: StoreName) => IDBPObjectStore<unknown, StoreName[], StoreName, Mode>;

/** Runs the body in one transaction; resolves when it is complete on the disk. */
export async function runTransaction<T>(
  database: IDBPDatabase,
  stores: readonly StoreName[],
  mode: Mode,
  body: (transaction: WriteTransaction) => Promise<T>,
): Promise<T> {
  const native = database.transaction([...stores], mode, { durability: 'strict' });
  // The reason of an abort: QuotaExceededError sits on the transaction, not on the request.
  const done: Promise<unknown> = native.done.then(
    () => null,
    (error: unknown) => error ?? new DOMException('The transaction was aborted.', 'AbortError'),
  );
  let result: T;
  try {
    result = await body(
      new IdbTransaction((store) => native.objectStore(store) as unknown as ReturnType<StoreOf>),
    );
  } catch (error) {
    abort(native);
    const reason = await done;
    throw isWhorlError(error) || !isAbort(error) ? error : (reason ?? error);
  }
  const failure = await done;
  if (failure !== null) throw failure;
  return result;
}

function abort(native: { abort(): void }): void {
  try {
    native.abort();
  } catch {
    // It was over already; `done` says how.
  }
}

function isAbort(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError'
  );
}

class IdbTransaction implements WriteTransaction {
  readonly #store: StoreOf;

  constructor(store: StoreOf) {
    this.#store = store;
  }

  get(store: StoreName, key: StorageKey): Promise<unknown> {
    return this.#store(store).get(nativeKey(key));
  }

  async scan(store: StoreName, range: KeyRange | null, limit?: number): Promise<readonly Entry[]> {
    const query = range === null ? null : nativeRange(range);
    const [keys, values] = await Promise.all([
      this.#store(store).getAllKeys(query, limit),
      this.#store(store).getAll(query, limit),
    ]);
    return keys.map((key, at): Entry => ({ key: ownKey(key), value: values[at] }));
  }

  // A failed request fails the transaction, whose end the caller waits for; its own promise would only
  // be an unhandled rejection.
  put(store: StoreName, key: StorageKey, value: unknown): void {
    this.#store(store)
      .put?.(value, nativeKey(key))
      .catch(() => {});
  }

  delete(store: StoreName, key: StorageKey): void {
    this.#store(store)
      .delete?.(nativeKey(key))
      .catch(() => {});
  }

  deleteRange(store: StoreName, range: KeyRange): void {
    this.#store(store)
      .delete?.(nativeRange(range))
      .catch(() => {});
  }
}

function nativeKey(key: StorageKey): IDBValidKey {
  return key as IDBValidKey;
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
