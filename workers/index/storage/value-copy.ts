/**
 * Copies of keys and values, as storing and reading them back makes. What rows and chunks consist of is
 * copied here, some twenty times faster than by `structuredClone`, which does the rest and refuses what
 * cannot be stored.
 */
import type { SimpleKey, StorageKey } from './storage.ts';

/** Deeper values are left to `structuredClone`, which also knows cycles. */
const MOST_DEPTH = 32;

export function copyKey(key: StorageKey): StorageKey {
  return Array.isArray(key) ? key.map(copySimpleKey) : copySimpleKey(key as SimpleKey);
}

function copySimpleKey(key: SimpleKey): SimpleKey {
  return key instanceof Uint8Array ? key.slice() : key;
}

/** Throws DataCloneError for functions, symbols and what else has no copy. */
export function copyValue(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) {
    return typeof value === 'function' || typeof value === 'symbol'
      ? structuredClone(value)
      : value;
  }
  if (depth === MOST_DEPTH) return structuredClone(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) return copyObject(value, depth);
  // Holes and further members of an array are rare enough for the slow way.
  if (Array.isArray(value) && Object.keys(value).length === value.length) {
    return value.map((each) => copyValue(each, depth + 1));
  }
  return structuredClone(value);
}

function copyObject(value: object, depth: number): object {
  const copy: { [member: string]: unknown } = {};
  for (const [member, each] of Object.entries(value)) {
    // A plain assignment would set the prototype.
    if (member === '__proto__') return structuredClone(value);
    copy[member] = copyValue(each, depth + 1);
  }
  return copy;
}
