/** How values compare in a filter: strings by UTF-8 bytes, numbers of all kinds with each other, exactly. */
import type { StoredJson } from '../json.ts';
import { compareUtf8 } from '../utf8.ts';
import type { CompareOp, Literal } from './ast.ts';

export type Scalar = number | bigint | string | boolean;

export const HOLDS: { readonly [op in CompareOp]: (order: number) => boolean } = {
  '==': (order) => order === 0,
  '!=': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

/** `a op b` is `b MIRROR[op] a`. */
export const MIRROR: { readonly [op in CompareOp]: CompareOp } = {
  '==': '==',
  '!=': '!=',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

export function isScalar(value: StoredJson | undefined): value is Scalar {
  return value !== undefined && value !== null && typeof value !== 'object';
}

export function isNumeric(value: StoredJson | undefined): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** A boolean is no 1: only values of one kind compare. */
export function areComparable(a: Scalar, b: Scalar): boolean {
  return typeof a === typeof b || (isNumeric(a) && isNumeric(b));
}

/** Numbers and bigints compare exactly with each other; the language sees to it. */
export function compareScalars(a: Scalar, b: Scalar): number {
  if (typeof a === 'string' && typeof b === 'string') return compareUtf8(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** One form for equal numbers, so that a set finds them; 1, "1" and true stay apart. */
export function canonical(value: Scalar): Scalar {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  // A whole double beyond 2^53 must meet the equal bigint.
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return BigInt(value);
  }
  return value;
}

/** A literal as stored JSON would hold it. */
export function plainValue(literal: Literal): StoredJson {
  if (literal.type === 'list') return literal.items.map((item) => plainValue(item.literal));
  return canonical(literal.value);
}

/** Equality of stored JSON with a literal: lists item by item; an object equals none. */
export function jsonEquals(own: StoredJson | undefined, value: StoredJson): boolean {
  if (Array.isArray(own) && Array.isArray(value)) {
    return (
      own.length === value.length && own.every((item, i) => jsonEquals(item, value[i] ?? null))
    );
  }
  if (!isScalar(own) || !isScalar(value)) return false;
  return canonical(own) === canonical(value);
}

/** Whether stored JSON equals one of some literals. */
export function memberTest(values: readonly StoredJson[]): (own: StoredJson) => boolean {
  const scalars = new Set<StoredJson>(values.filter(isScalar).map(canonical));
  const lists = values.filter((value) => Array.isArray(value));
  return (own) =>
    isScalar(own) ? scalars.has(canonical(own)) : lists.some((list) => jsonEquals(own, list));
}
