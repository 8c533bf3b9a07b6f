/** Runs in a page: a database read and written with IndexedDB's own calls, past the engine. */

export type RawEntry = readonly [key: IDBValidKey, value: unknown];

function opened(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** The entries of a store. */
export async function readStore(name: string, store: string): Promise<readonly RawEntry[]> {
  const database = await opened(name);
  try {
    return await new Promise((resolve, reject) => {
      const entries: RawEntry[] = [];
      const cursor = database.transaction(store).objectStore(store).openCursor();
      cursor.onerror = () => reject(cursor.error);
      cursor.onsuccess = () => {
        if (cursor.result === null) return resolve(entries);
        entries.push([cursor.result.key, cursor.result.value]);
        cursor.result.continue();
      };
    });
  } finally {
    database.close();
  }
}

/** Makes these the only entries of a store. */
export async function replaceStore(
  name: string,
  store: string,
  entries: readonly RawEntry[],
): Promise<void> {
  const database = await opened(name);
  try {
    await new Promise<void>((resolve, reject) => {
      const transaction = database.transaction(store, 'readwrite');
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      const all = transaction.objectStore(store);
      all.clear();
      for (const [key, value] of entries) all.put(value, key);
    });
  } finally {
    database.close();
  }
}
