/**
 * The collections of one database and this tab's right to change them.
 *
 * Contract. Work inside `write` and `exclusive` runs one piece at a time; commits happen only there, and
 * so do the reads that fill caches, so that a cache is filled from one state and followed from there.
 * A leader's caches follow its own commits. A follower looks at the sequence before each read and drops
 * the caches of what changed; a view that is overtaken while it reads ends in `StaleView` and is made
 * again. After a commit whose outcome is unknown the leader, too, reads its state again, and so it does
 * when it has not looked for a second: a tab that was frozen hears late that another one leads.
 */
import { isWhorlError, milvusError, WhorlError } from '../../src/shared/errors.ts';
import { Collection } from './collection.ts';
import type { Clock } from './endpoints.ts';
import { committedHead, isDoubtful, notKept } from './outcome.ts';
import type { QuotaGate } from './quota.ts';
import type { CollectionRecord, HeadRecord } from './records.ts';
import type { RowTable } from './rows.ts';
import { type Change, notLeader, StaleView, type Store } from './store.ts';
import type { VectorField } from './vector-field.ts';

/** A reader that is overtaken so often in a row gives up. */
const MAX_ATTEMPTS = 16;
/** A follower reads everything again each time, and can ask the leader instead. */
const FOLLOWER_ATTEMPTS = 3;
/** A leader is replaced after two seconds of silence: what it saw a second ago is still so. */
const TRUST_MS = 1_000;

type LedgerParts = readonly [store: Store, clock: Clock, onDemoted: () => void, quota: QuotaGate];

export class Ledger {
  readonly store: Store;
  readonly quota: QuotaGate;
  readonly #clock: Clock;
  readonly #onDemoted: () => void;
  #head: HeadRecord;
  #role: 'leader' | 'follower' = 'follower';
  #inDoubt = false;
  /** When the storage was last seen to be as we know it, by the monotonic clock. */
  #looked = Number.NEGATIVE_INFINITY;
  #closed = false;
  #tail: Promise<unknown> = Promise.resolve();
  #byName = new Map<string, Collection>();

  private constructor(head: HeadRecord, ...[store, clock, onDemoted, quota]: LedgerParts) {
    this.store = store;
    this.quota = quota;
    this.#head = head;
    this.#clock = clock;
    this.#onDemoted = onDemoted;
  }

  /** Reads what is there, as a follower. */
  static async open(...parts: LedgerParts): Promise<Ledger> {
    const [store] = parts;
    const ledger = new Ledger(await store.head(), ...parts);
    await ledger.exclusive(() => ledger.#refresh(true));
    return ledger;
  }

  get role(): 'leader' | 'follower' {
    return this.#role;
  }

  get head(): HeadRecord {
    return this.#head;
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Collections by name, in the order of their creation. */
  get collections(): readonly Collection[] {
    return [...this.#byName.values()].sort((a, b) => a.record.id - b.record.id);
  }

  find(name: string): Collection | undefined {
    return this.#byName.get(name);
  }

  /** The collection, or Milvus error 100. */
  require(name: string): Collection {
    const found = this.#byName.get(name);
    if (found === undefined) {
      throw milvusError(100, `collection not found[database=default][collection=${name}]`);
    }
    return found;
  }

  /** Becomes the one who writes; everyone else's epoch is old from here on. */
  async lead(): Promise<void> {
    await this.exclusive(async () => {
      const { epoch } = await this.store.claim();
      await this.#refresh(false);
      // Someone may have claimed it after us, by a stolen lock.
      if (this.#head.epoch === epoch) this.#role = 'leader';
    });
  }

  /** Stops writing: the lock is gone. */
  demote(): void {
    if (this.#role === 'follower') return;
    this.#role = 'follower';
    this.#onDemoted();
  }

  /** The storage was replaced: the next operation reads it anew, whatever is cached. */
  distrust(): void {
    this.#inDoubt = true;
  }

  /** Runs work alone, after all that was queued before. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(() => {
      if (this.#closed) throw new WhorlError('closed', 'The store was closed.');
      return work();
    });
    this.#tail = result.catch(() => {});
    return result;
  }

  requireLeader(): void {
    if (this.#role !== 'leader') throw notLeader();
  }

  /** Whether the storage may be ahead of what we know. */
  get #isDated(): boolean {
    const sinceMs = this.#clock.monotonic() - this.#looked;
    return this.#inDoubt || this.#role === 'follower' || sinceMs > TRUST_MS;
  }

  /** Runs a change alone; rejects with `not_leader` in a follower. */
  write<T>(work: () => Promise<T>): Promise<T> {
    this.requireLeader();
    return this.exclusive(async () => {
      for (let attempt = 1; ; attempt++) {
        if (this.#isDated) await this.#refresh(false);
        this.requireLeader();
        const { sequence } = this.#head;
        try {
          const result = await work();
          // What found nothing to change has found it in what we know: no commit has checked that.
          if (this.#head.sequence === sequence) await this.#requireCurrent();
          return result;
        } catch (error) {
          // The storage is ahead of us: someone took over, or a commit of ours was in doubt. Nothing
          // was committed by this attempt, for a commit checks the sequence.
          if (!(error instanceof StaleView)) throw error;
          if (attempt === MAX_ATTEMPTS) throw overtaken(error);
          this.#inDoubt = true;
        }
      }
    });
  }

  async #requireCurrent(): Promise<void> {
    const looked = this.#clock.monotonic();
    const { epoch, sequence } = await this.store.head();
    if (epoch !== this.#head.epoch || sequence !== this.#head.sequence) throw new StaleView();
    this.#looked = looked;
  }

  /** Commits one change; only inside {@link write}. */
  async commit(change: Omit<Change, 'at'>): Promise<void> {
    this.quota.admit(change.kind);
    const began = this.#clock.monotonic();
    try {
      this.#head = await this.store.commit(this.#head, { ...change, at: this.#clock.now() });
    } catch (error) {
      // Whether it is there is not known: the next operation reads it.
      this.#inDoubt = true;
      if (isWhorlError(error) && error.code === 'not_leader') this.demote();
      this.quota.failed(error, change);
      await this.#settle(error);
    }
    this.#looked = began;
    this.quota.committed(change.kind);
    this.#register(change);
  }

  /** Resolves where a change is kept although its commit failed; rejects with what is known of it. */
  async #settle(error: unknown): Promise<void> {
    if (!isDoubtful(error)) throw error;
    const head = await committedHead(this.store.storage, this.#head).catch(() => {
      throw error;
    });
    if (head === null) throw notKept(error);
    if (head.epoch !== this.#head.epoch) return this.demote();
    this.#head = head;
    this.#inDoubt = false;
  }

  #register({ collection, record, staged, also = [] }: Omit<Change, 'at'>): void {
    for (const each of also) this.#follow(each.collection, each.record);
    if (staged !== true) this.#follow(collection, record);
  }

  #follow(id: number, record: CollectionRecord | null): void {
    const known = this.collections.find((each) => each.record.id === id);
    if (record === null) {
      known?.drop();
      if (known !== undefined) this.#byName.delete(known.name);
    } else if (known === undefined) {
      this.#byName.set(record.spec.name, new Collection(record));
    } else known.advance(record);
  }

  /** Reads in one consistent state; a follower's state is at least as new as the call. */
  async view<T>(read: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      if (this.#isDated) await this.exclusive(() => this.#refresh(false));
      try {
        return await read();
      } catch (error) {
        if (!(error instanceof StaleView)) throw error;
        const isLeader = this.#role === 'leader';
        if (attempt >= (isLeader ? MAX_ATTEMPTS : FOLLOWER_ATTEMPTS)) throw overtaken(error);
        if (isLeader) this.#inDoubt = true;
      }
    }
  }

  /** The rows of a collection, read if need be. */
  rows(collection: Collection): Promise<RowTable> {
    if (collection.rows !== null) return Promise.resolve(collection.rows);
    return this.exclusive(() => collection.openRows(this.store, this.#head.sequence));
  }

  /** The vectors of a field, read if need be. */
  vectors(collection: Collection, field: string): Promise<VectorField> {
    const open = collection.openVectors.find((each) => each.field.name === field);
    if (open !== undefined) return Promise.resolve(open);
    return this.exclusive(() => collection.openVectorField(field, this.store, this.#head.sequence));
  }

  async #refresh(all: boolean): Promise<void> {
    const since = this.#head.sequence;
    const looked = this.#clock.monotonic();
    const { head, records, changed } = await this.store.collections(since);
    const doubtful = all || changed === null;
    if (head.epoch !== this.#head.epoch) this.demote();
    this.#head = head;
    this.#inDoubt = false;
    this.#looked = looked;
    const before = new Map(this.collections.map((each) => [each.record.id, each]));
    this.#byName = new Map();
    for (const record of records) {
      const known = before.get(record.id);
      before.delete(record.id);
      if (known === undefined) this.#byName.set(record.spec.name, new Collection(record));
      else {
        if (doubtful || changed.has(record.id)) known.replace(record);
        this.#byName.set(record.spec.name, known);
      }
    }
    for (const gone of before.values()) gone.drop();
  }

  /** Waits for what is queued, then lets go of memory and storage. */
  async close(): Promise<void> {
    await this.exclusive(async () => {
      this.#closed = true;
    }).catch(() => {});
    for (const collection of this.#byName.values()) collection.drop();
    this.#byName.clear();
    this.store.close();
  }
}

function overtaken(cause: StaleView): WhorlError {
  return new WhorlError(
    'storage_lost',
    'The storage was changed by another tab during each attempt to read it. Nothing is lost; try again.',
    { cause, retryable: true },
  );
}

/** Whether a read failed for no other reason than that somebody wrote all the while. */
export function isOvertaken(error: unknown): boolean {
  return isWhorlError(error) && error.cause instanceof StaleView;
}
