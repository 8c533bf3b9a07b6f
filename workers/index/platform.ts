/**
 * What a browser may deny to a worker: each of these throws, is absent, or rejects in a sandboxed frame,
 * in a frame of another site or with storage switched off. None of them is needed to work in memory.
 */
import type { StorageUsage } from '../../src/shared/types.ts';

/** The Web Locks, or null. Chromium has them in a sandboxed frame and rejects each request; others throw. */
export function browserLocks(from: { readonly locks?: LockManager }): LockManager | null {
  try {
    return from.locks ?? null;
  } catch {
    return null;
  }
}

/** A channel to the other tabs, or null: Firefox denies it where it denies storage. */
export function openChannel(name: string): BroadcastChannel | null {
  try {
    return new BroadcastChannel(name);
  } catch {
    return null;
  }
}

/** What the browser says of the space that this site takes and may take, or null. */
export async function estimateUsage(from: {
  readonly storage?: StorageManager;
}): Promise<StorageUsage | null> {
  try {
    const { usage, quota } = (await from.storage?.estimate()) ?? {};
    return usage === undefined || quota === undefined ? null : { bytes: usage, quota };
  } catch {
    return null;
  }
}
