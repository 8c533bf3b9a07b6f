/** A field with a constant: what it gives for a row. */
import type { StoredJson } from '../json.ts';
import type { ArithmeticNode } from './ast.ts';
import type { Bound } from './bound.ts';
import { filterError } from './filter-error.ts';
import { float, integer, notNumeric } from './fold.ts';
import { isNumeric } from './scalars.ts';

/** The result of the arithmetic; undefined where the value is no number, or the result none. */
export type Compute = (own: StoredJson | undefined) => number | bigint | undefined;

/** Throws 1100 where the field is no number. */
export function arithmeticOf(text: string, node: ArithmeticNode, bound: Bound): Compute {
  const { op, at, constant } = node;
  const { kind } = bound;
  if (kind !== 'int' && kind !== 'float' && (kind !== 'json' || bound.whole)) {
    throw notNumeric(text, op, at);
  }
  if (op === '%' && kind === 'float') {
    throw filterError(text, at, 'modulo can only apply on integer types');
  }
  const value = (constant.literal as { readonly value: number | bigint }).value;
  return typeof value === 'bigint' ? withInteger(node, value) : withFloat(node, value);
}

/**
 * As on the recorded server: sums and products of whole numbers wrap at 64 bits, division goes towards
 * zero, and a remainder is that of the doubles, so that beyond 2^53 it is not the exact one.
 */
function withInteger({ op, fieldFirst }: ArithmeticNode, constant: bigint): Compute {
  const number = Number(constant);
  return (own) => {
    if (!isNumeric(own)) return undefined;
    if (typeof own === 'number' && !Number.isInteger(own)) {
      if (op === '%') return undefined;
      return finite(fieldFirst ? float(op, own, number) : float(op, number, own));
    }
    const exact = BigInt(own);
    const [a, b] = fieldFirst ? [exact, constant] : [constant, exact];
    if (op === '%') return finite(Number(a) % Number(b));
    if (b === 0n && op === '/') return undefined;
    return BigInt.asIntN(64, integer(op, a, b));
  };
}

function withFloat({ op, fieldFirst }: ArithmeticNode, constant: number): Compute {
  return (own) => {
    // Recorded: an integer modulo 2.5 equals nothing.
    if (!isNumeric(own) || op === '%') return undefined;
    const number = Number(own);
    return finite(fieldFirst ? float(op, number, constant) : float(op, constant, number));
  };
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}
