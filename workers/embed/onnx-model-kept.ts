/**
 * Whole files between visits, under their own address: the bytes by their digest, and a note that says
 * which digest is the newest. What is read back may be anything: the reader verifies it.
 */
import type { AssetCache } from './asset-cache.ts';

/** What is remembered of a kept file. */
export interface Note {
  readonly bytes: number;
  readonly sha256: string;
  readonly version: Version;
}

/** What a server says of a file's version; across origins only what it exposes. */
export interface Version {
  readonly etag: string | null;
  readonly modified: string | null;
}

export function versionOf({ headers }: Response): Version {
  return { etag: headers.get('etag'), modified: headers.get('last-modified') };
}

// Keys are addresses; a parameter that no server gave keeps them apart from the file's own.
function key(url: string, what: string): string {
  const address = new URL(url);
  address.hash = '';
  address.searchParams.set('whorl', what);
  return address.href;
}

function bytesKey(url: string, note: Note): string {
  return key(url, note.sha256);
}

export async function readNote(cache: AssetCache | null, url: string): Promise<Note | null> {
  const bytes = await cache?.get(key(url, 'note')).catch(() => null);
  if (!bytes) return null;
  try {
    return noteOf(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return null;
  }
}

/** What was stored may be anything by now. */
function noteOf(raw: unknown): Note | null {
  if (typeof raw !== 'object' || raw === null) return null;
  const { bytes, sha256: digest, version } = raw as Record<string, unknown>;
  if (!Number.isSafeInteger(bytes) || typeof digest !== 'string') return null;
  if (!/^[0-9a-f]{64}$/.test(digest)) return null;
  const { etag, modified } = (version ?? {}) as Record<string, unknown>;
  return {
    bytes: bytes as number,
    sha256: digest,
    version: {
      etag: typeof etag === 'string' ? etag : null,
      modified: typeof modified === 'string' ? modified : null,
    },
  };
}

/** Keeps a file in the place of its former version. @returns why that failed, or null. */
export async function keep(
  cache: AssetCache | null,
  url: string,
  bytes: Uint8Array<ArrayBuffer>,
  note: Note,
): Promise<string | null> {
  if (!cache) return 'the page has no cache storage';
  try {
    const former = await readNote(cache, url);
    if (former && former.sha256 !== note.sha256) await cache.delete(bytesKey(url, former));
    await cache.put(bytesKey(url, note), bytes);
    // Last: a note promises that the bytes are there.
    await cache.put(key(url, 'note'), new TextEncoder().encode(JSON.stringify(note)));
    return null;
  } catch (error) {
    const { name, message } = error as Error;
    return name === 'QuotaExceededError'
      ? 'its storage is full'
      : `its storage refused: ${message}`;
  }
}

/** The kept bytes of a note, not yet verified; null where there are none. */
export async function readBytes(
  cache: AssetCache,
  url: string,
  note: Note,
): Promise<Uint8Array<ArrayBuffer> | null> {
  return cache.get(bytesKey(url, note)).catch(() => null);
}
