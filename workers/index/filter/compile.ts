/**
 * A filter tree to a predicate over stored rows, after checking it against the schema. The type rules
 * are those recorded on a Milvus server:
 *
 * - an integer field refuses a float literal (`n == 7.0`), a float field takes both;
 * - a declared field compares with its own kind only; two fields compare when both are numbers, both
 *   are strings or both are booleans;
 * - strings compare by UTF-8 bytes;
 * - what lies in JSON, and a dynamic key, compares with the literal's kind: where it is absent, null or
 *   of another kind the row fails `==`, `<`, `in`, `like` and satisfies `!=`, `not in` and `not (...)`;
 * - a declared field that is null makes a condition neither true nor false, as in SQL: `not` leaves it so.
 */
import type { StoredRow } from '../entity.ts';
import type { StoredJson } from '../json.ts';
import type { CollectionSpec } from '../schema.ts';
import { arithmeticOf } from './arithmetic.ts';
import type {
  CompareExpr,
  CompareOp,
  ContainsExpr,
  Expr,
  FieldNode,
  InExpr,
  LikeExpr,
  Literal,
  LiteralNode,
  Operand,
} from './ast.ts';
import { LITERAL_TYPES, typeName } from './ast.ts';
import { type Bound, bindField, type Kind } from './bound.ts';
import { filterError } from './filter-error.ts';
import { likeTest } from './like.ts';
import { type Keys, namedKeys } from './named-keys.ts';
import { parseFilter } from './parser.ts';
import {
  areComparable,
  compareScalars,
  HOLDS,
  isScalar,
  jsonEquals,
  MIRROR,
  memberTest,
  plainValue,
} from './scalars.ts';
import type { TemplateValues } from './template.ts';

export interface CompiledFilter {
  readonly test: (row: StoredRow) => boolean;
  /** The only primary keys that can match, when the filter says so; else null. */
  readonly keys: Keys | null;
  /** True when the filter is nothing but that list of keys. */
  readonly keysOnly: boolean;
}

/** Null: neither, because a declared field is null. */
type Truth = boolean | null;
type Predicate = (row: StoredRow) => Truth;

/** `values` stand for the `{name}` of the text. Throws 1100 with line and column. */
export function compileFilter(
  text: string,
  spec: CollectionSpec,
  values: TemplateValues = new Map(),
): CompiledFilter {
  const tree = parseFilter(text, values);
  const keys = namedKeys(tree, spec);
  const keysOnly = keys !== null && tree.kind !== 'and';
  const predicate = new Compiler(text, spec).compile(tree);
  return { test: (row) => predicate(row) === true, keys, keysOnly };
}

class Compiler {
  readonly #text: string;
  readonly #spec: CollectionSpec;

  constructor(text: string, spec: CollectionSpec) {
    this.#text = text;
    this.#spec = spec;
  }

  compile(expr: Expr): Predicate {
    switch (expr.kind) {
      case 'constant':
        return () => expr.value;
      case 'and':
        return joined(this.#each(expr.items), false);
      case 'or':
        return joined(this.#each(expr.items), true);
      case 'not':
        return not(this.compile(expr.item));
      case 'compare':
        return this.#compare(expr);
      case 'in':
        return this.#in(expr);
      case 'like':
        return this.#like(expr);
      case 'contains':
        return this.#contains(expr);
      case 'exists':
        return this.#exists(expr.field);
      case 'null':
        return this.#null(expr.field, expr.negated);
    }
  }

  #each(items: readonly Expr[]): readonly Predicate[] {
    return items.map((item) => this.compile(item));
  }

  #bind(node: FieldNode): Bound {
    return bindField(this.#text, node, this.#spec);
  }

  #fail(at: number, detail: string): Error {
    return filterError(this.#text, at, detail);
  }

  #compare({ left, right, op, at }: CompareExpr): Predicate {
    if (left.kind === 'literal') {
      if (right.kind !== 'literal') return this.#compareWith(right, left, MIRROR[op]);
      return this.#compareConstants(left, right, op);
    }
    if (right.kind === 'literal') return this.#compareWith(left, right, op);
    if (left.kind === 'field' && right.kind === 'field') {
      return this.#compareFields(this.#bind(left), this.#bind(right), op, at);
    }
    throw this.#fail(at, 'a comparison has a constant, or two fields');
  }

  #compareConstants(left: LiteralNode, right: LiteralNode, op: CompareOp): Predicate {
    const [a, b] = [plainValue(left.literal), plainValue(right.literal)];
    if (!isScalar(a) || !isScalar(b) || !areComparable(a, b)) throw this.#unlike(left, right);
    this.#checkOrder(left, op);
    const holds = HOLDS[op](compareScalars(a, b));
    return () => holds;
  }

  #unlike(left: Operand, right: Operand): Error {
    return this.#fail(
      left.at,
      `comparisons between ${typeName(left)} and ${typeName(right)} are not supported`,
    );
  }

  #checkOrder({ literal, at }: LiteralNode, op: CompareOp): void {
    if (literal.type === 'bool' && op !== '==' && op !== '!=') {
      throw this.#fail(at, `booleans have no order: ${op}`);
    }
  }

  #compareWith(operand: Exclude<Operand, LiteralNode>, node: LiteralNode, op: CompareOp) {
    this.#checkOrder(node, op);
    switch (operand.kind) {
      case 'field':
        return this.#compareField(this.#bind(operand), node, op);
      case 'length':
        this.#checkNumber(operand, node);
        return comparison(this.#lengthOf(operand.field), node.literal, op);
      case 'arithmetic': {
        this.#checkNumber(operand, node);
        const { read, kind } = this.#bind(operand.field);
        const compute = arithmeticOf(this.#text, operand, this.#bind(operand.field));
        const whenNull = kind === 'json' ? undefined : null;
        return comparison(
          (row) => {
            const own = read(row);
            return own === null ? whenNull : compute(own);
          },
          node.literal,
          op,
        );
      }
    }
  }

  #checkNumber(operand: Operand, node: LiteralNode): void {
    const { type } = node.literal;
    if (type !== 'int' && type !== 'float') throw this.#unlike(operand, node);
  }

  #compareField(field: Bound, node: LiteralNode, op: CompareOp): Predicate {
    this.#checkLiteral(field, node);
    if (field.kind === 'array') return this.#compareArray(field, node, op);
    if (field.kind !== 'json') return comparison(field.read, node.literal, op);
    const { read } = field;
    const own = (row: StoredRow) => read(row) ?? undefined;
    if (node.literal.type !== 'list') return comparison(own, node.literal, op);
    if (op !== '==' && op !== '!=') {
      throw this.#fail(node.at, 'can not comparisons array fields directly');
    }
    const wanted = plainValue(node.literal);
    return (row) => jsonEquals(own(row), wanted) === (op === '==');
  }

  #compareArray({ read, element }: Bound, node: LiteralNode, op: CompareOp): Predicate {
    const { literal, text, at } = node;
    const isOfKind =
      literal.type === 'list' &&
      literal.items.every((item) => element && accepts(element.kind, item.literal.type));
    if (!isOfKind) throw this.#fail(at, `cannot cast value to Array, value: ${text}`);
    if (op !== '==' && op !== '!=') {
      throw this.#fail(at, 'can not comparisons array fields directly');
    }
    const wanted = plainValue(literal);
    return (row) => {
      const own = read(row);
      return own === null ? null : jsonEquals(own, wanted) === (op === '==');
    };
  }

  #checkLiteral(field: Bound, node: LiteralNode): void {
    if (field.kind === 'array') return;
    if (field.whole) throw this.#fail(node.at, 'can not comparisons jsonField directly');
    const { type } = node.literal;
    if (field.kind === 'int' && type === 'float') {
      const detail = `cannot cast value to ${field.type}, value: float_val:${node.text}`;
      throw this.#fail(node.at, detail);
    }
    if (!accepts(field.kind, type)) {
      const detail = `comparisons between ${field.type} and ${LITERAL_TYPES[type]} are not supported`;
      throw this.#fail(node.at, detail);
    }
  }

  #compareFields(left: Bound, right: Bound, op: CompareOp, at: number): Predicate {
    const numbers = isNumber(left.kind) && isNumber(right.kind);
    const same = left.kind === right.kind && SCALAR.has(left.kind);
    if (!numbers && !same) {
      const detail = `comparisons between ${left.type} and ${right.type} are not supported`;
      throw this.#fail(at, detail);
    }
    if (left.kind === 'bool' && op !== '==' && op !== '!=') {
      throw this.#fail(at, `booleans have no order: ${op}`);
    }
    const holds = HOLDS[op];
    return (row) => {
      const a = left.read(row);
      const b = right.read(row);
      return isScalar(a) && isScalar(b) ? holds(compareScalars(a, b)) : null;
    };
  }

  #in({ field: node, values, negated }: InExpr): Predicate {
    const field = this.#bind(node);
    if (field.whole) throw this.#fail(node.at, 'can not comparisons jsonField directly');
    for (const { literal, text, at } of values) {
      if (accepts(field.kind, literal.type)) continue;
      throw this.#fail(at, `value '${text}' in list cannot be casted to ${field.type}`);
    }
    const isMember = memberTest(values.map(({ literal }) => plainValue(literal)));
    const absent = field.kind === 'json' ? negated : null;
    return (row) => {
      const own = field.read(row);
      return own === undefined || own === null ? absent : isMember(own) !== negated;
    };
  }

  #like({ field: node, pattern }: LikeExpr): Predicate {
    const field = this.#bind(node);
    if (field.whole || (field.kind !== 'string' && field.kind !== 'json')) {
      const detail = 'like operation on non-string or no-json field is unsupported';
      throw this.#fail(node.at, detail);
    }
    const matches = likeTest(pattern);
    const absent = field.kind === 'json' ? false : null;
    return (row) => {
      const own = field.read(row);
      if (typeof own === 'string') return matches(own);
      return own === undefined || own === null ? absent : false;
    };
  }

  #contains({ field: node, values, mode }: ContainsExpr): Predicate {
    const field = this.#bind(node);
    this.#checkContained(field, node, values);
    const tests = values.map(({ literal }) => memberTest([plainValue(literal)]));
    const any = memberTest(values.map(({ literal }) => plainValue(literal)));
    return (row) => {
      const own = field.read(row);
      if (!Array.isArray(own)) return field.kind === 'array' ? null : false;
      return mode === 'all' ? tests.every((test) => own.some(test)) : own.some(any);
    };
  }

  #checkContained(field: Bound, { name, at }: FieldNode, values: readonly LiteralNode[]): void {
    if (field.kind === 'json') return;
    const { element } = field;
    if (element === undefined) {
      const detail = `contains operation are only supported on json or array fields now, got: ${name}`;
      throw this.#fail(at, detail);
    }
    for (const { literal } of values) {
      const isNumeric = literal.type === 'int' || literal.type === 'float';
      if (accepts(element.kind, literal.type) || (isNumeric && isNumber(element.kind))) continue;
      const detail = `contains operation can't compare between array element type: ${element.type} and ${LITERAL_TYPES[literal.type]}`;
      throw this.#fail(at, detail);
    }
  }

  #lengthOf(node: FieldNode): (row: StoredRow) => number | null | undefined {
    const { kind, read } = this.#bind(node);
    if (kind !== 'json' && kind !== 'array') {
      const detail = `array_length operation are only supported on json or array fields now, got: ${node.name}`;
      throw this.#fail(node.at, detail);
    }
    return (row) => {
      const own = read(row);
      if (Array.isArray(own)) return own.length;
      return own === null && kind === 'array' ? null : undefined;
    };
  }

  #exists(node: FieldNode): Predicate {
    const { kind, read, type } = this.#bind(node);
    if (kind !== 'json') {
      const detail = `exists operations are only supported on json field, got: ${type}`;
      throw this.#fail(node.at, detail);
    }
    return (row) => (read(row) ?? null) !== null;
  }

  #null(node: FieldNode, negated: boolean): Predicate {
    const { kind, read, type } = this.#bind(node);
    if (kind === 'vector') throw this.#fail(node.at, `'is null' has no meaning for a ${type}`);
    return (row) => ((read(row) ?? null) === null) !== negated;
  }
}

/**
 * A value beside a literal. Undefined: absent, or nothing that compares; then `!=` alone is satisfied.
 * Null: a declared field that is null.
 */
function comparison(
  read: (row: StoredRow) => StoredJson | undefined,
  literal: Literal,
  op: CompareOp,
): Predicate {
  const value = plainValue(literal);
  const holds = HOLDS[op];
  const absent = op === '!=';
  return (row) => {
    const own = read(row);
    if (own === null) return null;
    if (!isScalar(own) || !isScalar(value) || !areComparable(own, value)) return absent;
    return holds(compareScalars(own, value));
  };
}

const SCALAR: ReadonlySet<Kind> = new Set(['int', 'float', 'string', 'bool']);

function isNumber(kind: Kind): boolean {
  return kind === 'int' || kind === 'float';
}

function accepts(field: Kind, literal: Literal['type']): boolean {
  if (field === 'json') return true;
  return field === literal || (field === 'float' && literal === 'int');
}

/** `and` ends at the first false, `or` at the first true; a null is the answer where nothing ends it. */
function joined(tests: readonly Predicate[], end: boolean): Predicate {
  return (row) => {
    let truth: Truth = !end;
    for (const test of tests) {
      const each = test(row);
      if (each === end) return end;
      if (each === null) truth = null;
    }
    return truth;
  };
}

function not(test: Predicate): Predicate {
  return (row) => {
    const truth = test(row);
    return truth === null ? null : !truth;
  };
}
