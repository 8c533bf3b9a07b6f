/**
 * From the mirror back into a storage.
 *
 * A whole database comes back in several transactions. Collections and head are written by the last one, so
 * that whoever looks before sees an empty store, never half of one; each transaction says how far it came,
 * so that a restoring that was cut goes on there.
 */
import { isObject } from '../body.ts';
import { MemoryStorage } from '../storage/memory-storage.ts';
import {
  type KeyRange,
  STORE_NAMES,
  type Storage,
  type WriteTransaction,
} from '../storage/storage.ts';
import { ByteReader } from './decode.ts';
import type { MirrorFiles } from './files.ts';
import type { Stamp } from './frame.ts';
import { IDENTITY_KEY, type Identity, type IdentityRecord, parseIdentity } from './identity.ts';
import { type FoundLog, followLog, type PlacedFrame, readFrames } from './log-reader.ts';
import { decodeOperations, type Operation, perform } from './operations.ts';
import { Recording, RecordingTransaction } from './recording.ts';

/** Bytes of frames that one transaction of a restoring takes. */
const BATCH_BYTES = 4_194_304;

/** Every key there is: an empty list in a list sorts after all others. */
export const ALL_KEYS: KeyRange = { lower: Number.NEGATIVE_INFINITY, upper: [[]] };

export interface Source {
  readonly files: MirrorFiles;
  readonly log: FoundLog;
}

export interface Restored {
  /** The log as it was found sound, from its first byte on. */
  readonly log: FoundLog;
  /** What the last transaction did beyond what the log has. */
  readonly extra: Recording | null;
}

/**
 * Makes the storage what the log says, whatever was in it. What `jumpTo` says of the log's last change is
 * added to the sequence, so that no tab takes for new what it cached of the changes that are lost. Null: not even the log's checkpoint is whole;
 * nothing was changed then.
 */
export async function restoreAll(
  storage: Storage,
  { files, log }: Source,
  jumpTo: (last: Stamp) => number,
): Promise<Restored | null> {
  const place = await followLog(files, log.name, null);
  if (place === null) return null;
  const sound: FoundLog = { ...log, ...place };
  const restoring = new Restoring(storage, sound);
  await restoring.begin();
  for await (const frame of readFrames(files, log.name)) {
    if (frame.end > place.end) break;
    await restoring.take(frame);
  }
  return { log: sound, extra: await restoring.end(jumpTo(sound.last)) };
}

class Restoring {
  readonly #storage: Storage;
  readonly #log: FoundLog;
  /** Head and collections, kept back to the end. */
  readonly #held = new MemoryStorage();
  #batch: Operation[] = [];
  #bytes = 0;
  /** Up to here an earlier attempt has brought the rest. */
  #done = 0;

  constructor(storage: Storage, log: FoundLog) {
    this.#storage = storage;
    this.#log = log;
  }

  get #identity(): Identity {
    return { origin: this.#log.origin, lineage: this.#log.lineage };
  }

  async begin(): Promise<void> {
    await this.#storage.write(STORE_NAMES, async (tx) => {
      const before = parseIdentity(await tx.get('head', IDENTITY_KEY))?.restoring;
      this.#done = before?.log === this.#log.name ? before.offset : 0;
      if (this.#done > this.#log.end) this.#done = 0;
      if (this.#done > 0) return;
      for (const store of STORE_NAMES) tx.deleteRange(store, ALL_KEYS);
      this.#note(tx, 0);
    });
  }

  #note(tx: WriteTransaction, offset: number): void {
    const restoring = { log: this.#log.name, offset };
    const record: IdentityRecord = { ...this.#identity, number: 0, restoring };
    tx.put('head', IDENTITY_KEY, record);
  }

  async take(frame: PlacedFrame): Promise<void> {
    if (frame.kind !== 'page' && frame.kind !== 'part' && frame.kind !== 'change') return;
    const kept: Operation[] = [];
    for (const operation of decodeOperations(new ByteReader(frame.body))) {
      if (operation.store === 'head' || operation.store === 'collections') kept.push(operation);
      else if (frame.end > this.#done) this.#batch.push(operation);
    }
    await this.#held.write(['head', 'collections'], async (tx) => {
      for (const operation of kept) perform(tx, operation);
    });
    this.#bytes += frame.size;
    if (this.#bytes >= BATCH_BYTES) await this.#write(frame.end);
  }

  async #write(offset: number): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#bytes = 0;
    if (offset <= this.#done) return;
    await this.#storage.write(STORE_NAMES, async (tx) => {
      for (const operation of batch) perform(tx, operation);
      this.#note(tx, offset);
    });
  }

  /** The rest, and with it all that makes the store visible. */
  async end(jump: number): Promise<Recording | null> {
    const held = await this.#held.read(['head', 'collections'], async (tx) => ({
      head: await tx.scan('head', ALL_KEYS),
      collections: await tx.scan('collections', ALL_KEYS),
    }));
    const extra = jump > 0 ? new Recording(this.#log.last.number + 1) : null;
    const number = extra?.number ?? this.#log.last.number;
    await this.#storage.write(STORE_NAMES, async (tx) => {
      for (const operation of this.#batch) perform(tx, operation);
      for (const { key, value } of held.collections) tx.put('collections', key, value);
      for (const { key, value } of held.head) tx.put('head', key, value);
      if (extra !== null) {
        const head = held.head.find(({ key }) => key === 'head')?.value;
        new RecordingTransaction(tx, extra).put('head', 'head', moved(head, jump));
      }
      const record: IdentityRecord = { ...this.#identity, number };
      tx.put('head', IDENTITY_KEY, record);
    });
    return extra;
  }
}

function moved(head: unknown, jump: number): unknown {
  if (!isObject(head) || typeof head.sequence !== 'number') return head;
  return { ...head, sequence: head.sequence + jump };
}

/**
 * Repeats the changes that the log has beyond the database, each in a transaction of its own that checks
 * where the database is. Resolves with the last one that the database has now; less than the log's last
 * where the log is broken before it.
 */
export async function replayTail(
  storage: Storage,
  { files, log }: Source,
  from: number,
): Promise<Stamp | null> {
  let reached: Stamp | null = null;
  let number = from;
  let parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const { kind, stamp, body, end } of readFrames(files, log.name, log.checkpoint)) {
    if (end > log.end || (kind !== 'part' && kind !== 'change')) break;
    if (stamp.number <= from) continue;
    if (stamp.number !== number + 1) break;
    parts.push(body);
    if (kind === 'part') continue;
    await repeatChange(storage, log, stamp, parts);
    parts = [];
    number = stamp.number;
    reached = stamp;
  }
  return reached;
}

async function repeatChange(
  storage: Storage,
  { origin, lineage }: Identity,
  { number }: Stamp,
  parts: readonly Uint8Array<ArrayBuffer>[],
): Promise<void> {
  await storage.write(STORE_NAMES, async (tx) => {
    const record = parseIdentity(await tx.get('head', IDENTITY_KEY));
    // Done already, by a run of this body before the connection was lost.
    if (record?.lineage === lineage && record.number === number) return;
    if (record?.lineage !== lineage || record.number !== number - 1) {
      throw new Error('The database moved on while its newest changes were brought back.');
    }
    for (const part of parts) {
      for (const operation of decodeOperations(new ByteReader(part))) perform(tx, operation);
    }
    tx.put('head', IDENTITY_KEY, { origin, lineage, number } satisfies IdentityRecord);
  });
}
