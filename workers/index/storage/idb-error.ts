/** What IndexedDB throws, as typed errors that say what is kept. */
import { isWhorlError, WhorlError } from '../../../src/shared/errors.ts';

function nameOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'name' in error ? String(error.name) : '';
}

/**
 * True when the connection, not the request, was at fault. Chromium and Firefox give InvalidStateError
 * on a connection that was closed under us and AbortError to what was running; WebKit says UnknownError
 * ("Connection to Indexed Database server lost").
 */
export function isLostConnection(error: unknown): boolean {
  return ['InvalidStateError', 'UnknownError', 'AbortError'].includes(nameOf(error));
}

/**
 * `when`: opening the database, or a transaction on it. What a transaction's body threw of its own is
 * no matter of the storage and stays what it is.
 */
export function storageError(error: unknown, when: 'open' | 'use' = 'use'): unknown {
  if (isWhorlError(error) || !(error instanceof DOMException)) return error;
  const name = nameOf(error);
  const cause = { cause: error };
  if (name === 'QuotaExceededError') {
    return new WhorlError(
      'storage_full',
      'The storage of this site is full. Nothing of this change was kept, all earlier ones are; reading goes on. Free space, then try again.',
      { ...cause, retryable: true },
    );
  }
  if (name === 'VersionError') {
    return new WhorlError(
      'storage_too_new',
      'The storage was written by a later version of this program. Nothing was changed; reload to get that version.',
      cause,
    );
  }
  if (when === 'open' && ['SecurityError', 'UnknownError', 'NotAllowedError'].includes(name)) {
    return new WhorlError(
      'storage_unavailable',
      `The browser denies storage: ${String(error)}.`,
      cause,
    );
  }
  if (isLostConnection(error)) {
    return new WhorlError(
      'storage_lost',
      'The connection to the storage was lost, and once more after it was reopened. What was confirmed before is kept; whether this change was kept shows when it is read again.',
      { ...cause, retryable: true },
    );
  }
  return new WhorlError('internal', `The storage failed: ${String(error)}.`, cause);
}
