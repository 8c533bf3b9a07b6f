/** A filter as a tree. `and` and `or` hold any number of items, so that a long chain is no deep tree. */
export type Literal =
  | { readonly type: 'int'; readonly value: bigint }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'list'; readonly items: readonly LiteralNode[] };

/** `at`: position in the text, in UTF-16 units. */
export interface LiteralNode {
  readonly kind: 'literal';
  readonly literal: Literal;
  /** As written. */
  readonly text: string;
  readonly at: number;
}

/** A field, a key of the dynamic field, or what lies inside of one: `j["a"][0]`. */
export interface FieldNode {
  readonly kind: 'field';
  readonly name: string;
  readonly path: readonly (string | number)[];
  readonly at: number;
}

export interface LengthNode {
  readonly kind: 'length';
  readonly field: FieldNode;
  readonly at: number;
}

export type ArithmeticOp = '+' | '-' | '*' | '/' | '%';

/** A field with a constant; two constants are one by then. */
export interface ArithmeticNode {
  readonly kind: 'arithmetic';
  readonly op: ArithmeticOp;
  readonly field: FieldNode;
  readonly constant: LiteralNode;
  /** Whether the field stands on the left. */
  readonly fieldFirst: boolean;
  readonly at: number;
}

export type Operand = LiteralNode | FieldNode | LengthNode | ArithmeticNode;

export type CompareOp = '==' | '!=' | '<' | '<=' | '>' | '>=';

/** How many of the listed values an array must hold: the one, all of them, or any. */
export type ContainsMode = 'one' | 'all' | 'any';

export type Expr =
  | { readonly kind: 'constant'; readonly value: boolean; readonly at: number }
  | { readonly kind: 'and' | 'or'; readonly items: readonly Expr[]; readonly at: number }
  | { readonly kind: 'not'; readonly item: Expr; readonly at: number }
  | CompareExpr
  | InExpr
  | LikeExpr
  | ContainsExpr
  | { readonly kind: 'exists'; readonly field: FieldNode; readonly at: number }
  | {
      readonly kind: 'null';
      readonly field: FieldNode;
      readonly negated: boolean;
      readonly at: number;
    };

export interface CompareExpr {
  readonly kind: 'compare';
  readonly op: CompareOp;
  readonly left: Operand;
  readonly right: Operand;
  readonly at: number;
}

export interface InExpr {
  readonly kind: 'in';
  readonly field: FieldNode;
  readonly values: readonly LiteralNode[];
  readonly negated: boolean;
  readonly at: number;
}

export interface LikeExpr {
  readonly kind: 'like';
  readonly field: FieldNode;
  readonly pattern: string;
  readonly at: number;
}

export interface ContainsExpr {
  readonly kind: 'contains';
  readonly mode: ContainsMode;
  readonly field: FieldNode;
  /** With `one` a single value, which may be a list. */
  readonly values: readonly LiteralNode[];
  readonly at: number;
}

export type Node = Expr | Operand;

const OPERANDS: ReadonlySet<string> = new Set(['literal', 'field', 'length', 'arithmetic']);

export function isOperand(node: Node): node is Operand {
  return OPERANDS.has(node.kind);
}

/** A node as a condition; `true` and `false` are conditions, other operands are none (null). */
export function conditionOf(node: Node): Expr | null {
  if (!isOperand(node)) return node;
  if (node.kind !== 'literal' || node.literal.type !== 'bool') return null;
  return { kind: 'constant', value: node.literal.value, at: node.at };
}

/** What an operand is called in an error of the server's form. */
export function typeName(node: Operand): string {
  switch (node.kind) {
    case 'field':
      return `field ${node.name}`;
    case 'length':
      return 'Int64';
    case 'arithmetic':
      return node.constant.literal.type === 'float' ? 'Double' : 'Int64';
    case 'literal':
      return LITERAL_TYPES[node.literal.type];
  }
}

export const LITERAL_TYPES = {
  int: 'Int64',
  float: 'Double',
  string: 'VarChar',
  bool: 'Bool',
  list: 'Array',
} as const;
