/**
 * A filter tree to a predicate over stored rows, after checking it against the schema. The type rules
 * are those recorded on a Milvus server:
 *
 * - an integer field refuses a float literal (`n == 7.0`), a float field takes both;
 * - a declared field compares with its own kind only; two fields compare when both are numbers, both
 *   are strings or both are booleans;
 * - strings compare by UTF-8 bytes;
 * - a dynamic key compares with the literal's kind: a row whose key is absent, null or of another kind
 *   fails `==`, `<`, `in` and satisfies `!=`, `not in` and `not (...)`.
 */
import type { StoredRow } from '../entity.ts';
import type { CollectionSpec, FieldSpec } from '../schema.ts';
import { compareUtf8 } from '../utf8.ts';
import type { CompareOp, Expr, Literal, Operand } from './ast.ts';
import { filterError } from './filter-error.ts';
import { parseFilter } from './parser.ts';

export type Predicate = (row: StoredRow) => boolean;

export interface CompiledFilter {
  readonly test: Predicate;
  /** The only primary keys that can match, when the filter says so; else null. */
  readonly keys: readonly (bigint | string)[] | null;
  /** True when the filter is nothing but that list of keys. */
  readonly keysOnly: boolean;
}

type Scalar = number | bigint | string | boolean;
type Kind = 'int' | 'float' | 'string' | 'bool' | 'dynamic';

interface Bound {
  readonly kind: Kind;
  readonly name: string;
  readonly type: string;
  /** The value when it is a scalar, else undefined. */
  readonly read: (row: StoredRow) => Scalar | undefined;
}

export function compileFilter(text: string, spec: CollectionSpec): CompiledFilter {
  const tree = parseFilter(text);
  const keys = keysOf(tree, spec);
  const keysOnly = keys !== null && tree.kind !== 'and';
  return { test: new Compiler(text, spec).compile(tree), keys, keysOnly };
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
      case 'and':
        return all(expr.items.map((item) => this.compile(item)));
      case 'or':
        return any(expr.items.map((item) => this.compile(item)));
      case 'not':
        return not(this.compile(expr.item));
      case 'compare':
        return this.#compare(expr);
      case 'in':
        return this.#in(expr);
    }
  }

  #compare(expr: Extract<Expr, { kind: 'compare' }>): Predicate {
    const { left, right, op } = expr;
    if (left.kind === 'literal' && right.kind === 'literal') {
      throw filterError(this.#text, expr.at, 'a comparison needs a field');
    }
    if (left.kind === 'field' && right.kind === 'field') {
      return this.#compareFields(this.#bind(left), this.#bind(right), op, expr.at);
    }
    if (left.kind === 'field') {
      return this.#compareLiteral(this.#bind(left), right as LiteralOperand, op);
    }
    const field = this.#bind(right as Extract<Operand, { kind: 'field' }>);
    return this.#compareLiteral(field, left, MIRROR[op]);
  }

  #compareLiteral(field: Bound, operand: LiteralOperand, op: CompareOp): Predicate {
    const { literal } = operand;
    if (field.kind !== 'dynamic') this.#checkLiteral(field, operand);
    if (literal.type === 'bool' && op !== '==' && op !== '!=') {
      throw filterError(this.#text, operand.at, `booleans have no order: ${op}`);
    }
    const value = literal.value;
    const holds = HOLDS[op];
    return (row) => {
      const own = field.read(row);
      // Only dynamic keys can be absent or of another kind; then `!=` alone is satisfied.
      if (own === undefined || !comparable(own, value)) return op === '!=';
      return holds(compareScalars(own, value));
    };
  }

  #checkLiteral(field: Bound, operand: LiteralOperand): void {
    const { type } = operand.literal;
    if (field.kind === 'int' && type === 'float') {
      throw filterError(
        this.#text,
        operand.at,
        `cannot cast value to ${field.type}, value: float_val:${operand.text}`,
      );
    }
    if (!accepts(field.kind, type)) {
      throw filterError(
        this.#text,
        operand.at,
        `comparisons between ${field.type} and ${LITERAL_TYPES[type]} are not supported`,
      );
    }
  }

  #compareFields(left: Bound, right: Bound, op: CompareOp, at: number): Predicate {
    const numbers = isNumber(left.kind) && isNumber(right.kind);
    const same = left.kind === right.kind && left.kind !== 'dynamic';
    if (!numbers && !same) {
      throw filterError(
        this.#text,
        at,
        `comparisons between ${left.type} and ${right.type} are not supported`,
      );
    }
    if (left.kind === 'bool' && op !== '==' && op !== '!=') {
      throw filterError(this.#text, at, `booleans have no order: ${op}`);
    }
    const holds = HOLDS[op];
    return (row) => {
      const a = left.read(row);
      const b = right.read(row);
      return a !== undefined && b !== undefined && holds(compareScalars(a, b));
    };
  }

  #in(expr: Extract<Expr, { kind: 'in' }>): Predicate {
    const field = this.#bind(expr.field as Extract<Operand, { kind: 'field' }>);
    const members = new Set<Scalar>();
    for (const value of expr.values as readonly LiteralOperand[]) {
      if (field.kind !== 'dynamic' && !accepts(field.kind, value.literal.type)) {
        throw filterError(
          this.#text,
          value.at,
          `value '${value.text}' in list cannot be casted to ${field.type}`,
        );
      }
      members.add(canonical(value.literal.value));
    }
    const { negated } = expr;
    return (row) => {
      const own = field.read(row);
      return (own !== undefined && members.has(canonical(own))) !== negated;
    };
  }

  #bind(operand: Extract<Operand, { kind: 'field' }>): Bound {
    const { name } = operand;
    const declared = this.#spec.fields.find((each) => each.name === name);
    if (declared === undefined) {
      if (!this.#spec.dynamic) {
        throw filterError(this.#text, operand.at, `field ${name} not exist`);
      }
      return { kind: 'dynamic', name, type: 'JSON', read: (row) => dynamicScalar(row, name) };
    }
    const kind = kindOf(declared);
    if (kind === null) {
      const why =
        declared.type === 'JSON'
          ? 'can not comparisons jsonField directly'
          : `comparisons between ${declared.type} and other values are not supported`;
      throw filterError(this.#text, operand.at, why);
    }
    if (declared.primary) return { kind, name, type: declared.type, read: (row) => row.key };
    return { kind, name, type: declared.type, read: (row) => row.values[name] as Scalar };
  }
}

type LiteralOperand = Extract<Operand, { kind: 'literal' }>;

const LITERAL_TYPES = { int: 'Int64', float: 'Double', string: 'VarChar', bool: 'Bool' } as const;

const MIRROR: { readonly [op in CompareOp]: CompareOp } = {
  '==': '==',
  '!=': '!=',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

const HOLDS: { readonly [op in CompareOp]: (order: number) => boolean } = {
  '==': (order) => order === 0,
  '!=': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

function kindOf(field: FieldSpec): Exclude<Kind, 'dynamic'> | null {
  switch (field.type) {
    case 'Bool':
      return 'bool';
    case 'VarChar':
      return 'string';
    case 'Float':
    case 'Double':
      return 'float';
    case 'JSON':
    case 'FloatVector':
      return null;
    default:
      return 'int';
  }
}

function isNumber(kind: Kind): boolean {
  return kind === 'int' || kind === 'float';
}

function accepts(field: Kind, literal: Literal['type']): boolean {
  return field === literal || (field === 'float' && literal === 'int');
}

function dynamicScalar(row: StoredRow, name: string): Scalar | undefined {
  if (row.dynamic === null || !Object.hasOwn(row.dynamic, name)) return undefined;
  const value = row.dynamic[name];
  return value === null || typeof value === 'object' ? undefined : value;
}

function comparable(a: Scalar, b: Scalar): boolean {
  return typeof a === typeof b || (isNumeric(a) && isNumeric(b));
}

function isNumeric(value: Scalar): boolean {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** Numbers and bigints compare exactly with each other; the language sees to it. */
function compareScalars(a: Scalar, b: Scalar): number {
  if (typeof a === 'string' && typeof b === 'string') return compareUtf8(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** One form for equal numbers, so that a set finds them; 1, "1" and true stay apart. */
function canonical(value: Scalar): Scalar {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  // -0 and 0 are one member of a set. A whole double beyond 2^53 must meet the equal bigint.
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return BigInt(value);
  }
  return value;
}

function all(tests: readonly Predicate[]): Predicate {
  return (row) => tests.every((test) => test(row));
}

function any(tests: readonly Predicate[]): Predicate {
  return (row) => tests.some((test) => test(row));
}

function not(test: Predicate): Predicate {
  return (row) => !test(row);
}

/** `id in [...]` and `id == x`, alone or beside other conditions, name the rows: no scan is needed. */
function keysOf(expr: Expr, spec: CollectionSpec): readonly (bigint | string)[] | null {
  const key = spec.fields.find((each) => each.primary)?.name;
  const isKey = (operand: Operand) => operand.kind === 'field' && operand.name === key;
  if (expr.kind === 'in' && !expr.negated && isKey(expr.field)) return literals(expr.values);
  if (expr.kind === 'compare' && expr.op === '==') {
    if (isKey(expr.left)) return literals([expr.right]);
    if (isKey(expr.right)) return literals([expr.left]);
  }
  if (expr.kind !== 'and') return null;
  for (const item of expr.items) {
    const keys = keysOf(item, spec);
    if (keys !== null) return keys;
  }
  return null;
}

function literals(operands: readonly Operand[]): readonly (bigint | string)[] | null {
  const keys: (bigint | string)[] = [];
  for (const operand of operands) {
    if (operand.kind !== 'literal') return null;
    const { value } = operand.literal;
    if (typeof value !== 'bigint' && typeof value !== 'string') return null;
    keys.push(value);
  }
  return keys;
}
