/**
 * Reading request bodies. A body is untrusted: every member is checked before use, and a member that
 * this engine does not know is refused by name, because an option that is silently dropped gives a
 * wrong answer.
 */
import { milvusError } from '../../src/shared/errors.ts';

export type Body = { readonly [key: string]: unknown };

const INVALID = 1100;
const BAD_JSON = 1801;
const MISSING = 1802;

/** Largest `limit` and `offset + limit` of Milvus. */
export const MAX_WINDOW = 16_384;

const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MAX_NAME = 255;

export function invalid(message: string): Error {
  return milvusError(INVALID, message);
}

export function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The body as an object whose members are all in `known`; `dbName` may only be `default`. */
export function parseBody(body: unknown, known: readonly string[]): Body {
  if (!isObject(body)) {
    throw milvusError(BAD_JSON, 'can only accept json format request, error: body is no object');
  }
  refuseUnknown(body, [...known, 'dbName'], 'this endpoint');
  const { dbName } = body;
  if (dbName !== undefined && dbName !== 'default' && dbName !== '') {
    throw milvusError(800, `database not found[database=${String(dbName)}]`);
  }
  return body;
}

/** Refuses members that are not in `known`, by name. */
export function refuseUnknown(object: Body, known: readonly string[], where: string): void {
  for (const key of Object.keys(object)) {
    if (!known.includes(key) && object[key] !== undefined) {
      throw invalid(
        `unknown parameter "${key}" of ${where}; it is refused, because ignoring it could change the answer (known: ${known.join(', ')})`,
      );
    }
  }
}

export function missing(...names: readonly string[]): Error {
  return milvusError(
    MISSING,
    `missing required parameters, error: required parameters: [${names.join(', ')}]`,
  );
}

/** A member that must be text, or 1802 when it is absent. */
export function requiredText(body: Body, name: string): string {
  const value = body[name];
  if (value === undefined || value === null || value === '') throw missing(name);
  if (typeof value !== 'string') throw invalid(`"${name}" must be a string`);
  return value;
}

export function optionalText(body: Body, name: string, fallback = ''): string {
  const value = body[name];
  if (value === undefined || value === null) return fallback;
  if (typeof value !== 'string') throw invalid(`"${name}" must be a string`);
  return value;
}

export function optionalFlag(body: Body, name: string, fallback: boolean): boolean {
  const value = body[name];
  if (value === undefined || value === null) return fallback;
  if (typeof value !== 'boolean') throw invalid(`"${name}" must be a boolean`);
  return value;
}

/** A member that must be an object where it is given; `{}` where it is not. */
export function optionalObject(body: Body, name: string): Body {
  const value = body[name];
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw invalid(`"${name}" must be an object`);
  return value;
}

/** Milvus takes numbers of its type parameters as digits, too. */
export function wholeNumber(value: unknown): number | null {
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : null;
}

export function textList(body: Body, name: string): readonly string[] | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
    throw invalid(`"${name}" must be a list of strings`);
  }
  return value;
}

/** The name of a collection, checked as Milvus checks it. */
export function collectionName(body: Body, member = 'collectionName'): string {
  const name = requiredText(body, member);
  const wrong = (why: string) =>
    invalid(`Invalid collection name: ${name}. ${why}: invalid parameter`);
  if (name.length > MAX_NAME) {
    throw wrong('The length of a collection name must be less than 255 characters');
  }
  if (!/^[A-Za-z_]/.test(name)) {
    throw wrong('the first character of a collection name must be an underscore or letter');
  }
  if (!PLAIN_NAME.test(name)) {
    throw wrong('collection name can only contain numbers, letters and underscores');
  }
  return name;
}

/** `limit` and `offset` of a read; `what` is the form of the message. */
export function readWindow(
  body: Body,
  what: 'query' | 'search',
): { readonly limit: number; readonly offset: number } {
  const limit = body.limit ?? 100;
  const offset = body.offset ?? 0;
  if (typeof limit !== 'number' || !Number.isSafeInteger(limit)) {
    throw invalid('"limit" must be a whole number');
  }
  if (typeof offset !== 'number' || !Number.isSafeInteger(offset)) {
    throw invalid('"offset" must be a whole number');
  }
  if (what === 'query') checkQueryWindow(limit, offset);
  else checkSearchWindow(limit, offset);
  return { limit, offset };
}

function checkQueryWindow(limit: number, offset: number): void {
  const base = 'invalid max query result window';
  if (limit < 1) throw invalid(`${base}, limit [${limit}] is invalid, should be greater than 0`);
  if (offset < 0) throw invalid(`${base}, offset [${offset}] is invalid, should be gte than 0`);
  if (offset + limit > MAX_WINDOW) {
    throw invalid(
      `${base}, (offset+limit) should be in range [1, ${MAX_WINDOW}], but got ${offset + limit}`,
    );
  }
}

function checkSearchWindow(limit: number, offset: number): void {
  const range = `is invalid, top k should be in range [1, ${MAX_WINDOW}], but got`;
  if (limit < 1 || limit > MAX_WINDOW) throw invalid(`topk [${limit}] ${range} ${limit}`);
  if (offset < 0) throw invalid(`offset [${offset}] ${range} ${offset}`);
  if (offset + limit > MAX_WINDOW) {
    throw invalid(`offset+topk [${offset + limit}] ${range} ${offset + limit}`);
  }
}
