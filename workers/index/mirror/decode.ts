/**
 * Bytes to values. The bytes lay in a file: nothing in them is believed. Every length is checked against
 * what is left before anything of that length is made, so that a lie costs no memory.
 */
import { MAX_DEPTH, TAG, VIEWS } from './value-tags.ts';

/** The bytes are not what {@link encodeValue} writes. Never leaves the mirror. */
export class BrokenBytes extends Error {
  override readonly name = 'BrokenBytes';
}

/** Longest bigint, in bytes; an Int64 has eight. */
const MAX_BIGINT = 1_024;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class ByteReader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #claim(bytes: number): number {
    if (bytes > this.left) throw new BrokenBytes('the bytes end too early');
    const at = this.#at;
    this.#at += bytes;
    return at;
  }

  byte(): number {
    return this.#view.getUint8(this.#claim(1));
  }

  /** A whole number of 0..2^53-1. */
  varint(): number {
    let value = 0;
    for (let weight = 1; weight <= 2 ** 49; weight *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * weight;
      if (byte >= 0x80) continue;
      if (!Number.isSafeInteger(value)) break;
      return value;
    }
    throw new BrokenBytes('a number is too long');
  }

  /** How many members follow, each of at least `least` bytes. */
  count(least: number): number {
    const count = this.varint();
    if (count * least > this.left) throw new BrokenBytes('more members than bytes');
    return count;
  }

  float64(): number {
    return this.#view.getFloat64(this.#claim(8), true);
  }

  /** A copy. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const at = this.#claim(length);
    return this.#bytes.slice(at, at + length);
  }

  text(): string {
    const head = this.varint();
    const length = Math.floor(head / 2);
    const at = this.#claim(length);
    if (head % 2 === 1) return this.#wide(at, length);
    try {
      return utf8.decode(this.#bytes.subarray(at, at + length));
    } catch {
      throw new BrokenBytes('text that is no UTF-8');
    }
  }

  #wide(at: number, length: number): string {
    if (length % 2 !== 0) throw new BrokenBytes('text of half a unit');
    let text = '';
    for (let unit = at; unit < at + length; unit += 2) {
      text += String.fromCharCode(this.#view.getUint16(unit, true));
    }
    return text;
  }
}

/** The next value. Throws {@link BrokenBytes}. */
export function decodeValue(from: ByteReader, depth = 0): unknown {
  if (depth > MAX_DEPTH) throw new BrokenBytes('nested too deep');
  const tag = from.byte();
  switch (tag) {
    case TAG.undefined:
      return undefined;
    case TAG.null:
      return null;
    case TAG.false:
    case TAG.true:
      return tag === TAG.true;
    case TAG.integer:
      return integer(from.varint());
    case TAG.number:
      return from.float64();
    case TAG.text:
      return from.text();
    case TAG.bigint:
      return bigint(from);
    case TAG.buffer:
      return from.bytes(from.varint()).buffer;
    case TAG.view:
      return view(from);
    case TAG.date:
      return new Date(from.float64());
    default:
      return members(from, tag, depth + 1);
  }
}

function integer(zigzag: number): number {
  const value = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  if ((value | 0) !== value) throw new BrokenBytes('an integer beyond 32 bits');
  return value;
}

function bigint(from: ByteReader): bigint {
  const negative = from.byte();
  const length = from.varint();
  if (negative > 1 || length === 0 || length > MAX_BIGINT) throw new BrokenBytes('no bigint');
  let digits = '';
  for (const byte of from.bytes(length)) digits = byte.toString(16).padStart(2, '0') + digits;
  const magnitude = BigInt(`0x${digits}`);
  return negative === 1 ? -magnitude : magnitude;
}

function view(from: ByteReader): ArrayBufferView {
  const View = VIEWS[from.byte()];
  const length = from.varint();
  if (View === undefined || length % View.BYTES_PER_ELEMENT !== 0) {
    throw new BrokenBytes('no such view of memory');
  }
  return new View(from.bytes(length).buffer);
}

function members(from: ByteReader, tag: number, depth: number): unknown {
  if (tag === TAG.array) {
    const list: unknown[] = [];
    for (let left = from.count(1); left > 0; left--) list.push(decodeValue(from, depth));
    return list;
  }
  if (tag === TAG.map) {
    const map = new Map<unknown, unknown>();
    for (let left = from.count(2); left > 0; left--) {
      const key = decodeValue(from, depth);
      map.set(key, decodeValue(from, depth));
    }
    return map;
  }
  if (tag !== TAG.object) throw new BrokenBytes('no such kind of value');
  return plain(from, depth);
}

/** Members are defined, not assigned: `__proto__` would change what the object is. */
function plain(from: ByteReader, depth: number): object {
  const object: { [key: string]: unknown } = {};
  for (let left = from.count(2); left > 0; left--) {
    const key = from.text();
    const value = decodeValue(from, depth);
    if (key === '__proto__') {
      const own = { value, writable: true, enumerable: true, configurable: true };
      Object.defineProperty(object, key, own);
    } else object[key] = value;
  }
  return object;
}
