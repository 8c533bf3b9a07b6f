/** Values to bytes, as structured clone copies them: for the kinds that storage holds (see value-tags.ts). */
import { WhorlError } from '../../../src/shared/errors.ts';
import type { ByteWriter } from './byte-writer.ts';
import { MAX_DEPTH, TAG, VIEWS } from './value-tags.ts';

/**
 * Appends a value. Holes of arrays become undefined. Throws `internal` for what the mirror cannot hold
 * (functions, symbols, shared memory, other classes, nesting over 128 levels); the writer is of no use then.
 */
export function encodeValue(out: ByteWriter, value: unknown, depth = 0): void {
  if (depth > MAX_DEPTH) throw refused(`a value nested deeper than ${MAX_DEPTH} levels`);
  if (typeof value === 'string') {
    out.byte(TAG.text);
    out.text(value);
  } else if (typeof value === 'number') encodeNumber(out, value);
  else if (typeof value === 'object' && value !== null) encodeObject(out, value, depth);
  else encodeOther(out, value);
}

function refused(what: string): WhorlError {
  return new WhorlError('internal', `The mirror cannot hold ${what}.`);
}

function encodeNumber(out: ByteWriter, value: number): void {
  if ((value | 0) === value && !Object.is(value, -0)) {
    out.byte(TAG.integer);
    out.varint(value >= 0 ? value * 2 : -value * 2 - 1);
  } else {
    out.byte(TAG.number);
    out.float64(value);
  }
}

function encodeOther(out: ByteWriter, value: unknown): void {
  if (value === undefined) out.byte(TAG.undefined);
  else if (value === null) out.byte(TAG.null);
  else if (typeof value === 'boolean') out.byte(value ? TAG.true : TAG.false);
  else if (typeof value === 'bigint') encodeBigint(out, value);
  else throw refused(`a ${typeof value}`);
}

function encodeBigint(out: ByteWriter, value: bigint): void {
  const digits = (value < 0n ? -value : value).toString(16);
  const even = digits.length % 2 === 0 ? digits : `0${digits}`;
  const bytes = even.length / 2;
  out.byte(TAG.bigint);
  out.byte(value < 0n ? 1 : 0);
  out.varint(bytes);
  for (let at = bytes - 1; at >= 0; at--) {
    out.byte(Number.parseInt(even.slice(at * 2, at * 2 + 2), 16));
  }
}

function encodeObject(out: ByteWriter, value: object, depth: number): void {
  if (Array.isArray(value)) {
    out.byte(TAG.array);
    out.varint(value.length);
    for (let at = 0; at < value.length; at++) encodeValue(out, value[at], depth + 1);
  } else if (ArrayBuffer.isView(value)) encodeView(out, value);
  else if (value instanceof ArrayBuffer) {
    out.byte(TAG.buffer);
    out.varint(value.byteLength);
    out.bytes(new Uint8Array(value));
  } else if (value instanceof Map) encodeMap(out, value, depth);
  else if (value instanceof Date) {
    out.byte(TAG.date);
    out.float64(value.getTime());
  } else encodePlain(out, value, depth);
}

function encodeView(out: ByteWriter, value: ArrayBufferView): void {
  const kind = VIEWS.findIndex((View) => value instanceof View);
  if (kind < 0 || !(value.buffer instanceof ArrayBuffer)) throw refused('such a view of memory');
  out.byte(TAG.view);
  out.byte(kind);
  out.varint(value.byteLength);
  out.bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
}

function encodeMap(out: ByteWriter, value: ReadonlyMap<unknown, unknown>, depth: number): void {
  out.byte(TAG.map);
  out.varint(value.size);
  for (const [key, member] of value) {
    encodeValue(out, key, depth + 1);
    encodeValue(out, member, depth + 1);
  }
}

function encodePlain(out: ByteWriter, value: object, depth: number): void {
  if (Object.prototype.toString.call(value) !== '[object Object]') {
    throw refused(`a ${Object.prototype.toString.call(value)}`);
  }
  const keys = Object.keys(value);
  out.byte(TAG.object);
  out.varint(keys.length);
  for (const key of keys) {
    out.text(key);
    encodeValue(out, (value as { readonly [key: string]: unknown })[key], depth + 1);
  }
}
