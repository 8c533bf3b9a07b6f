/** The key order of IndexedDB (W3C Indexed Database API 3.0, "compare two keys"), for keys we use. */
type Key = number | string | Uint8Array | readonly Key[];

function rank(key: Key): number {
  if (typeof key === 'number') return 0;
  if (typeof key === 'string') return 1;
  return key instanceof Uint8Array ? 2 : 3;
}

/** Negative, zero or positive. Strings compare by UTF-16 units here, unlike in filters. */
export function compareStorageKeys(a: Key, b: Key): number {
  const order = rank(a) - rank(b);
  if (order !== 0) return order;
  if (typeof a === 'number' || typeof a === 'string') {
    return a < (b as typeof a) ? -1 : a > (b as typeof a) ? 1 : 0;
  }
  if (a instanceof Uint8Array) return compareBytes(a, b as Uint8Array);
  return compareLists(a, b as typeof a);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const order = (a[i] ?? 0) - (b[i] ?? 0);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareLists(a: readonly Key[], b: readonly Key[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const order = compareStorageKeys(a[i] ?? 0, b[i] ?? 0);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
