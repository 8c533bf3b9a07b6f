/**
 * Exact 64-bit integers. JavaScript numbers hold integers to 2^53 only, so an Int64 is a bigint inside,
 * decimal digits at the API, and eight sign-flipped big-endian bytes as a storage key (IndexedDB has no
 * bigint keys; flipped, the bytes sort as the numbers do).
 */
export const INT64_MIN = -(1n << 63n);
export const INT64_MAX = (1n << 63n) - 1n;

const DIGITS = /^[+-]?\d{1,19}$/;
const SIGN = 1n << 63n;

/** True inside -2^63 .. 2^63 - 1. */
export function isInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX;
}

/**
 * Digits, bigint or safe integer as Int64; null for anything else. A number beyond 2^53 is refused: it
 * may have been rounded before it came here.
 */
export function parseInt64(value: unknown): bigint | null {
  if (typeof value === 'bigint') return isInt64(value) ? value : null;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : null;
  if (typeof value !== 'string' || !DIGITS.test(value)) return null;
  const parsed = BigInt(value.startsWith('+') ? value.slice(1) : value);
  return isInt64(parsed) ? parsed : null;
}

/** Eight bytes whose unsigned order is the order of the numbers. */
export function int64Bytes(value: bigint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value) ^ SIGN);
  return bytes;
}

/** The inverse of {@link int64Bytes}. */
export function int64FromBytes(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return BigInt.asIntN(64, view.getBigUint64(0) ^ SIGN);
}
