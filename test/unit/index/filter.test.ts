import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoredRow } from '../../../workers/index/entity.ts';
import { compileFilter } from '../../../workers/index/filter/compile.ts';
import { likeTest } from '../../../workers/index/filter/like.ts';
import { parseTemplateValues } from '../../../workers/index/filter/template.ts';
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
  values: { ...values, j: { list: [1, 'two', [3]], deep: { v: 2.5, none: null }, yes: true } },
  dynamic,
});

const ROW = row({ n: 7, s: 'apple', f: 0.5, b: true }, { color: 'red', stars: 4, none: null });
const holds = (filter: string, exprParams: unknown = {}): boolean =>
  compileFilter(filter, SPEC, parseTemplateValues(exprParams)).test(ROW);

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
    ['1 == 1 and "a" < "b"', true],
    ['true', true],
    ['not false', true],
    ['0 < n <= 7', true],
    ['9 > n > 7', false],
    ['n + 1 == 8', true],
    ['10 - n == 3', true],
    ['n / 2 == 3', true],
    ['n % 2 == 1', true],
    ['f * 2 == 1', true],
    ['n == 2 * 3 + 1', true],
    ['n == (9 - 2)', true],
    ['j["deep"]["v"] * 2 == 5', true],
    ['j["absent"] + 1 == 1', false],
    ['j["absent"] + 1 != 1', true],
    ['j["list"][1] == "two"', true],
    ['j["list"][9] == 1', false],
    ['j["list"] == [1, "two", [3]]', true],
    ['j["list"] != [1, "two"]', true],
    ['j["list"][2] in [[3], 4]', true],
    ['j["yes"] == 1', false],
    ['j["yes"] == true', true],
    ['$meta["color"] == "red"', true],
    ['stars + 1 > 4', true],
    ['exists color and not exists none', true],
    ['exists j["deep"]["none"]', false],
    ['j["deep"]["none"] is null and absent is null', true],
    ['s is not null', true],
    ['s like "a%" and s like "%pp%" and s like "_____"', true],
    ['s like "%b%"', false],
    ['color LIKE "r__"', true],
    ['stars like "4%"', false],
    ['json_contains(j["list"], "two")', true],
    ['json_contains(j["list"], [3])', true],
    ['json_contains(j["list"], true)', false],
    ['JSON_CONTAINS_ALL(j["list"], [1.0, "two"])', true],
    ['json_contains_any(j["list"], [9, "two"])', true],
    ['array_contains(color, "red")', false],
    ['array_length(j["list"]) == 3', true],
    ['array_length(color) != 3', true],
    ["s == r'apple'", true],
    ["color == r'r\\x65d'", false],
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
    ['1 in [1]', "'term' can only be used on non-const"],
    ['j == 1', 'jsonField'],
    ['v == 1', 'FloatVector'],
    ['s == color', 'comparisons between VarChar and JSON'],
    ['b > true', 'no order'],
    ['n == 9223372036854775808', 'out of range'],
    ['n == 9223372036854775807 + 1', 'out of range'],
    ['0 < n > 3', 'chained'],
    ['0 < n + 1 < 9', 'chained'],
    ['0 < n < s', 'a constant is expected'],
    ['n + f == 8', 'multiple fields'],
    ['(n + 1) * 2 == 16', 'complicated arithmetic'],
    ['n / 0 == 1', 'divide by zero'],
    ['n % 0 == 1', 'modulo by zero'],
    ['f % 2 == 1', 'integer types'],
    ['s + 1 == 2', "'add' can only be used"],
    ['true + 1 == 2', "'add' can only be used"],
    ['"a" + "b" == s', "'add' can only be used"],
    ['-n == 1', 'unexpected op: -'],
    ['n ** 2 == 4', "'**' is not supported"],
    ['n & 1 == 1', "'&' is not supported"],
    ['n like "a%"', 'like operation on non-string'],
    ['"a" like "a"', 'complicated expr'],
    ['s like s', 'string literal'],
    ['s not like "a"', "unexpected 'not'"],
    ['exists n', 'only supported on json field'],
    ['exists', "'exists' needs a field"],
    ['v is null', "'is null' has no meaning"],
    ['1 is null', 'only be used on a field'],
    ['json_contains(n, 1)', 'json or array fields'],
    ['json_contains_all(j["list"], 1)', 'must be an array'],
    ['json_contains(j["list"])', "expecting ','"],
    ['array_length(n) == 1', 'json or array fields'],
    ['array_length(j["list"]) == "3"', 'comparisons between'],
    ['j["list"] > [1]', 'array fields directly'],
    ['j[-1] == 1', 'a key in quotes or a position'],
    ['j[n] == 1', 'a key in quotes or a position'],
    ['j["n" == 1', "expecting ']'"],
    ['n["a"] == 1', 'no JSON field'],
    ['$meta == 1', 'needs a key'],
    ['random_sample(.5)', 'function "random_sample"'],
    ['n == {v}', 'is not given'],
    ['n == {}', 'the name of a template value'],
    ['n == 1e999', 'out of range'],
    ['s == "abc', 'no closing quote'],
    ['', 'unexpected the end'],
  ])('%s is refused: %s', (filter, part) => {
    expect(() => compileFilter(filter, SPEC)).toThrow(
      expect.objectContaining({ milvusCode: 1100, message: expect.stringContaining(part) }),
    );
  });

  test.each<[string, unknown, boolean]>([
    ['n == {v}', { v: 7 }, true],
    ['n == {v}', { v: 7n }, true],
    ['n in {vs}', { vs: [1, 7] }, true],
    ['s == {v}', { v: '" or n == 7 or s == "' }, false],
    ['s like {v}', { v: 'a%' }, true],
    ['n + {v} == 8', { v: 1 }, true],
    ['j["list"] == {v}', { v: [1, 'two', [3]] }, true],
    ['json_contains_any(j["list"], {v})', { v: [5, 'two'] }, true],
  ])('%s with %o is %s', (filter, values, expected) => {
    expect(holds(filter, values)).toBe(expected);
  });

  test.each<[string, unknown]>([
    ['n == {v}', { w: 7 }],
    ['n in {v}', { v: 7 }],
    ['n in {v}', { v: ['a'] }],
    ['n == {v}', { v: 7.5 }],
    ['{v} == 7', { v: 'n' }],
    ['n == 7', { '1v': 7 }],
    ['n == 7', { v: null }],
    ['n == 7', { v: { w: 1 } }],
    ['n == 7', { v: Number.NaN }],
    ['n == 7', { v: 2n ** 63n }],
    ['n == 7', [7]],
  ])('%s with %o is refused', (filter, values) => {
    expect(() => holds(filter, values)).toThrow(expect.objectContaining({ milvusCode: 1100 }));
  });

  test('`like` is what a plain walk over pattern and text says', () => {
    const sign = fc.constantFrom('a', 'b', '😀', '\n', '%', '_', '\\');
    const text = fc.array(fc.constantFrom('a', 'b', '😀', '\n', '%', '\\'), { maxLength: 12 });
    fc.assert(
      fc.property(fc.array(sign, { maxLength: 8 }), text, (pattern, signs) => {
        expect(likeTest(pattern.join(''))(signs.join(''))).toBe(walks(pattern, signs));
      }),
      { numRuns: 5_000 },
    );
  });

  test('a pattern that is made to be slow is not', () => {
    const from = performance.now();
    const text = `${'a'.repeat(60_000)}b`;
    expect(likeTest(`${'%a'.repeat(10_000)}%c`)(text)).toBe(false);
    expect(likeTest(`${'%a_'.repeat(5_000)}%c`)(text)).toBe(false);
    expect(performance.now() - from).toBeLessThan(15_000);
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
    expect(performance.now() - from).toBeLessThan(15_000);
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

/** Whether a pattern matches, sign by sign, trying everything. */
function walks(pattern: readonly string[], text: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return text.length === 0;
  if (first === '%') return text.some((_, at) => walks(rest, text.slice(at))) || walks(rest, []);
  if (first === '\\' && rest.length > 0) {
    return text[0] === rest[0] && walks(rest.slice(1), text.slice(1));
  }
  return text.length > 0 && (first === '_' || first === text[0]) && walks(rest, text.slice(1));
}
