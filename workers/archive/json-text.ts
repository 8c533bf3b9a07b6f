/**
 * JSON to and from text, exactly. `JSON.parse` rounds integers beyond 2^53, keeps the last of two equal
 * names, follows any depth and makes a `__proto__`; `JSON.stringify` drops the sign of zero and cannot
 * write a bigint. Here integers of 64 bits stay what they are, doubles beyond 2^53 are told from them by a
 * fraction (`1152921504606846976.0`), names come in the order of their UTF-16 units (RFC 8785), and half
 * surrogate pairs are escaped.
 */
import { isInt64 } from '../index/int64.ts';
import type { StoredJson } from '../index/json.ts';
import { isForbiddenName } from '../index/schema-field.ts';

/** The one text of a value. */
export function jsonText(value: StoredJson): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return numberText(value);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => memberText(name, jsonText(member))).join(',')}}`;
}

export function memberText(name: string, text: string): string {
  return `${JSON.stringify(name)}:${text}`;
}

function numberText(value: number): string {
  if (Object.is(value, -0)) return '-0';
  const text = String(value);
  const looksWhole = Number.isInteger(value) && !text.includes('e');
  return looksWhole && !Number.isSafeInteger(value) ? `${text}.0` : text;
}

/** What is wrong with a text, in words that follow on "it". */
export class JsonTextError extends Error {
  override readonly name = 'JsonTextError';
}

/** The longest number that is read: doubles have 24 characters at most. */
const MAX_NUMBER = 64;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The value of a JSON text (RFC 8259). Throws {@link JsonTextError} for anything else, and for: nesting
 * beyond `maxDepth`, a name that is there twice or that JavaScript objects answer to, a number that is not
 * finite, an integer beyond 64 bits. Objects have no prototype.
 */
export function parseJsonText(text: string, maxDepth: number): StoredJson {
  const reader = new Reader(text, maxDepth);
  return reader.whole();
}

class Reader {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  whole(): StoredJson {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#refuse('goes on after its end');
    return value;
  }

  #refuse(what: string): JsonTextError {
    return new JsonTextError(`${what} (character ${this.#at + 1})`);
  }

  #space(): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? '-')) this.#at += 1;
  }

  /** The next character that is no white space, taken. */
  #next(): string {
    this.#space();
    const next = this.#text[this.#at] ?? '';
    this.#at += 1;
    return next;
  }

  #value(depth: number): StoredJson {
    if (depth > this.#maxDepth) throw this.#refuse(`is nested deeper than ${this.#maxDepth}`);
    this.#space();
    const first = this.#text[this.#at];
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#list(depth);
    if (first === '"') return this.#string();
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#number();
  }

  #object(depth: number): StoredJson {
    this.#at += 1;
    const object: { [name: string]: StoredJson } = Object.create(null);
    this.#space();
    if (this.#text[this.#at] === '}') {
      this.#at += 1;
      return object;
    }
    for (;;) {
      const name = this.#name();
      if (Object.hasOwn(object, name)) throw this.#refuse(`has ${JSON.stringify(name)} twice`);
      if (this.#next() !== ':') throw this.#refuse('misses a colon');
      object[name] = this.#value(depth + 1);
      const next = this.#next();
      if (next === '}') return object;
      if (next !== ',') throw this.#refuse('misses a comma or the end of an object');
    }
  }

  #name(): string {
    this.#space();
    if (this.#text[this.#at] !== '"') throw this.#refuse('misses a name');
    const name = this.#string();
    if (isForbiddenName(name)) throw this.#refuse(`has the forbidden name "${name}"`);
    return name;
  }

  #list(depth: number): StoredJson {
    this.#at += 1;
    const list: StoredJson[] = [];
    this.#space();
    if (this.#text[this.#at] === ']') {
      this.#at += 1;
      return list;
    }
    for (;;) {
      list.push(this.#value(depth + 1));
      const next = this.#next();
      if (next === ']') return list;
      if (next !== ',') throw this.#refuse('misses a comma or the end of a list');
    }
  }

  #string(): string {
    const text = this.#text;
    const from = this.#at;
    let escaped = false;
    let at = from + 1;
    for (; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit === QUOTE) break;
      if (unit < 0x20) throw this.#refuse('has a control character in a string');
      if (unit === BACKSLASH) {
        escaped = true;
        at += 1;
      }
    }
    if (at >= text.length) throw this.#refuse('has a string without an end');
    if (!escaped) {
      this.#at = at + 1;
      return text.slice(from + 1, at);
    }
    return this.#escaped(from, at + 1);
  }

  /** A string with escapes, which the platform knows to read. */
  #escaped(from: number, to: number): string {
    try {
      const value = JSON.parse(this.#text.slice(from, to)) as string;
      this.#at = to;
      return value;
    } catch {
      throw this.#refuse('has an escape that JSON has not');
    }
  }

  #number(): number | bigint {
    const from = this.#at;
    let to = from;
    while ('+-.0123456789Ee'.includes(this.#text[to] ?? ' ') && to - from <= MAX_NUMBER) to += 1;
    const text = this.#text.slice(from, to);
    if (to - from > MAX_NUMBER) throw this.#refuse(`has a number of over ${MAX_NUMBER} characters`);
    if (!NUMBER.test(text)) throw this.#refuse('has something that is no value of JSON');
    const number = Number(text);
    if (!Number.isFinite(number)) throw this.#refuse(`has a number that is not finite: ${text}`);
    this.#at = to;
    if (Number.isSafeInteger(number) || /[.eE]/.test(text)) return number;
    const integer = BigInt(text);
    if (!isInt64(integer)) throw this.#refuse(`has an integer beyond 64 bits: ${text}`);
    return integer;
  }
}

const WORDS: readonly (readonly [string, StoredJson])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];
