/** What one run of a transaction's body put and deleted, encoded when it did so: as storage copies it, too. */
import { isWhorlError } from '../../../src/shared/errors.ts';
import { isObject } from '../body.ts';
import type {
  Entry,
  KeyRange,
  StorageKey,
  StoreName,
  WriteTransaction,
} from '../storage/storage.ts';
import { ByteWriter } from './byte-writer.ts';
import { encodeDelete, encodeDeleteRange, encodePut, isMirrored } from './operations.ts';

/** Bytes after which a part of a change ends. */
const PART_BYTES = 1_048_576;

/** Changes that take content away, or write over it. */
const REPLACING: ReadonlySet<unknown> = new Set(['upsert', 'delete', 'drop', 'reembed']);

type Pieces = readonly Uint8Array<ArrayBuffer>[];

export class Recording {
  /** The number that the transaction has if it commits. */
  readonly number: number;
  readonly #parts: Pieces[] = [];
  #part = new ByteWriter();
  #bytes = 0;
  #contentBytes = 0;
  #touched = false;
  #replaced = false;
  #sequence: number | null = null;
  #refused: string | null = null;

  constructor(number: number) {
    this.number = number;
  }

  /** Whether anything that is mirrored was changed. */
  get touched(): boolean {
    return this.#touched;
  }

  /** Whether older content is still in the mirror that is no longer in the database. */
  get replaced(): boolean {
    return this.#replaced;
  }

  /** The head's sequence where the head was written, else null. */
  get sequence(): number | null {
    return this.#sequence;
  }

  /** Why it cannot be mirrored, where that is so. */
  get refused(): string | null {
    return this.#refused;
  }

  get bytes(): number {
    return this.#bytes + this.#part.size;
  }

  /** Bytes of rows and vectors; the rest is superseded by the next change. */
  get contentBytes(): number {
    return this.#contentBytes;
  }

  /** The operations, in parts of about 1 MiB; at least one. */
  parts(): readonly Pieces[] {
    if (this.#part.size > 0 || this.#parts.length === 0) this.#endPart();
    return this.#parts;
  }

  #endPart(): void {
    this.#bytes += this.#part.size;
    this.#parts.push(this.#part.pieces());
    this.#part = new ByteWriter();
  }

  put(store: StoreName, key: StorageKey, value: unknown): void {
    this.#add(store, (out) => encodePut(out, store, key, value));
    if (store === 'head' && key === 'head' && isObject(value)) {
      if (Number.isSafeInteger(value.sequence)) this.#sequence = value.sequence as number;
    }
    if (store === 'log' && isObject(value)) this.#replaced ||= REPLACING.has(value.kind);
  }

  delete(store: StoreName, key: StorageKey): void {
    this.#add(store, (out) => encodeDelete(out, store, key));
    this.#takeAway(store);
  }

  deleteRange(store: StoreName, range: KeyRange): void {
    this.#add(store, (out) => encodeDeleteRange(out, store, range));
    this.#takeAway(store);
  }

  /** The log holds no content. */
  #takeAway(store: StoreName): void {
    this.#replaced ||= isMirrored(store) && store !== 'log' && store !== 'head';
  }

  /** A value that only the mirror refuses must not stop the change: the mirror is what fails then. */
  #add(store: StoreName, encode: (out: ByteWriter) => void): void {
    if (!isMirrored(store)) return;
    this.#touched = true;
    if (this.#refused !== null) return;
    const before = this.#part.size;
    try {
      encode(this.#part);
    } catch (error) {
      if (!isWhorlError(error)) throw error;
      this.#refused = error.message;
    }
    if (store === 'rows' || store === 'vectors') this.#contentBytes += this.#part.size - before;
    if (this.#part.size >= PART_BYTES) this.#endPart();
  }
}

/** A transaction that is also written down. */
export class RecordingTransaction implements WriteTransaction {
  readonly #inner: WriteTransaction;
  readonly #recording: Recording;

  constructor(inner: WriteTransaction, recording: Recording) {
    this.#inner = inner;
    this.#recording = recording;
  }

  get(store: StoreName, key: StorageKey): Promise<unknown> {
    return this.#inner.get(store, key);
  }

  scan(store: StoreName, range: KeyRange | null, limit?: number): Promise<readonly Entry[]> {
    return this.#inner.scan(store, range, limit);
  }

  put(store: StoreName, key: StorageKey, value: unknown): void {
    this.#inner.put(store, key, value);
    this.#recording.put(store, key, value);
  }

  delete(store: StoreName, key: StorageKey): void {
    this.#inner.delete(store, key);
    this.#recording.delete(store, key);
  }

  deleteRange(store: StoreName, range: KeyRange): void {
    this.#inner.deleteRange(store, range);
    this.#recording.deleteRange(store, range);
  }
}
