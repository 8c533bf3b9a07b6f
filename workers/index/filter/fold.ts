/** Arithmetic in a filter: constants become one at once, a field with a constant becomes a node. */
import { isInt64 } from '../int64.ts';
import type { ArithmeticOp, Literal, LiteralNode, Operand } from './ast.ts';
import { filterError } from './filter-error.ts';

/** How Milvus calls the operators in its errors. */
const NAMES: { readonly [op in ArithmeticOp]: string } = {
  '+': 'add',
  '-': 'subtract',
  '*': 'multiply',
  '/': 'divide',
  '%': 'modulo',
};

/** One operand of two; the recorded server takes one field with constants, and nothing nested. */
export function fold(text: string, op: ArithmeticOp, left: Operand, right: Operand): Operand {
  const { at } = left;
  if (left.kind === 'literal' && right.kind === 'literal') {
    return folded(text, op, left, right);
  }
  if (left.kind === 'field' && right.kind === 'literal') {
    checkConstant(text, op, right, true);
    return { kind: 'arithmetic', op, field: left, constant: right, fieldFirst: true, at };
  }
  if (left.kind === 'literal' && right.kind === 'field') {
    checkConstant(text, op, left, false);
    return { kind: 'arithmetic', op, field: right, constant: left, fieldFirst: false, at };
  }
  if (left.kind === 'field' && right.kind === 'field') {
    const detail = 'not supported to do arithmetic operations between multiple fields';
    throw filterError(text, at, detail);
  }
  throw filterError(text, at, 'complicated arithmetic operations are not supported');
}

function checkConstant(
  text: string,
  op: ArithmeticOp,
  { literal, at }: LiteralNode,
  right: boolean,
): void {
  if (literal.type !== 'int' && literal.type !== 'float') throw notNumeric(text, op, at);
  if (right && (op === '/' || op === '%') && Number(literal.value) === 0) {
    throw filterError(text, at, `${NAMES[op]} by zero`);
  }
}

export function notNumeric(text: string, op: ArithmeticOp, at: number): Error {
  const detail = `'${NAMES[op]}' can only be used between integer or floating or json field expressions`;
  return filterError(text, at, detail);
}

function folded(
  text: string,
  op: ArithmeticOp,
  left: LiteralNode,
  right: LiteralNode,
): LiteralNode {
  checkConstant(text, op, left, false);
  checkConstant(text, op, right, true);
  const literal = compute(text, op, left, right);
  return { kind: 'literal', literal, text: `${left.text} ${op} ${right.text}`, at: left.at };
}

function compute(text: string, op: ArithmeticOp, left: LiteralNode, right: LiteralNode): Literal {
  const [a, b] = [left.literal, right.literal];
  if (a.type === 'int' && b.type === 'int') {
    const value = integer(op, a.value, b.value);
    if (!isInt64(value)) throw filterError(text, left.at, 'value out of range');
    return { type: 'int', value };
  }
  if (op === '%') throw filterError(text, left.at, 'modulo can only apply on integer types');
  const value = float(
    op,
    Number((a as { value: number }).value),
    Number((b as { value: number }).value),
  );
  if (!Number.isFinite(value)) throw filterError(text, left.at, 'value out of range');
  return { type: 'float', value };
}

/** Division and remainder as in C: towards zero. The divisor is not 0. */
export function integer(op: ArithmeticOp, a: bigint, b: bigint): bigint {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '%':
      return a % b;
  }
}

export function float(op: Exclude<ArithmeticOp, '%'>, a: number, b: number): number {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
  }
}
