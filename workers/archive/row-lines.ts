/**
 * Rows as lines of JSON: the declared fields but the vectors, in the schema's order, then the dynamic field
 * as `$meta` where the row has one. An Int64 is a string of digits.
 */
import type { DraftRow, StoredRow } from '../index/entity.ts';
import { parseRow } from '../index/entity.ts';
import type { StoredJson } from '../index/json.ts';
import { compareKeys, keyText, type PrimaryKey } from '../index/keys.ts';
import { type CollectionSpec, type FieldSpec, keyField } from '../index/schema.ts';
import { JsonTextError, jsonText, memberText, parseJsonText } from './json-text.ts';
import { archiveInvalid, MAX_ROWS } from './limits.ts';

/** Milvus's name of the dynamic field; no declared field can have it. */
const META = '$meta';
/** A value of a JSON field may be 64 deep, inside of the row's object. */
const MAX_DEPTH = 66;
const DIGITS = /^(?:0|-?[1-9]\d{0,18})$/;
/**
 * Generated keys are milliseconds times 2^18: this one is of the year 2527. One near the end of Int64 would
 * leave the store no key to generate after it.
 */
const MAX_GENERATED = 1n << 62n;
const NO_VECTORS: ReadonlyMap<string, Float32Array> = new Map();

/** The line of a row, without its end. */
export function rowLine(row: StoredRow, spec: CollectionSpec): string {
  const members = scalarFields(spec).map((field) =>
    memberText(field.name, valueText(field.primary ? row.key : row.values[field.name], field)),
  );
  if (row.dynamic !== null) members.push(memberText(META, jsonText(row.dynamic)));
  return `{${members.join(',')}}`;
}

function valueText(value: StoredJson | undefined, field: FieldSpec): string {
  if (value === undefined || value === null) return 'null';
  return field.type === 'Int64' ? `"${String(value)}"` : jsonText(value);
}

export function scalarFields(spec: CollectionSpec): readonly FieldSpec[] {
  return spec.fields.filter((field) => field.type !== 'FloatVector');
}

/** A row as it is stored, of a line that is no other's. */
export interface LineRow extends DraftRow {
  readonly key: PrimaryKey;
}

/** Lines to rows, one after the other; each is checked by the rules of an insert, and so is their order. */
export class RowReader {
  readonly #spec: CollectionSpec;
  readonly #scalars: CollectionSpec;
  readonly #where: string;
  #line = 0;
  #last: PrimaryKey | null = null;

  /** `where` names the entry in errors. */
  constructor(spec: CollectionSpec, where: string) {
    this.#spec = spec;
    // Vectors lie elsewhere: the store's parser must not miss them.
    this.#scalars = { ...spec, fields: scalarFields(spec) };
    this.#where = where;
  }

  /** Rows so far. */
  get count(): number {
    return this.#line;
  }

  /** The key of the last row; null before the first. */
  get last(): PrimaryKey | null {
    return this.#last;
  }

  /** Throws `archive_invalid`, which names the line. */
  read(line: string): LineRow {
    this.#line += 1;
    if (this.#line > MAX_ROWS) throw this.#refuse(`there are more than ${MAX_ROWS} rows`);
    const { key, values, dynamic } = this.#parse(line);
    if (key === null) throw this.#refuse('it has no key');
    if (this.#last !== null && compareKeys(this.#last, key) >= 0) {
      throw this.#refuse('its key is not above that of the line before');
    }
    if (this.#spec.autoId) this.#checkGenerated(key);
    this.#last = key;
    return { key, values, dynamic };
  }

  #refuse(what: string, cause?: unknown): Error {
    return archiveInvalid(`${this.#where} line ${this.#line}`, what, cause);
  }

  #parse(line: string): DraftRow {
    try {
      const raw = this.#flat(parseJsonText(line, MAX_DEPTH));
      return parseRow(raw, this.#line, this.#scalars, 'upsert', NO_VECTORS);
    } catch (error) {
      if (error instanceof JsonTextError) throw this.#refuse(`it ${error.message}`);
      throw this.#refuse((error as Error).message, error);
    }
  }

  /** The row as a caller would hand it over: keys of the dynamic field beside the declared ones. */
  #flat(value: StoredJson): { readonly [name: string]: StoredJson } {
    if (!isObject(value)) throw new JsonTextError('is no object');
    const { [META]: meta, ...row } = value;
    for (const [name, member] of Object.entries(row)) this.#checkMember(name, member);
    if (meta === undefined) return row;
    if (!isObject(meta) || Object.keys(meta).length === 0) {
      throw new JsonTextError(`has a ${META} that is no object with members`);
    }
    const taken = Object.keys(meta).find((name) => this.#spec.fields.some((f) => f.name === name));
    if (taken !== undefined) {
      throw new JsonTextError(`has the declared field "${taken}" in ${META}`);
    }
    return { ...row, ...meta };
  }

  #checkMember(name: string, member: StoredJson): void {
    const field = this.#scalars.fields.find((each) => each.name === name);
    if (field === undefined) {
      throw new JsonTextError(`has ${JSON.stringify(name)}, which is no field of the schema`);
    }
    if (member === null && field.nullable === true) return;
    if (field.type === 'Int64' && !(typeof member === 'string' && DIGITS.test(member))) {
      throw new JsonTextError(`has an Int64 in field ${name} that is no string of digits`);
    }
  }

  #checkGenerated(key: PrimaryKey): void {
    const { name } = keyField(this.#spec);
    const digits = typeof key === 'bigint' ? key.toString() : key;
    if (!DIGITS.test(digits) || BigInt(digits) < 0n || BigInt(digits) > MAX_GENERATED) {
      throw this.#refuse(`the key ${name} of a row is none that is generated (autoID)`);
    }
  }
}

function isObject(value: StoredJson): value is { readonly [name: string]: StoredJson } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The largest of generated keys, as a number that the store counts on from. */
export function generatedKey(key: PrimaryKey): bigint {
  return BigInt(keyText(key));
}
