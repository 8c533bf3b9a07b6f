/**
 * A database with its copy in OPFS.
 *
 * Contract. Everybody reads and writes through this; a number in the database counts what was changed. Who
 * takes the lead calls `attach` before anything else, and `detach` when the lead is lost: in between every
 * committed change goes to the mirror, once, in order, and what the database lost meanwhile is brought
 * back. One transaction that writes runs at a time. Its body may run several times; which run was committed
 * shows in the number that the next one finds.
 */
import { isWhorlError, WhorlError } from '../../../src/shared/errors.ts';
import type { ReadTransaction, Storage, StoreName, WriteTransaction } from '../storage/storage.ts';
import { Attachment, type AttachOptions } from './attachment.ts';
import type { Stamp } from './frame.ts';
import { IDENTITY_KEY, type IdentityRecord, parseIdentity } from './identity.ts';
import { Recording, RecordingTransaction } from './recording.ts';

export interface MirroredOptions extends AttachOptions {
  /** Opens the database, also again after the browser has deleted it. */
  readonly open: (onVanished: () => void) => Promise<Storage>;
  /** The database was replaced by one that has less, or may have: nothing cached of it holds. */
  readonly onReplaced: () => void;
}

/** Milliseconds until files that could not be read are tried again. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
const FINISH_MS = 2_000;

/** The database is not the one that this tab leads. Never leaves this file. */
class Replaced extends Error {
  override readonly name = 'Replaced';
}

export class MirroredStorage implements Storage {
  readonly kind: Storage['kind'];
  readonly durable: boolean;
  readonly probe?: (bytes: number) => Promise<void>;
  readonly #options: MirroredOptions;
  #inner: Storage;
  #vanished: boolean;
  #attachment: Attachment | null = null;
  /** Runs whose commit is not known. */
  #doubt: Recording[] = [];
  #tail: Promise<unknown> = Promise.resolve();
  #mending: Promise<boolean> | null = null;
  #cancelRetry: (() => void) | null = null;
  #retryMs = FIRST_RETRY_MS;

  private constructor(options: MirroredOptions, inner: Storage) {
    this.#options = options;
    this.#inner = inner;
    this.#vanished = false;
    this.kind = inner.kind;
    this.durable = inner.durable;
    if (inner.probe !== undefined) this.probe = (bytes) => this.#probe(bytes);
  }

  /** Rejects with what opening says. */
  static async open(options: MirroredOptions): Promise<MirroredStorage> {
    let storage: MirroredStorage | null = null;
    const inner = await options.open(() => storage?.vanished());
    storage = new MirroredStorage(options, inner);
    return storage;
  }

  /** The browser deleted the database under us; the next call opens another one. */
  vanished(): void {
    this.#vanished = true;
  }

  /** Sequence of the last change that is in the mirror, on the disk; null where none is. Absent: no mirror is kept. */
  get mirroredThrough(): number | null | undefined {
    return this.#options.copy ? (this.#attachment?.through?.sequence ?? null) : undefined;
  }

  /**
   * Takes over the mirror: compares it with the database, brings back what the database lost, and follows
   * from here on. The caller holds the lock. Rejects with what the database says, and with
   * `storage_too_new` where only a later version of this program can bring it back; never because of the
   * mirror, which the status tells of.
   */
  attach(): Promise<void> {
    return this.#alone(async () => {
      const before = this.#attachment;
      this.#attachment = null;
      await before?.release();
      await this.#take(null);
    });
  }

  async #take(live: Stamp | null): Promise<Attachment> {
    const { timer, onReplaced } = this.#options;
    const attachment = await Attachment.take(this.#options, this.#inner, this.#settled, live);
    this.#attachment = attachment;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    if (!attachment.unread) this.#retryMs = FIRST_RETRY_MS;
    else {
      this.#cancelRetry = timer(() => {
        // What comes back then comes under the eyes of whoever reads already.
        void this.attach().then(onReplaced, () => {});
      }, this.#retryMs);
      this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
    }
    return attachment;
  }

  /** Before closing: a mirror that is not begun yet is written, where that takes at most two seconds. */
  async finish(): Promise<void> {
    await this.#attachment?.finish(FINISH_MS);
  }

  /** Stops following; what was committed is on the disk when it resolves. */
  async detach(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    const attachment = await this.#alone(async () => {
      const before = this.#attachment;
      this.#attachment = null;
      await before?.release();
      return before;
    });
    await attachment?.ended();
  }

  /**
   * Rewrites the mirror from what is stored: nothing that was deleted is left in it afterwards. Rejects
   * with `not_leader`, `aborted`, or `storage_blocked` where another tab holds an old one.
   */
  async scrub(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#attachment === null) {
      throw new WhorlError('not_leader', 'Another tab writes to the mirror. Nothing was changed.', {
        retryable: true,
      });
    }
    await this.#attachment.rewrite(options.signal);
  }

  /** Removes marker and mirror; the next change begins them anew. For erasing all. */
  async wipe(): Promise<void> {
    await this.detach();
    const { files } = this.#options;
    for (const name of (await files?.list()) ?? []) await files?.remove(name);
  }

  async read<T>(
    stores: readonly StoreName[],
    body: (transaction: ReadTransaction) => Promise<T>,
  ): Promise<T> {
    const once = (): Promise<T> =>
      this.#inner.read(stores, async (tx) => {
        if (stores.includes('head')) {
          const record = await this.#recordOf(tx);
          this.#check(record);
          // Who asks what became of a change sees it: then it is in the mirror, too.
          this.#settle(record?.number ?? 0, true);
        }
        return body(tx);
      });
    await this.#mending?.catch(() => {});
    try {
      return await once();
    } catch (error) {
      if (!this.#gone(error)) throw error;
    }
    // A change of whom we lead may be bringing it back already.
    await this.#alone(() => this.#mendOnce());
    return once();
  }

  write<T>(
    stores: readonly StoreName[],
    body: (transaction: WriteTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#alone(async () => {
      try {
        return await this.#record(stores, body);
      } catch (error) {
        if (!this.#gone(error)) throw error;
      }
      if (!(await this.#mendOnce())) throw replacedError();
      return this.#record(stores, body);
    });
  }

  async #record<T>(
    stores: readonly StoreName[],
    body: (transaction: WriteTransaction) => Promise<T>,
  ): Promise<T> {
    const scope: readonly StoreName[] = stores.includes('head') ? stores : ['head', ...stores];
    let run: Recording | null = null;
    const result = await this.#inner.write(scope, async (tx) => {
      const record = await this.#recordOf(tx);
      this.#check(record);
      const number = record?.number ?? 0;
      this.#settle(number);
      const recording = new Recording(number + 1);
      this.#doubt.push(recording);
      run = recording;
      const value = await body(new RecordingTransaction(tx, recording));
      if (recording.touched) tx.put('head', IDENTITY_KEY, this.#next(record, recording));
      return value;
    });
    const committed = run as Recording | null;
    if (committed !== null) this.#settle(committed.number);
    return result;
  }

  async #recordOf(tx: ReadTransaction): Promise<IdentityRecord | null> {
    return parseIdentity(await tx.get('head', IDENTITY_KEY));
  }

  /** In the lead, the database must be the one that was taken over. */
  #check(record: IdentityRecord | null): void {
    if (this.#attachment !== null && !this.#attachment.knows(record)) throw new Replaced();
  }

  /** Runs up to this number were committed; others were not, or may still be, where one is under way. */
  #settle(number: number, mayCome = false): void {
    const doubt = this.#doubt;
    this.#doubt = mayCome ? doubt.filter((recording) => recording.number > number) : [];
    for (const recording of doubt) {
      if (recording.number <= number && recording.touched) this.#attachment?.push(recording);
    }
  }

  #next(record: IdentityRecord | null, { number }: Recording): IdentityRecord {
    const { origin, lineage } = this.#attachment?.identity ??
      record ?? { origin: this.#options.id(), lineage: this.#options.id() };
    return { origin, lineage, number };
  }

  /** Whether the database is no longer there, or is another one. */
  #gone(error: unknown): boolean {
    if (error instanceof Replaced) return true;
    return this.#vanished && isWhorlError(error) && error.code === 'storage_lost';
  }

  /** Brings the database back; whether it is all that it was. */
  async #mendOnce(): Promise<boolean> {
    const mending = this.#mend();
    this.#mending = mending;
    try {
      return await mending;
    } finally {
      this.#mending = null;
    }
  }

  async #mend(): Promise<boolean> {
    if (this.#vanished) {
      this.#inner.close();
      this.#vanished = false;
      this.#inner = await this.#options.open(() => this.vanished());
    }
    const before = this.#attachment;
    if (before === null) {
      this.#options.onReplaced();
      return false;
    }
    // What was in doubt was lost with the database, unless it is on the disk.
    this.#doubt = [];
    const { last } = before;
    await before.release();
    this.#attachment = null;
    const { whole } = await this.#take(last);
    if (!whole) this.#options.onReplaced();
    return whole;
  }

  async #probe(bytes: number): Promise<void> {
    await this.#inner.probe?.(bytes);
  }

  /** Runs work alone, after all writing before it. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => {});
    return result;
  }

  readonly #settled = <T>(work: () => Promise<T>): Promise<T> => this.#alone(work);

  close(): void {
    this.#inner.close();
  }
}

function replacedError(): WhorlError {
  return new WhorlError(
    'storage_lost',
    'The database was deleted while it was in use. This change was not made; `status.store` says what came back from the mirror. Look at what is there, then try again.',
    { retryable: true },
  );
}
