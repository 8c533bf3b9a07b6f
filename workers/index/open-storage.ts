/** The storage that a core runs on: what was asked for, or memory where the browser denies it. */
import { isWhorlError } from '../../src/shared/errors.ts';
import { MemoryStorage } from './storage/memory-storage.ts';
import type { Storage } from './storage/storage.ts';

export interface OpenedStorage {
  readonly storage: Storage;
  /** Why nothing outlives the page, where that is so. */
  readonly memoryOnly: string | null;
}

export type OpenStorage = (onRetired: () => void) => Promise<Storage>;

/** `open` null: memory was asked for. Rejects with what `open` says, except `storage_unavailable`. */
export async function openStorage(
  open: OpenStorage | null,
  onRetired: () => void,
): Promise<OpenedStorage> {
  if (open === null) {
    const memoryOnly = 'Memory was asked for; nothing outlives the page.';
    return { storage: new MemoryStorage(), memoryOnly };
  }
  try {
    return { storage: await open(onRetired), memoryOnly: null };
  } catch (error) {
    if (!isWhorlError(error) || error.code !== 'storage_unavailable') throw error;
    const memoryOnly = `${error.message} Collections live in memory and end with the page.`;
    return { storage: new MemoryStorage(), memoryOnly };
  }
}
