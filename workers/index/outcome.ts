/** What became of a change whose confirmation was lost with the connection. */
import { isWhorlError, WhorlError } from '../../src/shared/errors.ts';
import { type HeadRecord, type LogRecord, parseHead } from './records.ts';
import type { Storage } from './storage/storage.ts';
import type { Hold } from './store.ts';

/** Whether a failed write may be kept after all. */
export function isDoubtful(error: unknown): boolean {
  return isWhorlError(error) && ['storage_lost', 'outcome_unknown'].includes(error.code);
}

/**
 * The head where the writer's next change is there, null where it is not. The log says whose the entry
 * after the writer's sequence is, also when another tab has written since. Rejects where the storage
 * cannot be read, or where the log no longer reaches back so far.
 */
export function committedHead(storage: Storage, writer: Hold): Promise<HeadRecord | null> {
  return storage.read(['head', 'log'], async (tx) => {
    const head = parseHead(await tx.get('head', 'head'));
    if (head.sequence <= writer.sequence) return null;
    const entry = (await tx.get('log', writer.sequence + 1)) as LogRecord | undefined;
    if (entry === undefined) {
      throw new WhorlError('outcome_unknown', 'The log of the storage no longer says who wrote.');
    }
    return entry.epoch === writer.epoch ? head : null;
  });
}

/** The connection was lost, and a look at the storage showed that the change is not there. */
export function notKept(cause: unknown): WhorlError {
  return new WhorlError(
    'storage_lost',
    'The connection to the storage was lost. Nothing of this change was kept, what was confirmed before is; try again.',
    { cause, retryable: true },
  );
}
