import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoredRow } from '../../../workers/index/entity.ts';
import { compileFilter } from '../../../workers/index/filter/compile.ts';
import { parseCreate } from '../../../workers/index/schema.ts';

const SPEC = parseCreate({
  collectionName: 'c',
  schema: {
    enableDynamicField: true,
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      { fieldName: 'n', dataType: 'Int32' },
      { fieldName: 's', dataType: 'VarChar', elementTypeParams: { max_length: 100 } },
      { fieldName: 'f', dataType: 'Double' },
      { fieldName: 'b', dataType: 'Bool' },
      { fieldName: 'j', dataType: 'JSON' },
      { fieldName: 'v', dataType: 'FloatVector', elementTypeParams: { dim: 2 } },
    ],
  },
});

type Values = { readonly n: number; readonly s: string; readonly f: number; readonly b: boolean };

const row = (values: Values, dynamic: StoredRow['dynamic'] = null): StoredRow => ({
  key: 1n,
  values: { ...values, j: {} },
  dynamic,
});

const ROW = row({ n: 7, s: 'apple', f: 0.5, b: true }, { color: 'red', stars: 4, none: null });
const holds = (filter: string): boolean => compileFilter(filter, SPEC).test(ROW);

describe('filters', () => {
  test.each([
    ['n == 7 and s == "apple"', true],
    ['n==7&&s!="apple"', false],
    ['! (n > 7) || b == false', true],
    ['NOT (n in [1, 2,])', true],
    ['n not in [7]', false],
    ['7 <= n', true],
    ['f < 1', true],
    ['n > -1 AND f == .5', true],
    ["s == '\\x61pple'", true],
    ['color == "red"', true],
    ['color == 1', false],
    ['color != 1', true],
    ['absent == 1', false],
    ['absent != 1', true],
    ['not (absent == 1)', true],
    ['absent not in [1]', true],
    ['none == 1', false],
    ['none != 1', true],
    ['stars in [4, "x", true]', true],
    ['n < f', false],
    ['n == 07', true],
    ['n == 0x7', true],
    ['constructor != 1', true],
    ['((((n == 7))))', true],
  ])('%s is %s', (filter, expected) => {
    expect(holds(filter)).toBe(expected);
  });

  test.each([
    ['n = 7', '1:2 token recognition error'],
    ['n ==', '1:4 unexpected the end'],
    ['n == 7)', "1:6 unexpected ')'"],
    ['(n == 7', "1:7 expecting ')'"],
    ['n ==\n ?', '2:1 token recognition'],
    ['b', 'predicate is not a boolean expression'],
    ['not b', 'not op can only be applied'],
    ['not n == 7', 'not op can only be applied'],
    ['n == 7.0', 'cannot cast value to Int32'],
    ['n == "7"', 'comparisons between Int32 and VarChar'],
    ['n in [7.0]', 'cannot be casted'],
    ['1 == 1', 'needs a field'],
    ['1 in [1]', "'term' can only be used on non-const"],
    ['j == 1', 'jsonField'],
    ['v == 1', 'FloatVector'],
    ['s == color', 'comparisons between VarChar and JSON'],
    ['b > true', 'no order'],
    ['0 < n < 9', 'chained'],
    ['n + 1 == 8', "'+' is not supported"],
    ['s like "a%"', "'like' is not supported"],
    ['exists color', "'exists' is not supported"],
    ['color is null', "'is' is not supported"],
    ['j["k"] == 1', 'paths into JSON'],
    ['json_contains(j, 1)', 'function "json_contains"'],
    ['n == 9223372036854775808', 'out of range'],
    ['n == 1e999', 'out of range'],
    ['n == {v}', "unexpected '{'"],
    ['s == "abc', 'no closing quote'],
    ['', 'unexpected the end'],
  ])('%s is refused: %s', (filter, part) => {
    expect(() => compileFilter(filter, SPEC)).toThrow(
      expect.objectContaining({ milvusCode: 1100, message: expect.stringContaining(part) }),
    );
  });

  test('depth and length are bounded, and long filters take linear time', () => {
    const deep = (levels: number) => `${'('.repeat(levels)}n == 7${')'.repeat(levels)}`;
    expect(holds(deep(100))).toBe(true);
    for (const bad of [deep(200), deep(400_000), 'not '.repeat(100_000), '-'.repeat(1_000_000)]) {
      expect(() => holds(bad)).toThrow(expect.objectContaining({ milvusCode: 1100 }));
    }
    expect(() => holds(`s == "${'x'.repeat(2_000_000)}"`)).toThrow(/longer than/);
    const chain = Array.from({ length: 50_000 }, (_, i) => `n == ${i + 8}`).join(' or ');
    const from = performance.now();
    expect(holds(chain)).toBe(false);
    expect(holds(`n in [${Array.from({ length: 100_000 }, (_, i) => i).join(',')}]`)).toBe(true);
    expect(performance.now() - from).toBeLessThan(3_000);
  });

  test('any text either compiles or is refused with 1100', () => {
    const part = fc.constantFrom(
      'n',
      '==',
      '7',
      '(',
      ')',
      'and',
      'not',
      'in',
      '[',
      ']',
      ',',
      '"a"',
      '-',
      's',
      '<',
      'b',
      '.5',
    );
    const texts = fc.oneof(
      fc.string(),
      fc.array(part, { maxLength: 12 }).map((p) => p.join(' ')),
    );
    fc.assert(
      fc.property(texts, (filter) => {
        try {
          holds(filter);
        } catch (error) {
          expect(error).toMatchObject({ code: 'milvus', milvusCode: 1100 });
        }
      }),
      { numRuns: 3_000 },
    );
  });
});

// A tree with its text and its meaning side by side, made without the parser.
interface Both {
  readonly text: string;
  readonly holds: (row: Values) => boolean;
}

const number = fc.integer({ min: -3, max: 3 });
const leaf: fc.Arbitrary<Both> = fc.oneof(
  number.map((x): Both => ({ text: `n <= ${x}`, holds: (r) => r.n <= x })),
  number.map((x): Both => ({ text: `${x} < n`, holds: (r) => x < r.n })),
  number.map((x): Both => ({ text: `f != ${x}.5`, holds: (r) => r.f !== Number(`${x}.5`) })),
  fc.boolean().map((x): Both => ({ text: `b == ${x}`, holds: (r) => r.b === x })),
  fc.array(number).map((x): Both => ({ text: `n in [${x}]`, holds: (r) => x.includes(r.n) })),
  fc.constantFrom('a', 'b', 'é', '😀', '～').map(
    (x): Both => ({
      text: `s >= "${x}"`,
      holds: (r) => Buffer.compare(Buffer.from(r.s), Buffer.from(x)) >= 0,
    }),
  ),
);
const tree = fc.letrec<{ node: Both }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 5 },
    leaf,
    tie('node').map((a): Both => ({ text: `not (${a.text})`, holds: (r) => !a.holds(r) })),
    fc.tuple(tie('node'), tie('node')).map(
      ([a, b]): Both => ({
        text: `(${a.text}) and (${b.text})`,
        holds: (r) => a.holds(r) && b.holds(r),
      }),
    ),
    fc.tuple(tie('node'), tie('node')).map(
      ([a, b]): Both => ({
        text: `(${a.text}) || (${b.text})`,
        holds: (r) => a.holds(r) || b.holds(r),
      }),
    ),
  ),
})).node;

test('a filter means what its tree means', () => {
  const values = fc.record({
    n: number,
    s: fc.constantFrom('', 'a', 'b', 'é', '😀', '～'),
    f: fc.constantFrom(-1.5, 0.5, 2.5, 0),
    b: fc.boolean(),
  });
  fc.assert(
    fc.property(tree, values, ({ text, holds: expected }, r) => {
      expect(compileFilter(text, SPEC).test(row(r)), text).toBe(expected(r));
    }),
    { numRuns: 2_000 },
  );
});
