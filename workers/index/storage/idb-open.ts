/** Opening the database, and what may stand in the way. */
import { type IDBPDatabase, wrap } from 'idb';
import { WhorlError } from '../../../src/shared/errors.ts';
import { storageError } from './idb-error.ts';
import { STORE_NAMES } from './storage.ts';

/** Version of the stores and of what lies in them; see docs/storage-format.md. */
export const FORMAT_VERSION = 1;

/** After this long behind another tab's connection, opening is reported as blocked. */
const BLOCKED_MS = 1_000;

export interface ConnectionEvents {
  /** Another tab upgraded or deleted the database; this connection is closed. */
  readonly retired: () => void;
  /** The browser ended the connection. */
  readonly lost: () => void;
}

export async function openConnection(
  name: string,
  factory: IDBFactory | undefined,
  events: ConnectionEvents,
): Promise<IDBPDatabase> {
  if (factory === undefined) {
    throw new WhorlError('storage_unavailable', 'This page has no IndexedDB.');
  }
  try {
    const request = factory.open(name, FORMAT_VERSION);
    request.addEventListener('upgradeneeded', () => {
      for (const store of STORE_NAMES) request.result.createObjectStore(store);
    });
    const database = await unblocked(request);
    database.addEventListener('versionchange', () => {
      database.close();
      events.retired();
    });
    database.addEventListener('close', () => events.lost());
    return wrap(database);
  } catch (error) {
    throw storageError(error, 'open');
  }
}

/** The opened database, or `storage_blocked` a second after another tab turned out to hold it. */
function unblocked(request: IDBOpenDBRequest): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let late = false;
    request.addEventListener('blocked', () => {
      timer = setTimeout(() => {
        late = true;
        reject(blockedError());
      }, BLOCKED_MS);
    });
    request.addEventListener('success', () => {
      clearTimeout(timer);
      // Nobody waits any more: a connection left open would block the next one.
      if (late) request.result.close();
      else resolve(request.result);
    });
    request.addEventListener('error', () => {
      clearTimeout(timer);
      reject(request.error);
    });
  });
}

function blockedError(): WhorlError {
  return new WhorlError(
    'storage_blocked',
    'Another tab holds an older version of the storage open. Nothing was changed; close the other tabs of this site, then try again.',
    { retryable: true },
  );
}
