/** What a mirror can do for a database that cannot be opened. */
import type { StoreMode } from '../../../src/shared/types.ts';
import type { Storage } from '../storage/storage.ts';
import type { MirrorFiles } from './files.ts';
import { type FoundLog, followLog } from './log-reader.ts';
import { restoreAll } from './restore.ts';
import { survey } from './survey.ts';
import { inMemoryWords } from './words.ts';

/** The log, read from its first byte to its last and found sound, or null where there is none that helps. */
export async function readableLog(files: MirrorFiles, format: number): Promise<FoundLog | null> {
  try {
    const { log } = await survey(files, format);
    const place = log === null ? null : await followLog(files, log.name, null);
    return log === null || place === null || place.last.sequence === 0
      ? null
      : { ...log, ...place };
  } catch {
    // Files that are denied, too: there is nothing to be had from them.
    return null;
  }
}

/** Fills a storage from a log; resolves with what the status has to say of it. */
export async function restoreInto(
  storage: Storage,
  files: MirrorFiles,
  log: FoundLog,
): Promise<readonly (readonly [StoreMode, string])[]> {
  const restored = await restoreAll(storage, { files, log }, () => 0);
  return restored === null ? [] : [['restored', inMemoryWords(restored.log.last)]];
}
