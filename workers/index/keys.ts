/** Primary keys: Int64 as bigint, VarChar as string; never both in one collection. */
import { int64Bytes, int64FromBytes } from './int64.ts';
import { compareUtf8 } from './utf8.ts';

export type PrimaryKey = bigint | string;
export type KeyType = 'Int64' | 'VarChar';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Storage key of a primary key; byte order is key order. */
export function keyBytes(key: PrimaryKey): Uint8Array<ArrayBuffer> {
  return typeof key === 'bigint' ? int64Bytes(key) : encoder.encode(key);
}

/** The inverse of {@link keyBytes}. */
export function keyFromBytes(bytes: Uint8Array, type: KeyType): PrimaryKey {
  return type === 'Int64' ? int64FromBytes(bytes) : decoder.decode(bytes);
}

/** A key as it leaves the engine: decimal digits or the string itself. */
export function keyText(key: PrimaryKey): string {
  return typeof key === 'bigint' ? key.toString() : key;
}

export function compareKeys(a: PrimaryKey, b: PrimaryKey): number {
  if (typeof a === 'string' && typeof b === 'string') return compareUtf8(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
}
