/** Opening the database, and what may stand in the way. */
import { WhorlError } from '../../../src/shared/errors.ts';
import {
  blockedError,
  silentError,
  storageError,
  upgradeError,
  vanishedError,
} from './idb-error.ts';
import { FORMAT_VERSION, type Upgrade, upgrade as upgradeStores } from './migrate.ts';

export { FORMAT_VERSION } from './migrate.ts';

/** After this long behind another tab's connection, opening is reported as blocked. */
const BLOCKED_MS = 1_000;
/** A browser that says nothing at all for so long is reported; below the 30 s that a call may take. */
const SILENT_MS = 20_000;

export interface OpenFacts {
  /** This opening made the database: there was none of the name. */
  readonly created: boolean;
  /** What the browser lost, in its own word: `none`, `total`. Only Chromium says; elsewhere `none`. */
  readonly dataLoss: string;
}

export interface OpenOrder {
  readonly name: string;
  readonly factory: IDBFactory | undefined;
  /** There was a database: where there is none now, none is made and opening rejects with {@link Vanished}. */
  readonly known: boolean;
  /** Another tab wants to upgrade or to delete the database; this connection is closed. */
  readonly onRetired: (deleted: boolean) => void;
  /** The browser ended the connection. */
  readonly onClosed: (database: IDBDatabase) => void;
  /** Default: the present format and its migrations. */
  readonly version?: number;
  readonly upgrade?: Upgrade;
}

/** The database was deleted under us. */
export class Vanished extends Error {
  override readonly name = 'Vanished';
  readonly why: WhorlError = vanishedError();
}

/** The database, opened; rejects with {@link Vanished}, with a WhorlError, or with what IndexedDB says. */
export async function openConnection(
  order: OpenOrder,
): Promise<{ readonly database: IDBDatabase; readonly facts: OpenFacts }> {
  const request = present(order.factory).open(order.name, order.version ?? FORMAT_VERSION);
  const upgrading = followUpgrade(request, order);
  try {
    const database = await settled(request);
    database.addEventListener('versionchange', (event) => {
      // Transactions that run already come to their end.
      database.close();
      order.onRetired(event.newVersion === null);
    });
    database.addEventListener('close', () => order.onClosed(database));
    return { database, facts: upgrading.facts };
  } catch (error) {
    throw upgrading.trouble ?? error;
  }
}

interface Upgrading {
  facts: OpenFacts;
  /** Why the upgrade was given up. The request itself only says AbortError. */
  trouble: unknown;
}

function followUpgrade(request: IDBOpenDBRequest, order: OpenOrder): Upgrading {
  const { version: to = FORMAT_VERSION, upgrade = upgradeStores } = order;
  const state: Upgrading = { facts: { created: false, dataLoss: 'none' }, trouble: null };
  request.addEventListener('upgradeneeded', (event) => {
    const { oldVersion: from, dataLoss = 'none' } = event as IDBVersionChangeEvent & {
      readonly dataLoss?: string;
    };
    const { result: database, transaction } = request;
    if (transaction === null) return;
    state.facts = { created: from === 0, dataLoss };
    const giveUp = (error: unknown): void => {
      state.trouble ??= error instanceof Vanished ? error : upgradeError(error, from, to);
      abort(transaction);
    };
    transaction.addEventListener('abort', () => {
      if (transaction.error !== null) state.trouble ??= upgradeError(transaction.error, from, to);
    });
    const run = async (): Promise<void> => {
      if (from === 0 && order.known) throw new Vanished();
      await upgrade({ database, transaction, from, to });
    };
    run().catch(giveUp);
  });
  return state;
}

function abort(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // It was over already; the request says how.
  }
}

function present(factory: IDBFactory | undefined): IDBFactory {
  if (factory !== undefined) return factory;
  throw new WhorlError('storage_unavailable', 'This page has no IndexedDB.');
}

/**
 * The opened database; `storage_blocked` a second after another tab turned out to hold an older one,
 * `storage_lost` where the browser says nothing at all. An upgrade that has begun is waited for.
 */
function settled(request: IDBOpenDBRequest): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    let late = false;
    const giveUp = (error: WhorlError): void => {
      late = true;
      reject(error);
    };
    const silent = setTimeout(() => giveUp(silentError()), SILENT_MS);
    let blocked: ReturnType<typeof setTimeout> | undefined;
    const answered = (): void => {
      clearTimeout(silent);
      clearTimeout(blocked);
    };
    request.addEventListener('blocked', () => {
      answered();
      blocked = setTimeout(() => giveUp(blockedError('open')), BLOCKED_MS);
    });
    request.addEventListener('upgradeneeded', answered);
    request.addEventListener('success', () => {
      answered();
      // Nobody waits any more: a connection left open would block the next one.
      if (late) request.result.close();
      else resolve(request.result);
    });
    request.addEventListener('error', () => {
      answered();
      reject(request.error);
    });
  });
}

/**
 * Deletes a database with all that is in it. Rejects with `storage_blocked` where another tab holds it
 * for more than a second (it is deleted when that tab lets go), else as opening does.
 */
export function deleteDatabase(name: string, factory = globalThis.indexedDB): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const request = present(factory).deleteDatabase(name);
    let blocked: ReturnType<typeof setTimeout> | undefined;
    request.addEventListener('blocked', () => {
      blocked = setTimeout(() => reject(blockedError('delete')), BLOCKED_MS);
    });
    request.addEventListener('success', () => {
      clearTimeout(blocked);
      resolve();
    });
    request.addEventListener('error', () => {
      clearTimeout(blocked);
      reject(request.error);
    });
  }).catch((error: unknown) => {
    throw storageError(error, 'open');
  });
}
