/**
 * An IndexedDB that fails where it is told to, as browsers do. It stands before a real factory (or a fake
 * one) and changes single objects of it: what is not struck is as it was.
 */

/**
 * - `open`: the opening fails
 * - `transaction`: the connection refuses a transaction
 * - `request`: a request fails, and its transaction with it
 * - `commit`: all requests were answered, the transaction is rolled back all the same
 * - `answer`: the transaction is committed, but its end is reported as an abort
 */
export type FaultPoint = 'open' | 'transaction' | 'request' | 'commit' | 'answer';
export const FAULT_POINTS: readonly FaultPoint[] = [
  'open',
  'transaction',
  'request',
  'commit',
  'answer',
];

/** What browsers say when the connection is at fault; null: the transaction's `error` is null. */
export const LOST_TEXTS = [
  () =>
    new DOMException(
      'Connection to Indexed Database server lost. Refresh the page to try again',
      'UnknownError',
    ),
  () => new DOMException('The database connection is closing.', 'InvalidStateError'),
  () => new DOMException('The transaction was aborted, so the request failed.', 'AbortError'),
  () => new DOMException('Attempt to get all records from database failed.', 'UnknownError'),
] as const;

export interface IdbFault {
  readonly point: FaultPoint;
  /** Strikes from the n-th occurrence of the point on (1: the first). */
  readonly at: number;
  /** So many occurrences in a row. */
  readonly times: number;
  readonly error: () => DOMException;
  /** The connection is closed by the browser as well, with its `close` event. */
  readonly closes?: boolean;
}

export class FaultyIdb {
  readonly factory: IDBFactory;
  readonly #inner: IDBFactory;
  readonly #forceClose: ForceClose;
  #fault: IdbFault | null = null;
  #counts = new Map<FaultPoint, number>();
  /** How often a fault struck. */
  struck = 0;
  /** Connections that were opened. */
  readonly opened: IDBDatabase[] = [];

  constructor(forceClose: ForceClose = dispatchClose, inner: IDBFactory = indexedDB) {
    this.#inner = inner;
    this.#forceClose = forceClose;
    this.factory = {
      open: (name: string, version?: number) => this.#open(name, version),
      deleteDatabase: (name: string) => inner.deleteDatabase(name),
      databases: () => inner.databases(),
      cmp: (a: unknown, b: unknown) => inner.cmp(a, b),
    } as IDBFactory;
  }

  /** Counts anew; null heals. */
  arm(fault: IdbFault | null): void {
    this.#fault = fault;
    this.#counts = new Map();
    this.struck = 0;
  }

  /** Occurrences of a point since it was armed. */
  count(point: FaultPoint): number {
    return this.#counts.get(point) ?? 0;
  }

  /** Counts an occurrence; the fault that strikes it, or null. */
  #step(point: FaultPoint): IdbFault | null {
    const count = this.count(point) + 1;
    this.#counts.set(point, count);
    const fault = this.#fault;
    if (fault === null || fault.point !== point) return null;
    if (count < fault.at || count >= fault.at + fault.times) return null;
    this.struck += 1;
    return fault;
  }

  #open(name: string, version?: number): IDBOpenDBRequest {
    const fault = this.#step('open');
    if (fault !== null) return failedOpening(fault.error());
    const request =
      version === undefined ? this.#inner.open(name) : this.#inner.open(name, version);
    request.addEventListener('success', () => {
      this.opened.push(request.result);
      this.#watch(request.result);
    });
    return request;
  }

  #watch(database: IDBDatabase): void {
    const begin = database.transaction.bind(database);
    database.transaction = ((...how: Parameters<typeof begin>) => {
      const fault = this.#step('transaction');
      if (fault !== null) {
        if (fault.closes === true) this.#forceClose(database);
        throw fault.error();
      }
      const native = begin(...how);
      this.#watchTransaction(database, native);
      return native;
    }) as typeof database.transaction;
  }

  #watchTransaction(database: IDBDatabase, native: IDBTransaction): void {
    const commit = native.mode === 'readwrite' ? this.#step('commit') : null;
    const answer = native.mode === 'readwrite' ? this.#step('answer') : null;
    const state = { issued: 0 };
    const stores = new Map<string, IDBObjectStore>();
    const find = native.objectStore.bind(native);
    native.objectStore = (name: string) => {
      const known = stores.get(name);
      if (known !== undefined) return known;
      const store = find(name);
      stores.set(name, store);
      this.#watchStore(database, native, store, state);
      return store;
    };
    if (commit !== null)
      rollBackAtTheEnd(native, state, () => this.#strike(commit, database, native));
    if (answer !== null) denyCompletion(native, () => this.#strike(answer, database, native));
  }

  #strike(fault: IdbFault, database: IDBDatabase, native: IDBTransaction): void {
    say(native, fault.error());
    if (fault.closes === true) this.#forceClose(database);
  }

  #watchStore(
    database: IDBDatabase,
    native: IDBTransaction,
    store: IDBObjectStore,
    state: { issued: number },
  ): void {
    for (const method of ['get', 'getAll', 'getAllKeys', 'put', 'delete'] as const) {
      const original = store[method].bind(store) as (...args: unknown[]) => IDBRequest;
      Object.defineProperty(store, method, {
        value: (...args: unknown[]) => {
          state.issued += 1;
          const request = original(...args);
          const fault = this.#step('request');
          if (fault !== null) {
            say(request, fault.error());
            this.#strike(fault, database, native);
            native.abort();
          }
          return request;
        },
      });
    }
  }
}

/** Closes a connection as the browser does it by itself, with the `close` event. */
export type ForceClose = (database: IDBDatabase) => void;

/** For a real IndexedDB. What runs still comes to its end. */
export const dispatchClose: ForceClose = (database) => {
  database.close();
  queueMicrotask(() => database.dispatchEvent(new Event('close')));
};

function failedOpening(error: DOMException): IDBOpenDBRequest {
  const request = Object.assign(new EventTarget(), { error, result: undefined, transaction: null });
  setTimeout(() => request.dispatchEvent(new Event('error')), 0);
  return request as unknown as IDBOpenDBRequest;
}

function say(target: IDBRequest | IDBTransaction, error: DOMException): void {
  // An abort without a reason has a null error on the transaction; the request says AbortError.
  const value = 'objectStoreNames' in target && error.name === 'AbortError' ? null : error;
  Object.defineProperty(target, 'error', { configurable: true, get: () => value, set: () => {} });
}

/** Requests are answered in order: when one of ours is and none was issued meanwhile, the rest is committing. */
function rollBackAtTheEnd(
  native: IDBTransaction,
  state: { readonly issued: number },
  strike: () => void,
): void {
  const [first] = native.objectStoreNames;
  const store = native.objectStore(first ?? '');
  const get = IDBObjectStore.prototype.get.bind(store);
  const beat = (quiet: number): void => {
    const seen = state.issued;
    get('no such key').onsuccess = () => {
      if (state.issued !== seen) beat(0);
      else if (quiet < 2) beat(quiet + 1);
      else {
        strike();
        native.abort();
      }
    };
  };
  beat(0);
}

/** Whoever listens for the end of the transaction hears of an abort in the place of its completion. */
function denyCompletion(native: IDBTransaction, strike: () => void): void {
  const listen = native.addEventListener.bind(native);
  const onAbort: ((event: Event) => void)[] = [];
  native.addEventListener = ((type: string, listener: (event: Event) => void) => {
    if (type === 'abort') onAbort.push(listener);
    if (type !== 'complete') listen(type, listener);
  }) as typeof native.addEventListener;
  listen('complete', (event) => {
    strike();
    for (const listener of onAbort) listener(event);
  });
}
