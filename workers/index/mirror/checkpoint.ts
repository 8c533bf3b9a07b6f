/**
 * A copy of all that is stored, page by page, while it goes on changing.
 *
 * Each page is a transaction of its own, so the pages together are no state that ever was. What was
 * committed meanwhile is written behind them as changes. Operations put and delete whole records and look
 * at nothing: whatever of them a page already had, after the last of these changes each key is as that
 * change left it, or as it was during all of the reading. So pages and changes together are the state
 * after the last change, and only then the log says `end`.
 */
import { throwIfAborted } from '../../../src/shared/errors.ts';
import { type KeyRange, STORE_NAMES, type Storage, type StoreName } from '../storage/storage.ts';
import { NO_STAMP } from './frame.ts';
import { IDENTITY_KEY } from './identity.ts';
import type { LogWriter } from './log-writer.ts';
import { isMirrored } from './operations.ts';
import { Recording } from './recording.ts';
import { ALL_KEYS } from './restore.ts';

/** Entries of one page: a chunk of vectors has up to 1 MiB. */
const CHUNKS_AT_ONCE = 4;
const ENTRIES_AT_ONCE = 256;

/** Writes the pages. Rejects with `aborted`, and with what storage and file say. */
export async function writePages(
  storage: Pick<Storage, 'read'>,
  log: LogWriter,
  signal: AbortSignal,
): Promise<void> {
  for (const store of STORE_NAMES) {
    if (isMirrored(store)) await writeStore(storage, log, store, signal);
  }
}

async function writeStore(
  storage: Pick<Storage, 'read'>,
  log: LogWriter,
  store: StoreName,
  signal: AbortSignal,
): Promise<void> {
  const atOnce = store === 'vectors' ? CHUNKS_AT_ONCE : ENTRIES_AT_ONCE;
  let rest: KeyRange = ALL_KEYS;
  for (;;) {
    throwIfAborted(signal);
    const range = rest;
    const entries = await storage.read([store], (tx) => tx.scan(store, range, atOnce));
    const page = new Recording(0);
    for (const { key, value } of entries) {
      // Of this database, not of what it holds.
      if (store !== 'head' || key !== IDENTITY_KEY) page.put(store, key, value);
    }
    if (page.refused !== null) throw new Error(page.refused);
    throwIfAborted(signal);
    if (page.touched) for (const part of page.parts()) log.page(NO_STAMP, part);
    const last = entries.at(-1);
    if (last === undefined || entries.length < atOnce) return;
    rest = { lower: last.key, upper: ALL_KEYS.upper, lowerOpen: true };
  }
}
