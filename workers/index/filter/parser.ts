/**
 * Filter text to a tree, by recursive descent over Milvus's grammar (Plan.g4), without its spatial,
 * struct, bitwise and time parts, which are refused by name:
 *
 *     or       = and { ("or" | "||") and }
 *     and      = test { ("and" | "&&") test }
 *     test     = sum [ compare sum [ compare sum ] | ["not"] "in" list | "like" string
 *                    | "is" ["not"] "null" ]
 *     sum      = product { ("+" | "-") product }
 *     product  = unary { ("*" | "/" | "%") unary }
 *     unary    = ("not" | "!") unary | "-" number | "exists" field | "(" or ")" | primary
 *     primary  = literal | list | "{" name "}" | function "(" ... ")" | name { "[" key "]" }
 *
 * `not` binds tighter than a comparison, so `not a == 1` is an error here as it is on the server. The
 * time is linear in the text and the depth of nesting is bounded.
 */
import { isInt64 } from '../int64.ts';
import {
  type ArithmeticOp,
  type CompareOp,
  type ContainsMode,
  conditionOf,
  type Expr,
  type FieldNode,
  isOperand,
  type Literal,
  type LiteralNode,
  type Node,
  type Operand,
  typeName,
} from './ast.ts';
import { filterError, notBoolean } from './filter-error.ts';
import { fold } from './fold.ts';
import type { Token } from './lexer.ts';
import { type TemplateValues, textOf } from './template.ts';
import { describe, isNot, Tokens } from './tokens.ts';

/** Characters of a filter: room for `id in [...]` with 16,384 keys. */
const MAX_LENGTH = 1_048_576;
const MAX_DEPTH = 128;

const COMPARE: readonly string[] = ['==', '!=', '<', '<=', '>', '>='];
const ASCENDING: readonly string[] = ['<', '<='];
const DESCENDING: readonly string[] = ['>', '>='];
const SUMS: readonly string[] = ['+', '-'];
const PRODUCTS: readonly string[] = ['*', '/', '%'];
const REFUSED: readonly string[] = ['**', '&', '|', '^', '<<', '>>', '=~', '!~', '~'];
const WORDS = new Set(['and', 'or', 'in', 'not', 'like', 'is', 'exists']);

const CONTAINS: { readonly [name: string]: ContainsMode } = {
  json_contains: 'one',
  json_contains_all: 'all',
  json_contains_any: 'any',
  array_contains: 'one',
  array_contains_all: 'all',
  array_contains_any: 'any',
};

/** The tree of a filter; `values` stand for its `{name}`. Throws 1100 with line and column. */
export function parseFilter(text: string, values: TemplateValues = new Map()): Expr {
  if (text.length > MAX_LENGTH) {
    throw filterError(text, MAX_LENGTH, `the filter is longer than ${MAX_LENGTH} characters`);
  }
  return new Parser(text, values).parse();
}

class Parser {
  readonly #text: string;
  readonly #tokens: Tokens;
  readonly #values: TemplateValues;
  #depth = 0;

  constructor(text: string, values: TemplateValues) {
    this.#text = text;
    this.#tokens = new Tokens(text);
    this.#values = values;
  }

  parse(): Expr {
    const node = this.#or();
    const rest = this.#tokens.peek();
    if (rest.kind !== 'end') throw this.#unexpected(rest);
    const condition = conditionOf(node);
    if (condition === null) throw notBoolean(this.#text, typeName(node as Operand));
    return condition;
  }

  #or(): Node {
    return this.#chain('or', '||', () => this.#chain('and', '&&', () => this.#test()));
  }

  #chain(word: 'and' | 'or', mark: string, item: () => Node): Node {
    const tokens = this.#tokens;
    const first = item();
    if (!tokens.isWord(word) && !tokens.isMark(mark)) return first;
    const items = [this.#condition(first, word)];
    while (tokens.isWord(word) || tokens.isMark(mark)) {
      tokens.take();
      items.push(this.#condition(item(), word));
    }
    return { kind: word, items, at: first.at };
  }

  #condition(node: Node, word: string): Expr {
    const condition = conditionOf(node);
    if (condition !== null) return condition;
    const detail = `'${word}' can only be used between boolean expressions`;
    throw filterError(this.#text, node.at, detail);
  }

  #test(): Node {
    const tokens = this.#tokens;
    const left = this.#sum();
    const token = tokens.peek();
    if (token.kind === 'mark' && COMPARE.includes(token.text)) return this.#compare(left);
    if (tokens.isWord('in')) return this.#in(left, false);
    if (tokens.isWord('not') && tokens.isWord('in', 1)) {
      tokens.take();
      return this.#in(left, true);
    }
    if (tokens.isWord('like')) return this.#like(left);
    if (tokens.isWord('is')) return this.#null(left);
    return left;
  }

  #compare(left: Node): Expr {
    const op = this.#tokens.take().text as CompareOp;
    const right = this.#sum();
    const first = this.#comparison(op, left, right);
    const after = this.#tokens.peek();
    if (after.kind !== 'mark' || !COMPARE.includes(after.text)) return first;
    return this.#range(first, right, after);
  }

  #comparison(op: CompareOp, left: Node, right: Node): Expr {
    for (const side of [left, right]) {
      if (!isOperand(side)) {
        const detail = 'comparisons between conditions are not supported';
        throw filterError(this.#text, side.at, detail);
      }
    }
    return { kind: 'compare', op, left: left as Operand, right: right as Operand, at: left.at };
  }

  /** `1 < x <= 5`: constants at both ends, one direction. */
  #range(first: Expr, middle: Node, second: Token): Expr {
    const op = second.text;
    const isOneWay =
      first.kind === 'compare' &&
      [ASCENDING, DESCENDING].some((way) => way.includes(first.op) && way.includes(op));
    if (!isOneWay || first.left.kind !== 'literal' || middle.kind !== 'field') {
      const detail = 'a chained comparison is constant < field < constant, or with > twice';
      throw filterError(this.#text, second.at, detail);
    }
    this.#tokens.take();
    const last = this.#sum();
    if (last.kind !== 'literal') throw filterError(this.#text, last.at, 'a constant is expected');
    const items = [first, this.#comparison(op as CompareOp, middle, last)];
    return { kind: 'and', items, at: first.at };
  }

  #in(field: Node, negated: boolean): Expr {
    this.#tokens.take();
    if (field.kind !== 'field') {
      throw filterError(
        this.#text,
        field.at,
        "'term' can only be used on non-const expression: the left of 'in' must be a field",
      );
    }
    const list = this.#list("'in'");
    return { kind: 'in', field, values: list, negated, at: field.at };
  }

  /** A list, written or given for a `{name}`. */
  #list(whose: string): readonly LiteralNode[] {
    const token = this.#tokens.take();
    const isOpen = token.kind === 'mark' && (token.text === '[' || token.text === '{');
    if (!isOpen) {
      throw filterError(this.#text, token.at, `expecting '[', found ${describe(token)}`);
    }
    const { literal, at } = token.text === '[' ? this.#items(token) : this.#template(token);
    if (literal.type !== 'list') throw filterError(this.#text, at, `${whose} needs a list`);
    return literal.items;
  }

  /** After the `[`. A comma may stand after the last value, as on the server. */
  #items(open: Token): LiteralNode {
    const tokens = this.#tokens;
    const items: LiteralNode[] = [];
    while (!tokens.isMark(']')) {
      const value = this.#sum();
      if (value.kind !== 'literal') {
        throw filterError(this.#text, value.at, 'a list holds literals only');
      }
      items.push(value);
      if (!tokens.isMark(']')) tokens.expect(',');
    }
    tokens.take();
    const literal: Literal = { type: 'list', items };
    return { kind: 'literal', literal, text: '[...]', at: open.at };
  }

  #like(field: Node): Expr {
    this.#tokens.take();
    if (field.kind !== 'field') {
      const detail = 'like operation on complicated expr is unsupported';
      throw filterError(this.#text, field.at, detail);
    }
    const pattern = this.#unary();
    if (pattern.kind !== 'literal' || pattern.literal.type !== 'string') {
      throw filterError(this.#text, pattern.at, 'mismatched input: like expects a string literal');
    }
    return { kind: 'like', field, pattern: pattern.literal.value, at: field.at };
  }

  #null(field: Node): Expr {
    const tokens = this.#tokens;
    tokens.take();
    const negated = tokens.isWord('not');
    if (negated) tokens.take();
    tokens.expectWord('null');
    if (field.kind === 'field') return { kind: 'null', field, negated, at: field.at };
    throw filterError(this.#text, field.at, "'is null' can only be used on a field");
  }

  #sum(): Node {
    return this.#arithmetic(SUMS, () => this.#arithmetic(PRODUCTS, () => this.#unary()));
  }

  #arithmetic(marks: readonly string[], item: () => Node): Node {
    let left = item();
    for (;;) {
      const { kind, text } = this.#tokens.peek();
      if (kind !== 'mark' || !marks.includes(text)) return left;
      this.#tokens.take();
      const right = item();
      if (!isOperand(left) || !isOperand(right)) {
        throw filterError(this.#text, left.at, 'arithmetic on conditions is not supported');
      }
      left = fold(this.#text, text as ArithmeticOp, left, right);
    }
  }

  #unary(): Node {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) {
      throw filterError(this.#text, this.#tokens.peek().at, `nested deeper than ${MAX_DEPTH}`);
    }
    const node = this.#unaryInside();
    this.#depth -= 1;
    return node;
  }

  #unaryInside(): Node {
    const tokens = this.#tokens;
    const isExists = tokens.isWord('exists');
    const token = tokens.take();
    if (isNot(token)) return this.#not(token);
    if (isExists) return { kind: 'exists', field: this.#fieldOf("'exists'"), at: token.at };
    if (token.kind !== 'mark') return this.#primary(token);
    switch (token.text) {
      case '-':
        return this.#negative(token);
      case '(': {
        const inside = this.#or();
        tokens.expect(')');
        return inside;
      }
      case '[':
        return this.#items(token);
      case '{':
        return this.#template(token);
      default:
        throw this.#unexpected(token);
    }
  }

  #not(token: Token): Expr {
    const item = conditionOf(this.#unary());
    if (item !== null) return { kind: 'not', item, at: token.at };
    throw filterError(
      this.#text,
      token.at,
      'not op can only be applied on boolean expression; write not (a == b)',
    );
  }

  #negative(sign: Token): Operand {
    const token = this.#tokens.take();
    const text = `-${token.text}`;
    if (token.kind === 'int') {
      return this.#literal({ type: 'int', value: -token.value }, text, sign.at);
    }
    if (token.kind === 'float') {
      return this.#literal({ type: 'float', value: -token.value }, text, sign.at);
    }
    throw filterError(this.#text, sign.at, 'unexpected op: -');
  }

  #primary(token: Token): Node {
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
        return this.#tokens.isMark('(') ? this.#call(token) : this.#field(token);
      default:
        throw this.#unexpected(token);
    }
  }

  #literal(literal: Literal, text: string, at: number): LiteralNode {
    if (literal.type === 'int' && !isInt64(literal.value)) {
      throw filterError(this.#text, at, `parsing "${text}": value out of range`);
    }
    return { kind: 'literal', literal, text, at };
  }

  /** After the `{`. */
  #template(open: Token): LiteralNode {
    const token = this.#tokens.take();
    if (token.kind !== 'name') {
      const detail = `expecting the name of a template value, found ${describe(token)}`;
      throw filterError(this.#text, token.at, detail);
    }
    this.#tokens.expect('}');
    const literal = this.#values.get(token.text);
    if (literal !== undefined)
      return { kind: 'literal', literal, text: textOf(literal), at: open.at };
    throw filterError(this.#text, open.at, `the value of {${token.text}} is not given`);
  }

  #call(token: Token): Node {
    const name = token.text === token.text.toUpperCase() ? token.text.toLowerCase() : token.text;
    const mode = Object.hasOwn(CONTAINS, name) ? CONTAINS[name] : undefined;
    if (mode === undefined && name !== 'array_length') {
      throw filterError(this.#text, token.at, `function "${token.text}" is not supported`);
    }
    this.#tokens.take();
    const field = this.#fieldOf(`"${token.text}"`);
    if (mode === undefined) {
      this.#tokens.expect(')');
      return { kind: 'length', field, at: token.at };
    }
    this.#tokens.expect(',');
    const values = this.#contained(mode);
    this.#tokens.expect(')');
    return { kind: 'contains', mode, field, values, at: token.at };
  }

  #contained(mode: ContainsMode): readonly LiteralNode[] {
    const value = this.#sum();
    if (value.kind !== 'literal') throw filterError(this.#text, value.at, 'a literal is expected');
    if (mode === 'one') return [value];
    if (value.literal.type === 'list') return value.literal.items;
    const detail = `contains_${mode} operation element must be an array`;
    throw filterError(this.#text, value.at, detail);
  }

  #fieldOf(whose: string): FieldNode {
    const token = this.#tokens.take();
    if (token.kind === 'name') return this.#field(token);
    const detail = `${whose} needs a field, found ${describe(token)}`;
    throw filterError(this.#text, token.at, detail);
  }

  #field(token: Token): FieldNode {
    if (WORDS.has(token.text.toLowerCase())) throw this.#unexpected(token);
    const tokens = this.#tokens;
    const path: (string | number)[] = [];
    while (tokens.isMark('[')) {
      tokens.take();
      path.push(this.#key(tokens.take()));
      tokens.expect(']');
    }
    return { kind: 'field', name: token.text, path, at: token.at };
  }

  #key(token: Token): string | number {
    if (token.kind === 'string') return token.value;
    if (token.kind === 'int' && token.value <= 0xffffffffn) return Number(token.value);
    const detail = `expecting a key in quotes or a position, found ${describe(token)}`;
    throw filterError(this.#text, token.at, detail);
  }

  #unexpected(token: Token): Error {
    const detail =
      token.kind === 'mark' && REFUSED.includes(token.text)
        ? `'${token.text}' is not supported`
        : `unexpected ${describe(token)}`;
    return filterError(this.#text, token.at, detail);
  }
}
