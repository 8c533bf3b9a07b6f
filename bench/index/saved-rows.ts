/** Vectors in IndexedDB as the store keeps them, in chunks of rows: what an index is opened from. */
const DATABASE = 'bench-index';
const CHUNKS = 'chunks';
/** Rows a chunk, so that 384 dimensions make 6 MiB. */
const CHUNK_ROWS = 4096;

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(CHUNKS);
  return settled(request);
}

/** Keeps the rows for a later page. */
export async function saveRows(rows: Float32Array, dimension: number): Promise<void> {
  const database = await open();
  const step = CHUNK_ROWS * dimension;
  for (let from = 0; from < rows.length; from += step) {
    const store = database.transaction(CHUNKS, 'readwrite').objectStore(CHUNKS);
    await settled(store.put(rows.slice(from, from + step).buffer, from / step));
  }
  database.close();
}

/** Hands over the rows that were kept, chunk by chunk. */
export async function eachChunk(take: (rows: Float32Array) => void): Promise<void> {
  const database = await open();
  const store = database.transaction(CHUNKS).objectStore(CHUNKS);
  const count = await settled(store.count());
  const chunks = Array.from({ length: count }, (_, key) => settled(store.get(key)));
  for (const chunk of chunks) take(new Float32Array((await chunk) as ArrayBuffer));
  database.close();
}
