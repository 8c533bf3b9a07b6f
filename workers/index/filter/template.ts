/**
 * Values for the `{name}` of a filter (`exprParams`). They come as data and stay data: whatever a value
 * holds, it is one literal or one list of literals, never a piece of the filter's text.
 */
import { milvusError } from '../../../src/shared/errors.ts';
import { isObject } from '../body.ts';
import { isInt64 } from '../int64.ts';
import type { Literal, LiteralNode } from './ast.ts';

export type TemplateValues = ReadonlyMap<string, Literal>;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** As many as the keys of one `in`. */
const MAX_ITEMS = 1_048_576;
const MAX_DEPTH = 16;

/** The member `exprParams` of a call; throws 1100 that names the value that no filter can take. */
export function parseTemplateValues(raw: unknown): TemplateValues {
  const values = new Map<string, Literal>();
  if (raw === undefined || raw === null) return values;
  if (!isObject(raw)) throw refused('exprParams must be an object of values by name');
  for (const [name, value] of Object.entries(raw)) {
    if (!NAME.test(name)) throw refused(`"${name}" cannot be the name of a template value`);
    values.set(name, literalOf(value, name, 0));
  }
  return values;
}

function literalOf(value: unknown, name: string, depth: number): Literal {
  switch (typeof value) {
    case 'string':
      return { type: 'string', value };
    case 'boolean':
      return { type: 'bool', value };
    case 'bigint':
      if (!isInt64(value)) throw refused(`the value of {${name}} is beyond 64 bits`);
      return { type: 'int', value };
    case 'number':
      return numberOf(value, name);
    default:
      if (!Array.isArray(value)) {
        throw refused(`the value of {${name}} is no number, text, boolean or list of them`);
      }
      return listOf(value, name, depth);
  }
}

function numberOf(value: number, name: string): Literal {
  if (!Number.isFinite(value)) throw refused(`the value of {${name}} is not finite`);
  // JSON does not tell 7 from 7.0: a whole number is an integer, as in the server's own reading.
  return Number.isSafeInteger(value)
    ? { type: 'int', value: BigInt(value) }
    : { type: 'float', value };
}

function listOf(values: readonly unknown[], name: string, depth: number): Literal {
  if (depth >= MAX_DEPTH) throw refused(`the value of {${name}} is nested too deep`);
  if (values.length > MAX_ITEMS) throw refused(`the value of {${name}} has too many items`);
  const items = values.map((value): LiteralNode => {
    const literal = literalOf(value, name, depth + 1);
    return { kind: 'literal', literal, text: textOf(literal), at: 0 };
  });
  return { type: 'list', items };
}

/** As it would be written, for errors. */
export function textOf(literal: Literal): string {
  if (literal.type === 'list') return `[${literal.items.map(({ text }) => text).join(', ')}]`;
  return literal.type === 'string' ? JSON.stringify(literal.value) : String(literal.value);
}

function refused(detail: string): Error {
  return milvusError(1100, `failed to create query plan: ${detail}`);
}
