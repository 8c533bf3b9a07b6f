/** `id in [...]` and `id == x`, alone or beside other conditions, name the rows: no scan is needed. */
import type { CollectionSpec } from '../schema.ts';
import type { Expr, LiteralNode, Operand } from './ast.ts';

export type Keys = readonly (bigint | string)[];

/** The only primary keys that can satisfy the filter, or null where it does not name them. */
export function namedKeys(expr: Expr, spec: CollectionSpec): Keys | null {
  const key = spec.fields.find((each) => each.primary)?.name;
  return key === undefined ? null : keysIn(expr, key);
}

function keysIn(expr: Expr, key: string): Keys | null {
  const isKey = (operand: Operand) => operand.kind === 'field' && operand.name === key;
  if (expr.kind === 'in' && !expr.negated && isKey(expr.field)) return keysOf(expr.values);
  if (expr.kind === 'compare' && expr.op === '==') {
    const { left, right } = expr;
    if (isKey(left) && right.kind === 'literal') return keysOf([right]);
    if (isKey(right) && left.kind === 'literal') return keysOf([left]);
  }
  if (expr.kind !== 'and') return null;
  for (const item of expr.items) {
    const keys = keysIn(item, key);
    if (keys !== null) return keys;
  }
  return null;
}

function keysOf(nodes: readonly LiteralNode[]): Keys | null {
  const keys: (bigint | string)[] = [];
  for (const { literal } of nodes) {
    if (literal.type !== 'int' && literal.type !== 'string') return null;
    keys.push(literal.value);
  }
  return keys;
}
