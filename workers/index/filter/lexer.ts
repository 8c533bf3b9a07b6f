/** Filter text to tokens, in one pass. */
import { filterError } from './filter-error.ts';

export type Token =
  | { readonly kind: 'name'; readonly text: string; readonly at: number }
  | { readonly kind: 'int'; readonly value: bigint; readonly text: string; readonly at: number }
  | { readonly kind: 'float'; readonly value: number; readonly text: string; readonly at: number }
  | { readonly kind: 'string'; readonly value: string; readonly text: string; readonly at: number }
  | { readonly kind: 'bool'; readonly value: boolean; readonly text: string; readonly at: number }
  | { readonly kind: 'mark'; readonly text: string; readonly at: number }
  | { readonly kind: 'end'; readonly text: string; readonly at: number };

/** Longest first, so that `>=` is not read as `>`. Marks of the grammar that are not served are tokens, too: the parser names them. */
const MARKS = [
  ['**', '==', '!=', '<=', '>=', '&&', '||', '<<', '>>', '=~', '!~'],
  ['<', '>', '(', ')', '[', ']', ',', '-', '+', '*', '/', '%', '&', '|', '^', '~', '!', '{', '}'],
];

const SPACE = /[ \t\r\n\f]+/y;
const NAME = /\$meta|[A-Za-z_][A-Za-z0-9_]*/y;
const FLOAT = /(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+/y;
const INT = /0[xX][0-9a-fA-F]+|0[bB][01]+|\d+/y;
const TRUE = new Set(['true', 'True', 'TRUE']);
const FALSE = new Set(['false', 'False', 'FALSE']);

/** Longest run of digits that is read; Int64 has 19, a binary literal 66 characters. */
const MAX_DIGITS = 80;

export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = skip(text, 0);
  while (at < text.length) {
    const token = tokenAt(text, at);
    tokens.push(token);
    at = skip(text, at + token.text.length);
  }
  tokens.push({ kind: 'end', text: '', at: text.length });
  return tokens;
}

function skip(text: string, at: number): number {
  return at + match(SPACE, text, at).length;
}

function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

function tokenAt(text: string, at: number): Token {
  const first = text.charAt(at);
  if (isQuote(first)) return stringAt(text, at);
  if ((first === 'r' || first === 'R') && isQuote(text.charAt(at + 1))) return rawAt(text, at);
  const name = match(NAME, text, at);
  if (name !== '') return nameToken(name, at);
  const float = match(FLOAT, text, at);
  if (float !== '') return floatToken(text, float, at);
  const int = match(INT, text, at);
  if (int !== '') return { kind: 'int', value: intValue(text, int, at), text: int, at };
  for (const marks of MARKS) {
    const mark = marks.find((each) => text.startsWith(each, at));
    if (mark !== undefined) return { kind: 'mark', text: mark, at };
  }
  throw filterError(text, at, `token recognition error at: '${first}'`);
}

function isQuote(character: string): boolean {
  return character === '"' || character === "'";
}

/** `r"..."`: nothing in it is an escape. */
function rawAt(text: string, at: number): Token {
  const end = text.indexOf(text.charAt(at + 1), at + 2);
  const value = text.slice(at + 2, end);
  if (end < 0 || value.includes('\n')) {
    throw filterError(text, at, 'the string has no closing quote');
  }
  return { kind: 'string', value, text: text.slice(at, end + 1), at };
}

function nameToken(text: string, at: number): Token {
  if (TRUE.has(text)) return { kind: 'bool', value: true, text, at };
  if (FALSE.has(text)) return { kind: 'bool', value: false, text, at };
  return { kind: 'name', text, at };
}

function floatToken(text: string, digits: string, at: number): Token {
  const value = Number(digits);
  if (!Number.isFinite(value)) throw filterError(text, at, `value out of range: ${digits}`);
  return { kind: 'float', value, text: digits, at };
}

/** `07` is octal, as in Go. */
function intValue(text: string, digits: string, at: number): bigint {
  if (digits.length > MAX_DIGITS) throw filterError(text, at, `value out of range: ${digits}`);
  if (!/^0\d/.test(digits)) return BigInt(digits);
  const octal = digits.replace(/^0+/, '');
  if (/[89]/.test(octal)) throw filterError(text, at, `invalid octal number: ${digits}`);
  return octal === '' ? 0n : BigInt(`0o${octal}`);
}

const ESCAPES: { readonly [mark: string]: string } = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
  '?': '?',
};
const CODE = /x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}/y;

function stringAt(text: string, at: number): Token {
  const quote = text.charAt(at);
  let value = '';
  let from = at + 1;
  for (;;) {
    const character = text.charAt(from);
    if (character === '' || character === '\n') {
      throw filterError(text, at, 'the string has no closing quote');
    }
    if (character === quote) break;
    if (character !== '\\') {
      value += character;
      from += 1;
      continue;
    }
    const escaped = escapeAt(text, from);
    value += escaped.value;
    from += escaped.length;
  }
  return { kind: 'string', value, text: text.slice(at, from + 1), at };
}

function escapeAt(text: string, at: number): { readonly value: string; readonly length: number } {
  const next = text.charAt(at + 1);
  const simple = ESCAPES[next];
  if (simple !== undefined) return { value: simple, length: 2 };
  // Of `like`: the backslash stays, so that the pattern takes the sign after it as it stands.
  if (next === '%' || next === '_') return { value: `\\${next}`, length: 2 };
  const code = match(CODE, text, at + 1);
  if (code === '') throw filterError(text, at, `unknown escape: ${text.slice(at, at + 2)}`);
  const point = /^[0-7]/.test(code) ? Number.parseInt(code, 8) : Number.parseInt(code.slice(1), 16);
  if (point > 0x10ffff) throw filterError(text, at, `no such character: \\${code}`);
  return { value: String.fromCodePoint(point), length: code.length + 1 };
}
