/** Work that no other tab of this origin does at the same time. */
import { abortedError } from './shared/errors.ts';

/** The Web Locks, or null where there are none to have: in frames that may keep nothing, so nothing is shared. */
function platformLocks(): LockManager | null {
  try {
    return (navigator as { readonly locks?: LockManager }).locks ?? null;
  } catch {
    return null;
  }
}

/**
 * Runs work while holding a lock of that name, for which all tabs of the origin wait in turn. The lock goes
 * with the tab. Rejects with `aborted` when the signal ends the waiting; work that has begun ends by itself.
 */
export async function alone<T>(
  name: string,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const locks = platformLocks();
  if (locks === null) return work();
  let begun = false;
  const held = (): Promise<T> => {
    begun = true;
    return work();
  };
  try {
    return await locks.request(name, signal ? { signal } : {}, held);
  } catch (error) {
    if (begun) throw error;
    if (signal?.aborted) throw abortedError(signal);
    // Chromium has locks in a sandboxed frame and refuses each: such a frame shares nothing with others.
    return work();
  }
}
