/**
 * How values lie in the mirror, version 1: a tag byte, then
 *
 * - integers of 32 bits: zigzag varint; other numbers: float64, so that -0 and NaN stay what they are
 * - text: varint of twice its bytes, plus one where it is UTF-16 (lone surrogates), then the bytes
 * - bigint: sign byte, varint of its bytes, magnitude with the lowest byte first
 * - a typed array: its kind, varint of its bytes, the bytes, little-endian; an ArrayBuffer: without kind
 * - array, map, object: varint of its members, then these; a map's as key and value, an object's as text
 *   and value
 * - date: float64 milliseconds
 */
export const TAG = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  integer: 4,
  number: 5,
  text: 6,
  bigint: 7,
  buffer: 8,
  view: 9,
  array: 10,
  object: 11,
  map: 12,
  date: 13,
} as const;

/** Kinds of typed arrays by their number; only added to, never reordered. */
export const VIEWS = [
  Uint8Array,
  Float32Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;

/** Nesting beyond this is refused, on both sides; rows hold JSON of at most 64 levels. */
export const MAX_DEPTH = 128;
