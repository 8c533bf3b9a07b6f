/** A storage that counts the bytes that are put into it: buffers and texts as they are, other values as JSON. */
import { type MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import type {
  ReadTransaction,
  Storage,
  StoreName,
  WriteTransaction,
} from '../../../workers/index/storage/storage.ts';

export class CountingStorage implements Storage {
  readonly kind = 'indexeddb';
  readonly durable = true;
  readonly #inner: MemoryStorage;
  /** Bytes put so far; a test may set it. */
  bytes = 0;

  constructor(disk: MemoryDisk) {
    this.#inner = new MemoryStorage(disk);
  }

  read<T>(
    stores: readonly StoreName[],
    body: (transaction: ReadTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#inner.read(stores, body);
  }

  write<T>(
    stores: readonly StoreName[],
    body: (transaction: WriteTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#inner.write(stores, (tx) =>
      body({
        get: (store, key) => tx.get(store, key),
        scan: (store, range, limit) => tx.scan(store, range, limit),
        delete: (store, key) => tx.delete(store, key),
        deleteRange: (store, range) => tx.deleteRange(store, range),
        put: (store, key, value) => {
          this.bytes += bytesOf(value);
          tx.put(store, key, value);
        },
      }),
    );
  }

  close(): void {
    this.#inner.close();
  }
}

function bytesOf(value: unknown): number {
  let binary = 0;
  const text = JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'bigint') return String(each);
    if (!(each instanceof ArrayBuffer) && !ArrayBuffer.isView(each)) return each;
    binary += each.byteLength;
    return null;
  });
  return text.length + binary;
}
