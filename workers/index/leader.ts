/**
 * Who may write. One tab of an origin holds a lock on the database's name; it also counts up the epoch
 * in the storage, and every writing transaction checks that epoch, so that a tab that lost the lock
 * without noticing (frozen, or the lock was stolen) cannot write over its successor.
 */
export interface LockHold {
  release(): void;
  /** Resolves when the lock was taken away; never after {@link LockHold.release}. */
  readonly lost: Promise<void>;
}

export interface AcquireOptions {
  readonly wait: boolean;
  /** Takes the lock from whoever has it, before all who wait. */
  readonly steal?: boolean;
  readonly signal: AbortSignal;
}

/** What the core needs of a lock; in a browser {@link webLock}. */
export interface LeaderLock {
  /**
   * The lock, or null when `wait` is false and someone else has it. With `wait` it resolves when the
   * lock is free, and rejects when the signal aborts.
   */
  acquire(name: string, options: AcquireOptions): Promise<LockHold | null>;
}

/** The Web Locks API as a {@link LeaderLock}. A tab or worker that dies lets go of it at once. */
export function webLock(locks: LockManager): LeaderLock {
  return {
    acquire: (name, options) =>
      new Promise<LockHold | null>((resolve, reject) => {
        let taken = (): void => {};
        let isOurs = true;
        const lost = new Promise<void>((settle) => {
          taken = settle;
        });
        const hold = (lock: Lock | null): Promise<void> | undefined => {
          if (lock === null) {
            resolve(null);
            return undefined;
          }
          return new Promise<void>((settle) => {
            const release = (): void => {
              isOurs = false;
              settle();
            };
            resolve({ release, lost });
          });
        };
        // The request rejects when the signal aborts it, and when a held lock is stolen.
        locks.request(name, requestOf(options), hold).catch((error: unknown) => {
          if (isOurs) taken();
          reject(error);
        });
      }),
  };
}

/** A signal may stand beside neither `ifAvailable` nor `steal`: both are answered at once. */
function requestOf({ wait, steal, signal }: AcquireOptions): LockOptions {
  if (steal === true) return { steal: true };
  return wait ? { signal } : { ifAvailable: true };
}
