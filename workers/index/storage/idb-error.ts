/** What IndexedDB throws, as typed errors that say what is kept. */
import { isWhorlError, WhorlError } from '../../../src/shared/errors.ts';

/** What was being done: opening the database, reading, or writing. */
export type Doing = 'open' | 'readonly' | 'readwrite';

function nameOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'name' in error ? String(error.name) : '';
}

/**
 * True when the connection, not the request, was at fault. Chromium and Firefox give InvalidStateError
 * on a connection that was closed under us and AbortError to what was running; WebKit says UnknownError
 * ("Connection to Indexed Database server lost"). An abort of our own, or by a full disk, is reported by
 * its own reason and never comes here as AbortError.
 */
export function isLostConnection(error: unknown): boolean {
  if (isWhorlError(error)) return false;
  return ['InvalidStateError', 'UnknownError', 'AbortError', 'TimeoutError'].includes(
    nameOf(error),
  );
}

/** Chromium tells a denial by its text only: UnknownError, "The user denied permission to access the database." */
function isDenial(error: unknown): boolean {
  if (['SecurityError', 'NotAllowedError'].includes(nameOf(error))) return true;
  return nameOf(error) === 'UnknownError' && /denied permission/i.test(String(error));
}

/** An UnknownError of WebKit that says that the server went, not that the files cannot be opened. */
function isServerLost(error: unknown): boolean {
  return /server lost|connection .*(lost|closed)/i.test(String(error));
}

/** True where trying again soon may end otherwise. */
export function mayPass(error: unknown): boolean {
  return isLostConnection(error) && !isDenial(error);
}

/**
 * What IndexedDB threw, typed. What a transaction's body threw of its own is no matter of the storage
 * and stays what it is.
 */
export function storageError(error: unknown, doing: Doing): unknown {
  if (isWhorlError(error) || !(error instanceof DOMException)) return error;
  const name = nameOf(error);
  if (name === 'QuotaExceededError') return fullError(error);
  if (name === 'VersionError') return tooNewError(error);
  if (isDenial(error)) return unavailableError('The browser denies storage', error);
  if (doing === 'open' && name === 'UnknownError' && !isServerLost(error)) {
    return unavailableError('The browser cannot open the storage of this site', error);
  }
  if (isLostConnection(error)) return lostError(error, doing);
  return new WhorlError('internal', `The storage failed: ${String(error)}.`, { cause: error });
}

function fullError(cause: unknown): WhorlError {
  return new WhorlError(
    'storage_full',
    'The storage of this site is full. Nothing of this change was kept, all earlier ones are; reading goes on. Free space, then try again.',
    { cause, retryable: true },
  );
}

function tooNewError(cause: unknown): WhorlError {
  return new WhorlError(
    'storage_too_new',
    'The storage was written by a later version of this program. Nothing was changed; reload to get that version.',
    { cause },
  );
}

function unavailableError(what: string, cause: unknown): WhorlError {
  return new WhorlError('storage_unavailable', `${what}: ${String(cause)}.`, { cause });
}

const LOST: { readonly [doing in Doing]: string } = {
  open: 'The storage could not be opened: the browser ended the connection each time. Nothing was changed; try again, or reload the page.',
  readonly:
    'The connection to the storage was lost, and again after it was reopened. What was confirmed before is kept; read again.',
  readwrite:
    'The connection to the storage was lost, and again after it was reopened. Nothing of this change was kept, what was confirmed before is; try again.',
};

function lostError(cause: unknown, doing: Doing): WhorlError {
  return new WhorlError('storage_lost', LOST[doing], { cause, retryable: true });
}

/** The connection was lost during a commit, and what was made of it could not be read. */
export function unknownOutcome(cause: unknown): WhorlError {
  return new WhorlError(
    'outcome_unknown',
    'The connection to the storage was lost while this change was being confirmed: it is kept whole or not at all, and reading it again shows which. What was confirmed before is kept.',
    { cause },
  );
}

/** Chromium's `clear site data`, a wiped profile: a database that was open is gone. */
export function vanishedError(): WhorlError {
  return new WhorlError(
    'storage_lost',
    'The browser deleted the storage while it was in use: what was kept in it is gone from it. Nothing new was written; reload this page.',
  );
}

/** The database was closed for another tab. */
export function retiredError(deleted: boolean): WhorlError {
  return new WhorlError(
    'storage_lost',
    deleted
      ? 'Another tab deleted the storage, so this one let go of it. Reload this page to begin anew.'
      : 'Another tab upgraded the storage, so this one let go of it. What was saved is kept; reload this page.',
  );
}

export function blockedError(what: 'open' | 'delete'): WhorlError {
  return new WhorlError(
    'storage_blocked',
    what === 'open'
      ? 'Another tab holds an older version of the storage open. Nothing was changed; close the other tabs of this site, then try again.'
      : 'Another tab holds the storage open. It is deleted as soon as that tab lets go; close the other tabs of this site.',
    { retryable: true },
  );
}

export function silentError(): WhorlError {
  return new WhorlError(
    'storage_lost',
    'The browser did not answer when the storage was opened. Nothing was changed; try again, or restart the browser.',
    { retryable: true },
  );
}

/** A migration that did not come to its end; the storage stays as it was. */
export function upgradeError(error: unknown, from: number, to: number): unknown {
  if (isWhorlError(error) || isLostConnection(error)) return error;
  if (nameOf(error) === 'QuotaExceededError') return fullError(error);
  return new WhorlError(
    'internal',
    `The storage could not be brought from format ${from} to ${to}: ${String(error)}. It was left as it was, with all records; reload the page, or go back to the former version.`,
    { cause: error },
  );
}
