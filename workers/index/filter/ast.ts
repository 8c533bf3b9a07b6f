/** A filter as a tree. `and` and `or` hold any number of items, so that a long chain is no deep tree. */
export type Literal =
  | { readonly type: 'int'; readonly value: bigint }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'bool'; readonly value: boolean };

export type Operand =
  | { readonly kind: 'field'; readonly name: string; readonly at: number }
  | {
      readonly kind: 'literal';
      readonly literal: Literal;
      readonly text: string;
      readonly at: number;
    };

export type CompareOp = '==' | '!=' | '<' | '<=' | '>' | '>=';

export type Expr =
  | { readonly kind: 'and' | 'or'; readonly items: readonly Expr[]; readonly at: number }
  | { readonly kind: 'not'; readonly item: Expr; readonly at: number }
  | {
      readonly kind: 'compare';
      readonly op: CompareOp;
      readonly left: Operand;
      readonly right: Operand;
      readonly at: number;
    }
  | {
      readonly kind: 'in';
      readonly field: Operand;
      readonly values: readonly Operand[];
      readonly negated: boolean;
      readonly at: number;
    };

export type Node = Expr | Operand;

export function isOperand(node: Node): node is Operand {
  return node.kind === 'field' || node.kind === 'literal';
}
