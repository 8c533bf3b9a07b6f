/**
 * Collections on a storage. Every change is one transaction that checks the epoch, writes the rows, the
 * vectors, the collection's record and a log entry, and moves the head: all of it or nothing.
 */
import { WhorlError } from '../../src/shared/errors.ts';
import type { PlacedChunk } from './chunks.ts';
import {
  type ChangeKind,
  type ChunkRecord,
  type CollectionRecord,
  type HeadRecord,
  type LogRecord,
  parseChunk,
  parseCollection,
  parseHead,
  parseRow,
  type RowRecord,
} from './records.ts';
import { joinParts, type SavedGraph, type SnapshotPart } from './saved-graph.ts';
import {
  type Entry,
  type KeyRange,
  type ReadTransaction,
  STORE_NAMES,
  type Storage,
  type StoreName,
  under,
  type WriteTransaction,
} from './storage/storage.ts';

const HEAD = 'head';
/** Log entries that are kept, for other tabs to see which collections changed. */
const LOG_LENGTH = 1_000;
/** Entries read at a time, so that no single answer of the storage is huge. */
const ROWS_AT_ONCE = 2_000;
const CHUNKS_AT_ONCE = 16;
/** Rows written between two looks at whether the storage has come so far. */
const WRITTEN_AT_ONCE = 1_000;

/** What a writer believes to be true; the transaction fails where it is not. */
export interface Hold {
  readonly epoch: number;
  readonly sequence: number;
}

export interface RowEntry {
  readonly key: Uint8Array<ArrayBuffer>;
  readonly record: RowRecord;
}

export interface Change {
  readonly kind: ChangeKind;
  readonly collection: number;
  /** The record after the change; null drops the collection and all that is its. */
  readonly record: CollectionRecord | null;
  readonly at: number;
  readonly removed?: readonly Uint8Array<ArrayBuffer>[];
  readonly added?: readonly RowEntry[];
  readonly chunks?: readonly PlacedChunk[];
  /** Vectors (and with them the graph) of a generation that no longer counts. */
  readonly retired?: readonly { readonly field: number; readonly generation: number }[];
  readonly lastAutoId?: bigint;
  /** Identity of the call that makes it, for the log: see `tabs/call-log.ts`. */
  readonly call?: string;
  /**
   * Rows and chunks are put out of sight, under a number that no record names yet: `record` is what it will be
   * and is not written. A later change names it by `also`.
   */
  readonly staged?: true;
  /** Further collections that appear with this change, or are dropped by it (null). */
  readonly also?: readonly {
    readonly collection: number;
    readonly record: CollectionRecord | null;
  }[];
  /** Told how many of `added` are written, but not yet committed: a sign of life. */
  readonly onWritten?: (rows: number) => void;
}

/** The view that a reader started from is no longer the newest; it reads again. */
export class StaleView extends Error {
  override readonly name = 'StaleView';
}

export class Store {
  readonly storage: Storage;

  constructor(storage: Storage) {
    this.storage = storage;
  }

  /** The head; checks that this program knows the format. */
  head(): Promise<HeadRecord> {
    return this.storage.read(['head'], async (tx) => parseHead(await tx.get('head', HEAD)));
  }

  /** Makes the caller the only one who may write: everyone with an older epoch is refused from now on. */
  claim(): Promise<HeadRecord> {
    return this.storage.write(['head'], async (tx) => {
      const head = parseHead(await tx.get('head', HEAD));
      const claimed: HeadRecord = { ...head, epoch: head.epoch + 1 };
      tx.put('head', HEAD, claimed);
      return claimed;
    });
  }

  /** All collections, the head they belong to, and which of them changed after `since` (null: unknown, take all). */
  collections(since: number): Promise<{
    readonly head: HeadRecord;
    readonly records: readonly CollectionRecord[];
    readonly changed: ReadonlySet<number> | null;
  }> {
    return this.storage.read(['head', 'collections', 'log'], async (tx) => {
      const head = parseHead(await tx.get('head', HEAD));
      const entries = await tx.scan('collections', null);
      const behind = head.sequence > since;
      const log = behind ? await tx.scan('log', { lower: since + 1, upper: head.sequence }) : [];
      const complete = log.length === head.sequence - since;
      const changed = new Set(log.map((entry) => (entry.value as LogRecord).collection));
      return {
        head,
        records: entries.map((entry) => parseCollection(entry.value)),
        changed: complete ? changed : null,
      };
    });
  }

  /**
   * One change, in one transaction. Rejects with `not_leader` when another tab has taken over. A change
   * that was committed before the connection broke is recognised and not applied twice.
   */
  commit(hold: Hold, change: Change): Promise<HeadRecord> {
    return this.storage.write(STORE_NAMES, async (tx) => {
      const head = parseHead(await tx.get('head', HEAD));
      checkEpoch(head, hold);
      if (head.sequence === hold.sequence + 1) return head;
      if (head.sequence !== hold.sequence) {
        throw new WhorlError('internal', 'The storage moved on under its only writer.');
      }
      const next: HeadRecord = {
        ...head,
        sequence: head.sequence + 1,
        nextCollection: Math.max(head.nextCollection, change.collection + 1),
        lastAutoId: change.lastAutoId ?? head.lastAutoId,
      };
      await applyChange(tx, change);
      writeLog(tx, next, change);
      tx.put('head', HEAD, next);
      return next;
    });
  }

  /** The record and all rows of a collection, as of `sequence`; rejects with {@link StaleView} otherwise. */
  rows(id: number, sequence: number, visit: (entry: RowEntry) => void): Promise<CollectionRecord> {
    return this.storage.read(['head', 'collections', 'rows'], async (tx) => {
      const record = await recordAt(tx, id, sequence);
      await each(tx, 'rows', under(id), ROWS_AT_ONCE, (entry) => {
        const [, key] = entry.key as [number, Uint8Array<ArrayBuffer>];
        visit({ key, record: parseRow(entry.value, record.nextRow) });
      });
      return record;
    });
  }

  /** Chunks of a vector field, by ascending first row. */
  chunks(
    at: { readonly id: number; readonly field: number; readonly generation: number },
    sequence: number,
    dimension: number,
    visit: (chunk: ChunkRecord) => void,
  ): Promise<CollectionRecord> {
    return this.storage.read(['head', 'collections', 'vectors'], async (tx) => {
      const record = await recordAt(tx, at.id, sequence);
      const range = under(at.id, at.field, at.generation);
      await each(tx, 'vectors', range, CHUNKS_AT_ONCE, (entry) => {
        visit(parseChunk(entry.value, dimension));
      });
      return record;
    });
  }

  /**
   * Rewrites how the vectors of a collection lie in the storage. What can be read of them stays the same,
   * so that the sequence stays, too, and nobody who has read them need read again. `work` gives the
   * collection's record as it is then; it may run several times.
   */
  rewrite(
    hold: Hold,
    id: number,
    work: (tx: WriteTransaction, record: CollectionRecord) => Promise<CollectionRecord>,
  ): Promise<CollectionRecord> {
    return this.storage.write(['head', 'collections', 'vectors', 'snapshots'], async (tx) => {
      checkEpoch(parseHead(await tx.get('head', HEAD)), hold);
      const record = await work(tx, await recordAt(tx, id, hold.sequence));
      tx.put('collections', id, record);
      return record;
    });
  }

  /** The saved graph of a field, or null when there is none or anything about it is in doubt. */
  snapshot(id: number, field: number): Promise<SavedGraph | null> {
    return this.storage.read(['snapshots'], async (tx) => {
      const entries = await tx.scan('snapshots', under(id, field));
      return joinParts(entries.map((entry) => entry.value));
    });
  }

  /**
   * Saves one part of the graph of a field; it is derived state: no log entry, but the epoch is checked.
   * Part 0 is saved last: until then there is no whole graph. The first part that is saved removes the
   * graph before it (`fresh`).
   */
  saveSnapshotPart(
    hold: Hold,
    at: { readonly id: number; readonly field: number },
    part: SnapshotPart,
    fresh: boolean,
  ): Promise<void> {
    return this.storage.write(['head', 'collections', 'snapshots'], async (tx) => {
      checkEpoch(parseHead(await tx.get('head', HEAD)), hold);
      // A collection that was dropped meanwhile leaves nothing behind.
      if ((await tx.get('collections', at.id)) === undefined) return;
      if (fresh) tx.deleteRange('snapshots', under(at.id, at.field));
      tx.put('snapshots', [at.id, at.field, part.part], part);
    });
  }

  close(): void {
    this.storage.close();
  }
}

export function notLeader(): WhorlError {
  return new WhorlError(
    'not_leader',
    'Another tab writes to this storage. Nothing was changed; write there, or close it and try again.',
    { retryable: true },
  );
}

function checkEpoch(head: HeadRecord, hold: Hold): void {
  if (head.epoch !== hold.epoch) throw notLeader();
}

async function recordAt(
  tx: ReadTransaction,
  id: number,
  sequence: number,
): Promise<CollectionRecord> {
  const head = parseHead(await tx.get('head', HEAD));
  const value = await tx.get('collections', id);
  if (head.sequence !== sequence || value === undefined) throw new StaleView();
  return parseCollection(value);
}

async function each(
  tx: ReadTransaction,
  store: StoreName,
  range: KeyRange,
  atOnce: number,
  visit: (entry: Entry) => void,
): Promise<void> {
  let rest = range;
  for (;;) {
    const entries = await tx.scan(store, rest, atOnce);
    for (const entry of entries) visit(entry);
    const last = entries.at(-1);
    if (last === undefined || entries.length < atOnce) return;
    rest = { lower: last.key, upper: range.upper, lowerOpen: true };
  }
}

async function applyChange(tx: WriteTransaction, change: Change): Promise<void> {
  const id = change.collection;
  for (const { collection, record } of change.also ?? []) putCollection(tx, collection, record);
  if (change.staged !== true) putCollection(tx, id, change.record);
  if (change.record === null) return;
  for (const key of change.removed ?? []) tx.delete('rows', [id, key]);
  for (const { field, generation } of change.retired ?? []) {
    tx.deleteRange('vectors', under(id, field, generation));
    tx.deleteRange('snapshots', under(id, field));
  }
  for (const { field, generation, chunk } of change.chunks ?? []) {
    tx.put('vectors', [id, field, generation, chunk.firstRow], chunk);
  }
  await addRows(tx, change);
}

/** Names a collection, or drops it and all that is its. */
function putCollection(tx: WriteTransaction, id: number, record: CollectionRecord | null): void {
  if (record !== null) {
    tx.put('collections', id, record);
    return;
  }
  tx.delete('collections', id);
  for (const store of ['rows', 'vectors', 'snapshots'] as const) tx.deleteRange(store, under(id));
}

/** Requests of a transaction are answered in order: an answer to a read says that what was put before is done. */
async function addRows(tx: WriteTransaction, change: Change): Promise<void> {
  let written = 0;
  for (const { key, record } of change.added ?? []) {
    tx.put('rows', [change.collection, key], record);
    written += 1;
    if (written % WRITTEN_AT_ONCE !== 0) continue;
    await tx.get('head', HEAD);
    change.onWritten?.(written);
  }
}

function writeLog(tx: WriteTransaction, head: HeadRecord, change: Change): void {
  const entry: LogRecord = {
    sequence: head.sequence,
    epoch: head.epoch,
    at: change.at,
    kind: change.kind,
    collection: change.collection,
    added: change.added?.length ?? 0,
    removed: change.removed?.length ?? 0,
    ...(change.call === undefined ? {} : { call: change.call }),
    ...(change.lastAutoId === undefined ? {} : { lastAutoId: change.lastAutoId }),
  };
  tx.put('log', head.sequence, entry);
  if (head.sequence > LOG_LENGTH) {
    tx.deleteRange('log', { lower: 0, upper: head.sequence - LOG_LENGTH });
  }
}
