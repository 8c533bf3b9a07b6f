/**
 * Filter text to a tree, by recursive descent over the part of Milvus's grammar that is served:
 *
 *     or    = and { ("or" | "||") and }
 *     and   = test { ("and" | "&&") test }
 *     test  = unary [ compare unary | ["not"] "in" "[" literals "]" ]
 *     unary = ("not" | "!") unary | "-" number | "(" or ")" | literal | name
 *
 * `not` binds tighter than a comparison, so `not a == 1` is an error here as it is on the server.
 * Whatever else the grammar of Milvus has is refused by name: a condition that is ignored gives wrong
 * rows. The time is linear in the text and the depth of nesting is bounded.
 */
import { isInt64 } from '../int64.ts';
import {
  type CompareOp,
  type Expr,
  isOperand,
  type Literal,
  type Node,
  type Operand,
} from './ast.ts';
import { filterError, notBoolean } from './filter-error.ts';
import { type Token, tokenize } from './lexer.ts';

/** Characters of a filter: room for `id in [...]` with 16,384 keys. */
const MAX_LENGTH = 1_048_576;
const MAX_DEPTH = 128;

const COMPARE: readonly string[] = ['==', '!=', '<', '<=', '>', '>='];
const LATER_WORDS = new Set(['like', 'is', 'exists', 'between', 'match']);
const LATER_MARKS = new Set(['+', '-', '*', '/', '%', '**', '&', '|', '^', '<<', '>>', '=~', '!~']);

export function parseFilter(text: string): Expr {
  if (text.length > MAX_LENGTH) {
    throw filterError(text, MAX_LENGTH, `the filter is longer than ${MAX_LENGTH} characters`);
  }
  return new Parser(text).parse();
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokenize(text);
  }

  parse(): Expr {
    const node = this.#or();
    const rest = this.#peek();
    if (rest.kind !== 'end') throw this.#unexpected(rest);
    if (isOperand(node)) throw notBoolean(this.#text, typeName(node));
    return node;
  }

  #or(): Node {
    return this.#chain('or', '||', () => this.#chain('and', '&&', () => this.#test()));
  }

  #chain(word: 'and' | 'or', mark: string, item: () => Node): Node {
    const first = item();
    if (!this.#isWord(word) && !this.#isMark(mark)) return first;
    const items = [this.#condition(first, word)];
    while (this.#isWord(word) || this.#isMark(mark)) {
      this.#next += 1;
      items.push(this.#condition(item(), word));
    }
    return { kind: word, items, at: first.at };
  }

  #condition(node: Node, word: string): Expr {
    if (isOperand(node)) {
      throw filterError(
        this.#text,
        node.at,
        `'${word}' can only be used between boolean expressions`,
      );
    }
    return node;
  }

  #test(): Node {
    const left = this.#unary();
    const token = this.#peek();
    if (token.kind === 'mark' && COMPARE.includes(token.text)) return this.#compare(left, token);
    if (this.#isWord('in')) return this.#in(left, false);
    if (this.#isWord('not') && this.#isWord('in', 1)) {
      this.#next += 1;
      return this.#in(left, true);
    }
    return left;
  }

  #compare(left: Node, token: Token): Expr {
    this.#next += 1;
    const right = this.#unary();
    for (const side of [left, right]) {
      if (!isOperand(side)) {
        throw filterError(this.#text, side.at, 'comparisons between conditions are not supported');
      }
    }
    const after = this.#peek();
    if (after.kind === 'mark' && COMPARE.includes(after.text)) {
      throw filterError(
        this.#text,
        after.at,
        'chained comparisons are not supported: join two comparisons by "and"',
      );
    }
    const op = token.text as CompareOp;
    return { kind: 'compare', op, left: left as Operand, right: right as Operand, at: left.at };
  }

  #in(field: Node, negated: boolean): Expr {
    this.#next += 1;
    if (!isOperand(field) || field.kind !== 'field') {
      throw filterError(
        this.#text,
        field.at,
        "'term' can only be used on non-const expression: the left of 'in' must be a field",
      );
    }
    this.#expect('[');
    const values: Operand[] = [];
    while (!this.#isMark(']')) {
      const value = this.#unary();
      if (value.kind !== 'literal') {
        throw filterError(this.#text, value.at, "a list of 'in' holds literals only");
      }
      values.push(value);
      // A comma may stand after the last value, as on the server.
      if (!this.#isMark(']')) this.#expect(',');
    }
    this.#next += 1;
    return { kind: 'in', field, values, negated, at: field.at };
  }

  #unary(): Node {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) {
      throw filterError(this.#text, this.#peek().at, `nested deeper than ${MAX_DEPTH}`);
    }
    const node = this.#unaryInside();
    this.#depth -= 1;
    return node;
  }

  #unaryInside(): Node {
    const token = this.#take();
    if (isNot(token)) {
      const item = this.#unary();
      if (isOperand(item)) {
        throw filterError(
          this.#text,
          token.at,
          'not op can only be applied on boolean expression; write not (a == b)',
        );
      }
      return { kind: 'not', item, at: token.at };
    }
    if (token.kind === 'mark' && token.text === '-') return this.#negative(token);
    if (token.kind === 'mark' && token.text === '(') {
      const inside = this.#or();
      this.#expect(')');
      return inside;
    }
    return this.#primary(token);
  }

  #negative(sign: Token): Operand {
    const token = this.#take();
    const text = `-${token.text}`;
    if (token.kind === 'int') {
      return this.#literal({ type: 'int', value: -token.value }, text, sign.at);
    }
    if (token.kind === 'float') {
      return this.#literal({ type: 'float', value: -token.value }, text, sign.at);
    }
    throw filterError(this.#text, sign.at, 'unexpected op: -');
  }

  #primary(token: Token): Operand {
    switch (token.kind) {
      case 'int':
        return this.#literal({ type: 'int', value: token.value }, token.text, token.at);
      case 'float':
        return this.#literal({ type: 'float', value: token.value }, token.text, token.at);
      case 'string':
        return this.#literal({ type: 'string', value: token.value }, token.text, token.at);
      case 'bool':
        return this.#literal({ type: 'bool', value: token.value }, token.text, token.at);
      case 'name':
        return this.#field(token);
      default:
        throw this.#unexpected(token);
    }
  }

  #literal(literal: Literal, text: string, at: number): Operand {
    if (literal.type === 'int' && !isInt64(literal.value)) {
      throw filterError(this.#text, at, `parsing "${text}": value out of range`);
    }
    return { kind: 'literal', literal, text, at };
  }

  #field(token: Token): Operand {
    const word = token.text.toLowerCase();
    if (['and', 'or', 'in', 'not'].includes(word) || LATER_WORDS.has(word)) {
      throw this.#unexpected(token);
    }
    const after = this.#peek();
    if (after.kind === 'mark' && after.text === '(') {
      throw filterError(this.#text, token.at, `function "${token.text}" is not supported`);
    }
    if (token.text === '$meta' || (after.kind === 'mark' && after.text === '[')) {
      throw filterError(this.#text, after.at, 'paths into JSON are not supported');
    }
    return { kind: 'field', name: token.text, at: token.at };
  }

  #peek(ahead = 0): Token {
    const token = this.#tokens[this.#next + ahead] ?? this.#tokens.at(-1);
    if (token === undefined) throw filterError(this.#text, 0, 'the filter is empty');
    return token;
  }

  #take(): Token {
    const token = this.#peek();
    this.#next += 1;
    return token;
  }

  #isWord(word: 'and' | 'or' | 'in' | 'not', ahead = 0): boolean {
    const token = this.#peek(ahead);
    return token.kind === 'name' && (token.text === word || token.text === word.toUpperCase());
  }

  #isMark(mark: string): boolean {
    const token = this.#peek();
    return token.kind === 'mark' && token.text === mark;
  }

  #expect(mark: string): void {
    const token = this.#take();
    if (token.kind === 'mark' && token.text === mark) return;
    throw filterError(this.#text, token.at, `expecting '${mark}', found ${describe(token)}`);
  }

  #unexpected(token: Token): Error {
    const later =
      (token.kind === 'name' && LATER_WORDS.has(token.text.toLowerCase())) ||
      (token.kind === 'mark' && LATER_MARKS.has(token.text));
    return filterError(
      this.#text,
      token.at,
      later
        ? `'${token.text}' is not supported: a filter here has comparisons, in, and, or, not`
        : `unexpected ${describe(token)}`,
    );
  }
}

function isNot(token: Token): boolean {
  if (token.kind === 'mark') return token.text === '!';
  return token.kind === 'name' && (token.text === 'not' || token.text === 'NOT');
}

function describe(token: Token): string {
  return token.kind === 'end' ? 'the end' : `'${token.text}'`;
}

function typeName(node: Operand): string {
  if (node.kind === 'field') return `field ${node.name}`;
  return { int: 'Int64', float: 'Double', string: 'VarChar', bool: 'Bool' }[node.literal.type];
}
