/** What a transaction did, as bytes: one operation after the other, each with its store and key. */
import {
  type KeyRange,
  STORE_NAMES,
  type StorageKey,
  type StoreName,
  type WriteTransaction,
} from '../storage/storage.ts';
import type { ByteWriter } from './byte-writer.ts';
import { BrokenBytes, type ByteReader, decodeValue } from './decode.ts';
import { encodeValue } from './encode.ts';

export type Operation =
  | {
      readonly kind: 'put';
      readonly store: StoreName;
      readonly key: StorageKey;
      readonly value: unknown;
    }
  | { readonly kind: 'delete'; readonly store: StoreName; readonly key: StorageKey }
  | { readonly kind: 'deleteRange'; readonly store: StoreName; readonly range: KeyRange };

const PUT = 1;
const DELETE = 2;
const DELETE_RANGE = 3;

/** What can be made again from the rest is not mirrored. */
export function isMirrored(store: StoreName): boolean {
  return store !== 'snapshots';
}

export function encodePut(
  out: ByteWriter,
  store: StoreName,
  key: StorageKey,
  value: unknown,
): void {
  out.byte(PUT);
  out.text(store);
  encodeValue(out, key);
  encodeValue(out, value);
}

export function encodeDelete(out: ByteWriter, store: StoreName, key: StorageKey): void {
  out.byte(DELETE);
  out.text(store);
  encodeValue(out, key);
}

export function encodeDeleteRange(out: ByteWriter, store: StoreName, range: KeyRange): void {
  out.byte(DELETE_RANGE);
  out.text(store);
  encodeValue(out, range.lower);
  encodeValue(out, range.upper);
  out.byte(range.lowerOpen === true ? 1 : 0);
}

/** Operations to the end of the bytes. Throws {@link BrokenBytes}. */
export function* decodeOperations(from: ByteReader): Generator<Operation, void> {
  while (from.left > 0) {
    const kind = from.byte();
    const store = storeNamed(from.text());
    const key = keyOf(decodeValue(from));
    if (kind === PUT) yield { kind: 'put', store, key, value: decodeValue(from) };
    else if (kind === DELETE) yield { kind: 'delete', store, key };
    else if (kind === DELETE_RANGE) {
      // An upper bound may hold an empty list, which sorts after all simple keys.
      const upper = decodeValue(from) as KeyRange['upper'];
      const lowerOpen = from.byte() === 1;
      yield { kind: 'deleteRange', store, range: { lower: key, upper, lowerOpen } };
    } else throw new BrokenBytes('no such operation');
  }
}

function storeNamed(name: string): StoreName {
  const store = STORE_NAMES.find((each) => each === name);
  if (store === undefined || !isMirrored(store)) throw new BrokenBytes('no such store');
  return store;
}

function keyOf(value: unknown): StorageKey {
  const parts: readonly unknown[] = Array.isArray(value) ? value : [value];
  const simple = (part: unknown): boolean =>
    typeof part === 'string' ||
    (typeof part === 'number' && !Number.isNaN(part)) ||
    part instanceof Uint8Array;
  if (!parts.every(simple)) throw new BrokenBytes('no key');
  return value as StorageKey;
}

/** Does it again. */
export function perform(tx: WriteTransaction, operation: Operation): void {
  if (operation.kind === 'put') tx.put(operation.store, operation.key, operation.value);
  else if (operation.kind === 'delete') tx.delete(operation.store, operation.key);
  else tx.deleteRange(operation.store, operation.range);
}
