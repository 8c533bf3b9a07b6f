/**
 * JSON that callers bring: copied on the way in and on the way out, so that nothing stored is shared.
 * Bounded in depth and bytes (structured clone throws a RangeError far earlier than JSON.parse), and
 * without the names that JavaScript objects already answer to.
 */
import { milvusError } from '../../src/shared/errors.ts';
import { isInt64 } from './int64.ts';
import { isForbiddenName } from './schema-field.ts';
import { utf8Length } from './utf8.ts';

/** JSON inside the engine: integers beyond 2^53 are bigint. */
export type StoredJson =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly StoredJson[]
  | { readonly [key: string]: StoredJson };

const MAX_DEPTH = 64;
/** Milvus's bound on one JSON value. */
const MAX_BYTES = 65_536;

/** A deep copy of a JSON value; throws 1804 and names `where` for anything else. */
export function parseJson(value: unknown, where: string): StoredJson {
  const copier = new JsonCopier(where);
  return copier.copy(value, 0);
}

class JsonCopier {
  readonly #where: string;
  #bytes = 0;

  constructor(where: string) {
    this.#where = where;
  }

  copy(value: unknown, depth: number): StoredJson {
    if (depth > MAX_DEPTH) throw this.#refuse(`is nested deeper than ${MAX_DEPTH}`);
    this.#spend(typeof value === 'string' ? utf8Length(value) + 2 : 4);
    if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) throw this.#refuse('holds a number that is not finite');
      return value;
    }
    if (typeof value === 'bigint') return this.#integer(value);
    if (Array.isArray(value)) return value.map((item) => this.copy(item, depth + 1));
    if (typeof value !== 'object' || !isPlain(value)) {
      throw this.#refuse(`holds a value that JSON has not: ${typeof value}`);
    }
    return this.#object(value, depth);
  }

  #object(value: object, depth: number): StoredJson {
    const copy: { [key: string]: StoredJson } = {};
    for (const [key, member] of Object.entries(value)) {
      if (isForbiddenName(key)) throw this.#refuse(`has the forbidden name "${key}"`);
      this.#spend(utf8Length(key) + 3);
      copy[key] = this.copy(member, depth + 1);
    }
    return copy;
  }

  #integer(value: bigint): StoredJson {
    if (!isInt64(value)) throw this.#refuse('holds an integer beyond 64 bits');
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  #spend(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > MAX_BYTES) throw this.#refuse(`is larger than ${MAX_BYTES} bytes`);
  }

  #refuse(why: string): Error {
    return milvusError(1804, `fail to deal the insert data, error: ${this.#where} ${why}`);
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype as object) === null;
}

/** A deep copy for the caller; integers beyond 2^53 leave as digits, as all Int64 do. */
export function leaveJson(value: StoredJson): StoredJson {
  if (typeof value === 'bigint') return value.toString();
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(leaveJson);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, leaveJson(member)]));
}
