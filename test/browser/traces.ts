/** Looks for traces of a record in everything that an origin keeps of an engine: databases, files, caches, exports. */
import { unzipSync } from 'fflate';

/** What is looked for, by what it is called in the report. */
export type Needles = ReadonlyMap<string, Uint8Array>;

/** A text as bytes: UTF-8, and UTF-16 of both byte orders. */
export function textNeedles(name: string, text: string): Needles {
  const utf16 = new Uint16Array(Array.from(text, (_, i) => text.charCodeAt(i)));
  const little = new Uint8Array(utf16.buffer);
  const big = little.slice();
  for (let i = 0; i < big.length; i += 2) [big[i], big[i + 1]] = [big[i + 1] ?? 0, big[i] ?? 0];
  return new Map([
    [`${name} UTF-8`, new TextEncoder().encode(text)],
    [`${name} UTF-16LE`, little],
    [`${name} UTF-16BE`, big],
  ]);
}

export function vectorNeedle(name: string, vector: Float32Array): Needles {
  return new Map([[name, new Uint8Array(vector.slice().buffer)]]);
}

/** Databases and folders whose names hold the engine's: tests beside this one keep theirs. */
export async function placesOf(engine: string): Promise<string[]> {
  const databases = (await indexedDB.databases()).map(({ name }) => name ?? '');
  const files: string[] = [];
  await scanFolder(await navigator.storage.getDirectory(), '', (place) => files.push(place));
  return [...databases, ...files].filter((place) => place.includes(engine));
}

/** `place: needle` of everything that was found, sorted, without repeats. `engine`: its name. */
export async function findTraces(
  engine: string,
  needles: Needles,
  exported: Blob | null,
): Promise<string[]> {
  const found = new Set<string>();
  const see = (place: string, bytes: Uint8Array): void => {
    for (const [name, needle] of needles)
      if (includes(bytes, needle)) found.add(`${place}: ${name}`);
  };
  await scanDatabases(engine, see);
  await scanFolder(await navigator.storage.getDirectory(), '', (place, bytes) => {
    if (place.includes(engine)) see('file', bytes);
  });
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const response of await cache.matchAll()) {
      see(`cache ${name}`, new Uint8Array(await response.arrayBuffer()));
    }
  }
  for (const [name, store] of Object.entries({ localStorage, sessionStorage })) {
    see(name, new TextEncoder().encode(JSON.stringify(store)));
  }
  if (exported !== null) {
    const bytes = new Uint8Array(await exported.arrayBuffer());
    see('export', bytes);
    for (const entry of Object.values(unzipSync(bytes))) see('export', entry);
  }
  return [...found].sort();
}

type See = (place: string, bytes: Uint8Array) => void;

async function scanDatabases(engine: string, see: See): Promise<void> {
  for (const { name } of await indexedDB.databases()) {
    if (name === undefined || !name.includes(engine)) continue;
    const database = await settled(indexedDB.open(name));
    for (const store of database.objectStoreNames) {
      const place = `database ${store}`;
      const source = database.transaction(store).objectStore(store);
      const [keys, values] = await Promise.all([
        settled(source.getAllKeys()),
        settled(source.getAll()),
      ]);
      for (const value of [...keys, ...values])
        await scanValue(value, (bytes) => see(place, bytes));
    }
    database.close();
  }
}

/** Every text (in both encodings) and every run of bytes of a structured value. */
async function scanValue(value: unknown, see: (bytes: Uint8Array) => void): Promise<void> {
  if (typeof value === 'string') {
    for (const bytes of textNeedles('', value).values()) see(bytes);
  } else if (value instanceof Blob) see(new Uint8Array(await value.arrayBuffer()));
  else if (value instanceof ArrayBuffer) see(new Uint8Array(value));
  else if (ArrayBuffer.isView(value)) {
    see(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, each] of Object.entries(value)) {
      await scanValue(key, see);
      await scanValue(each, see);
    }
  }
}

async function scanFolder(
  folder: FileSystemDirectoryHandle,
  path: string,
  see: See,
): Promise<void> {
  for await (const [name, handle] of folder.entries()) {
    const place = `${path}/${name}`;
    if (handle.kind === 'directory') {
      await scanFolder(handle as FileSystemDirectoryHandle, place, see);
      continue;
    }
    // One that is being replaced by a new one may be gone.
    const file = await (handle as FileSystemFileHandle).getFile().catch(() => null);
    if (file !== null) see(place, new Uint8Array(await file.arrayBuffer()));
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function includes(bytes: Uint8Array, needle: Uint8Array): boolean {
  const [first = 0] = needle;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (at + needle.length > bytes.length) return false;
    let same = 1;
    while (same < needle.length && bytes[at + same] === needle[same]) same += 1;
    if (same === needle.length) return true;
  }
  return false;
}
