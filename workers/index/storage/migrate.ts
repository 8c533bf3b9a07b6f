/**
 * From one format to the next, inside the `versionchange` transaction: whole or not at all. What a
 * migration throws aborts it, and the storage stays as it was. Work on many rows does not belong here.
 */
import { STORE_NAMES } from './storage.ts';

/** Version of the stores and of what lies in them; see docs/storage-format.md. */
export const FORMAT_VERSION = 2;

export interface UpgradeStep {
  readonly database: IDBDatabase;
  readonly transaction: IDBTransaction;
  /** 0: there was no database. */
  readonly from: number;
  readonly to: number;
}

/** Waits for requests of the step's transaction only. */
export type Upgrade = (step: UpgradeStep) => void | Promise<void>;

export const upgrade: Upgrade = ({ database, transaction, from }) => {
  for (const store of STORE_NAMES) {
    if (!database.objectStoreNames.contains(store)) database.createObjectStore(store);
  }
  if (from === 1) toVersion2(transaction);
};

/**
 * Version 2 reads the chunks of version 1 as they are. They are noted as untidy, so that vectors of dead
 * rows, which version 1 kept, go in the background. Saved graphs do not name their model and are made anew.
 */
function toVersion2(transaction: IDBTransaction): void {
  transaction.objectStore('snapshots').clear();
  replaceAll(transaction.objectStore('head'), (head) => ({ ...head, format: 2 }));
  replaceAll(transaction.objectStore('collections'), (collection) => {
    const { nextRow } = collection;
    return typeof nextRow === 'number' && nextRow > 0
      ? { ...collection, unswept: [[0, nextRow - 1]] }
      : collection;
  });
}

interface StoredObject {
  readonly [member: string]: unknown;
}

/** Puts what `change` makes of each object; what else lies there is left for opening to refuse. */
function replaceAll(store: IDBObjectStore, change: (value: StoredObject) => StoredObject): void {
  const request = store.openCursor();
  request.addEventListener('success', () => {
    const cursor = request.result;
    if (cursor === null) return;
    const value: unknown = cursor.value;
    if (typeof value === 'object' && value !== null) cursor.update(change(value as StoredObject));
    cursor.continue();
  });
}
