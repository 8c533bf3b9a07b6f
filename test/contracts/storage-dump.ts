/** Databases of former versions as JSON: read and written for tests of the storage format. */
import { STORE_NAMES, type Storage, type StoreName } from '../../workers/index/storage/storage.ts';

export type Dump = {
  readonly version: number;
  readonly stores: { readonly [store in StoreName]: readonly (readonly [unknown, unknown])[] };
};

/** Typed arrays, buffers and bigints as tagged JSON. */
function tag(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return { $bigint: String(value) };
  if (value instanceof ArrayBuffer) return { $buffer: [...new Uint8Array(value)] };
  if (value instanceof Uint8Array) return { $bytes: [...value] };
  if (value instanceof Uint32Array) return { $words: [...value] };
  if (value instanceof Float64Array) return { $doubles: [...value] };
  return value;
}

function untag(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('$bigint' in value) return BigInt(value.$bigint as string);
  if ('$buffer' in value) return Uint8Array.from(value.$buffer as number[]).buffer;
  if ('$bytes' in value) return Uint8Array.from(value.$bytes as number[]);
  if ('$words' in value) return Uint32Array.from(value.$words as number[]);
  if ('$doubles' in value) return Float64Array.from(value.$doubles as number[]);
  return value;
}

export async function dump(storage: Storage, version: number): Promise<string> {
  const stores: { [store: string]: unknown } = {};
  for (const store of STORE_NAMES) {
    const entries = await storage.read([store], (tx) => tx.scan(store, null));
    stores[store] = entries.map(({ key, value }) => [key, value]);
  }
  return JSON.stringify({ version, stores }, tag, 1);
}

export function parseDump(text: string): Dump {
  return JSON.parse(text, untag) as Dump;
}

/** Writes a dumped database with IndexedDB's own calls, as the version that dumped it would have. */
export function restore(name: string, { version, stores }: Dump): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version);
    request.onupgradeneeded = () => {
      for (const [store, entries] of Object.entries(stores)) {
        const made = request.result.createObjectStore(store);
        for (const [key, value] of entries) made.put(value, key as IDBValidKey);
      }
    };
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      request.result.close();
      resolve();
    };
  });
}
