/**
 * A storage that fails as IndexedDB does, at a chosen operation: the n-th request counted over all
 * transactions. What fails, fails once; a crash is for good.
 */
import { WhorlError } from '../../src/shared/errors.ts';
import { type MemoryDisk, MemoryStorage } from '../../workers/index/storage/memory-storage.ts';
import type {
  ReadTransaction,
  Storage,
  StoreName,
  WriteTransaction,
} from '../../workers/index/storage/storage.ts';

/**
 * - `refused`: the request fails and the transaction rolls back
 * - `quota`: the commit fails for want of room, all of it
 * - `gone`: the connection is lost, and lost again after it was reopened; nothing was committed
 * - `unknown`: the transaction commits, and then the connection is lost for good before it can say so
 * - `lost`: the connection is lost before the commit; the body runs again on a fresh one
 * - `lost_after`: the same, but the first commit had come through
 * - `delayed`: the answer comes after everything else that can go on has gone on
 * - `crash`: the process dies before the commit; no call is ever answered again
 * - `crash_after`: it dies after the commit, before the answer
 */
export const FAULT_KINDS = [
  'refused',
  'quota',
  'gone',
  'unknown',
  'lost',
  'lost_after',
  'delayed',
  'crash',
  'crash_after',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Kinds that nobody above the storage may notice. */
export const UNNOTICED: ReadonlySet<FaultKind> = new Set(['lost', 'lost_after', 'delayed']);
/** Kinds after which a call that failed may have changed something all the same. */
export const UNDECIDED: ReadonlySet<FaultKind> = new Set(['unknown']);

/** Turns of the event loop that a delayed answer waits. */
const DELAY_TURNS = 12;

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const never = new Promise<never>(() => {});

/** When the next fault strikes. One plan may be shared by several storages. */
export class FaultPlan {
  /** Requests since the plan was made. */
  count = 0;
  /** The kind that struck last; null while none has struck since {@link FaultPlan.arm}. */
  struck: FaultKind | null = null;
  #kind: FaultKind | null = null;
  #at = 0;

  /** The `after`-th request from now on (1: the next) is struck. */
  arm(kind: FaultKind, after: number): void {
    this.#kind = kind;
    this.#at = this.count + after;
    this.struck = null;
  }

  /** What has not struck by now does not strike any more. */
  disarm(): void {
    this.#kind = null;
  }

  /** Counts a request; the kind of fault that strikes it, or null. */
  step(): FaultKind | null {
    this.count += 1;
    if (this.#kind === null || this.count !== this.#at) return null;
    this.struck = this.#kind;
    this.#kind = null;
    return this.struck;
  }
}

/** Ends a transaction's body and rolls it back; never leaves this file. */
class Struck extends Error {
  readonly kind: FaultKind;

  constructor(kind: FaultKind) {
    super(kind);
    this.kind = kind;
  }
}

export class SimStorage implements Storage {
  readonly kind = 'memory';
  readonly durable = true;
  readonly #inner: MemoryStorage;
  readonly #plan: FaultPlan;
  readonly #onCrash: () => void;
  #dead = false;

  /** `onCrash` is called when the process "dies" by a fault. */
  constructor(disk: MemoryDisk, plan: FaultPlan, onCrash: () => void = () => {}) {
    this.#inner = new MemoryStorage(disk);
    this.#plan = plan;
    this.#onCrash = onCrash;
  }

  /** Whether its process ended, by a fault or by {@link SimStorage.die}. */
  get dead(): boolean {
    return this.#dead;
  }

  /** The process is gone: nothing of it is ever answered again. */
  die(): void {
    this.#dead = true;
  }

  read<T>(
    stores: readonly StoreName[],
    body: (transaction: ReadTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#run((run) => this.#inner.read(stores, run as typeof body), body, false);
  }

  write<T>(
    stores: readonly StoreName[],
    body: (transaction: WriteTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#run((run) => this.#inner.write(stores, run), body, true);
  }

  async #run<T>(
    transact: (body: (transaction: WriteTransaction) => Promise<T>) => Promise<T>,
    body: (transaction: WriteTransaction) => Promise<T>,
    writes: boolean,
  ): Promise<T> {
    if (this.#dead) return never;
    const faults: { late: FaultKind | null } = { late: null };
    let result: T;
    try {
      result = await transact((tx) => body(this.#counted(tx, writes, faults)));
    } catch (error) {
      if (this.#dead) return never;
      if (!(error instanceof Struck)) throw error;
      return this.#struck(error.kind, () => transact(body));
    }
    if (this.#dead) return never;
    if (faults.late === null) return result;
    return this.#struck(faults.late, () => transact(body));
  }

  /** What the caller gets of a transaction that was struck, rolled back or committed as the kind says. */
  #struck<T>(kind: FaultKind, again: () => Promise<T>): Promise<T> {
    switch (kind) {
      case 'lost':
      case 'lost_after':
        return again();
      case 'crash':
      case 'crash_after':
        this.#dead = true;
        this.#onCrash();
        return never;
      case 'quota':
        throw new WhorlError('storage_full', 'the disk is full', { retryable: true });
      case 'refused':
        throw new WhorlError('internal', 'the request was refused');
      case 'unknown':
        throw new WhorlError('outcome_unknown', 'the connection was lost at the commit');
      default:
        throw new WhorlError('storage_lost', 'the connection was lost', { retryable: true });
    }
  }

  /** Counts requests. What strikes late lets the body go on and takes effect at the commit. */
  #counted(
    tx: WriteTransaction,
    writes: boolean,
    faults: { late: FaultKind | null },
  ): WriteTransaction {
    const step = (): boolean => {
      if (this.#dead) throw new Struck('crash');
      const kind = this.#plan.step();
      if (kind === null) return false;
      if (kind === 'delayed') return true;
      const late = kind === 'unknown' || kind === 'lost_after' || kind === 'crash_after';
      if (!late || !writes) throw new Struck(late ? early(kind) : kind);
      faults.late = kind;
      return false;
    };
    const answered = async <V>(delayed: boolean, answer: Promise<V>): Promise<V> => {
      for (let i = 0; delayed && i < DELAY_TURNS; i++) await turn();
      return answer;
    };
    return {
      get: (store, key) => promised(() => answered(step(), tx.get(store, key))),
      scan: (store, range, limit) => promised(() => answered(step(), tx.scan(store, range, limit))),
      put: (store, key, value) => {
        step();
        tx.put(store, key, value);
      },
      delete: (store, key) => {
        step();
        tx.delete(store, key);
      },
      deleteRange: (store, range) => {
        step();
        tx.deleteRange(store, range);
      },
    };
  }

  close(): void {
    this.#inner.close();
  }
}

/** A transaction that only reads commits nothing: what comes after its commit comes before it as well. */
function early(kind: FaultKind): FaultKind {
  if (kind === 'lost_after') return 'lost';
  return kind === 'crash_after' ? 'crash' : 'gone';
}

async function promised<V>(work: () => Promise<V>): Promise<V> {
  return work();
}
