/**
 * Where collections are kept: six ordered stores with transactions.
 *
 * Consistency, which every implementation gives and `test/contracts/store-suite.ts` checks:
 *
 * - A `write` is atomic: after it resolves all its changes are there, after it rejects none is, except
 *   where it rejects with `outcome_unknown`: then the commit may or may not have happened and the caller
 *   finds out by reading (the store's sequence number says it).
 * - After it resolves the changes survive the end of the process, where `durable` is true.
 * - Transactions over a common store run one after the other in the order in which they were started;
 *   a transaction sees its own changes and all of those before it (serialisable).
 * - The body may wait only for what the transaction itself returns. Waiting for anything else lets
 *   IndexedDB commit early. It may run several times, after lost connections, and an earlier run may have
 *   been committed: it must not change anything outside before the transaction is over, and what it does
 *   twice must come to the same as once (the sequence number says what was done).
 * - Values are copied in and out; keys and values are what structured clone takes.
 * - Keys order as in IndexedDB: number < string < binary < array.
 */
export type StoreName = 'head' | 'collections' | 'rows' | 'vectors' | 'log' | 'snapshots';

export const STORE_NAMES: readonly StoreName[] = [
  'head',
  'collections',
  'rows',
  'vectors',
  'log',
  'snapshots',
];

export type SimpleKey = number | string | Uint8Array<ArrayBuffer>;
export type StorageKey = SimpleKey | readonly SimpleKey[];

/** All keys from `lower` to `upper`, both included unless told otherwise; `lower` is not above `upper`. */
export interface KeyRange {
  readonly lower: StorageKey;
  readonly upper: StorageKey | readonly (SimpleKey | readonly never[])[];
  readonly lowerOpen?: boolean;
}

export interface Entry {
  readonly key: StorageKey;
  readonly value: unknown;
}

export interface ReadTransaction {
  /** The value, or undefined. */
  get(store: StoreName, key: StorageKey): Promise<unknown>;
  /** Entries of a range in key order, at most `limit`. */
  scan(store: StoreName, range: KeyRange | null, limit?: number): Promise<readonly Entry[]>;
}

export interface WriteTransaction extends ReadTransaction {
  put(store: StoreName, key: StorageKey, value: unknown): void;
  delete(store: StoreName, key: StorageKey): void;
  deleteRange(store: StoreName, range: KeyRange): void;
}

export interface Storage {
  readonly kind: 'indexeddb' | 'memory';
  /** Whether what is written outlives the process. */
  readonly durable: boolean;
  read<T>(
    stores: readonly StoreName[],
    body: (transaction: ReadTransaction) => Promise<T>,
  ): Promise<T>;
  write<T>(
    stores: readonly StoreName[],
    body: (transaction: WriteTransaction) => Promise<T>,
  ): Promise<T>;
  /**
   * Resolves when so many bytes more would be taken, rejects with `storage_full` otherwise; nothing of
   * them stays. A storage that cannot be full, or cannot tell, has none.
   */
  probe?(bytes: number): Promise<void>;
  /**
   * Rewrites what copies the storage keeps of itself, so that nothing that was deleted is left in them;
   * resolves when that is done. A storage without copies has none.
   */
  scrub?(options: { readonly signal?: AbortSignal }): Promise<void>;
  /** Lets go of the storage; later calls reject with `closed`. */
  close(): void;
}

/** Every key of an array-keyed store that begins with `prefix`: arrays sort after all simple keys. */
export function under(...prefix: readonly SimpleKey[]): KeyRange {
  return { lower: prefix, upper: [...prefix, []] };
}
