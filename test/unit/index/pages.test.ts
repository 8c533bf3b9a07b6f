/** Ranges of row numbers that want tidying: none is forgotten, few are kept. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  joinRanges,
  looseAfter,
  type NumberRange,
  rangesOf,
  tidied,
  untidied,
} from '../../../workers/index/pages.ts';
import type { CollectionRecord } from '../../../workers/index/records.ts';
import { parseCreate } from '../../../workers/index/schema.ts';

const range = fc
  .tuple(fc.nat(100_000), fc.nat(50))
  .map(([from, more]): NumberRange => [from, from + more]);
const ranges = fc.array(range, { maxLength: 200 });

const holds = (list: readonly NumberRange[], number: number) =>
  list.some(([from, to]) => from <= number && number <= to);

test('joined ranges ascend without overlap, are few, and cover all that was given', () => {
  fc.assert(
    fc.property(ranges, (given) => {
      const joined = joinRanges(given);
      expect(joined.length).toBeLessThanOrEqual(64);
      joined.forEach(([from, to], i) => {
        expect(from).toBeLessThanOrEqual(to);
        if (i > 0) expect(from).toBeGreaterThan((joined[i - 1]?.[1] ?? 0) + 1);
      });
      for (const [from, to] of given) {
        expect(joined.some(([low, high]) => low <= from && to <= high)).toBe(true);
      }
    }),
  );
});

test('few ranges are kept exactly', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 20 }), fc.nat(100_100), (given, number) => {
      expect(holds(joinRanges(given), number)).toBe(holds(given, number));
    }),
  );
});

test('what was tidied is taken out, and nothing else', () => {
  const blank = { unswept: [] as readonly NumberRange[] } as CollectionRecord;
  fc.assert(
    fc.property(
      fc.array(range, { maxLength: 20 }),
      range,
      fc.nat(100_100),
      (given, [from, to], n) => {
        const record = tidied(untidied(blank, given), from, to + 1);
        const left = record.unswept ?? [];
        expect(holds(left, n)).toBe(holds(given, n) && !(from <= n && n <= to));
        expect(record.unswept === undefined).toBe(left.length === 0);
      },
    ),
  );
});

test('an append asks for tidying where it fills a page or has added 128 rows to it, not where it begins one', () => {
  const spec = parseCreate({ collectionName: 'c', dimension: 384 });
  const page = 682;
  expect(looseAfter(spec, 0, 10_000)).toEqual([]);
  expect(looseAfter(spec, 5, 6)).toEqual([]);
  expect(looseAfter(spec, 127, 128)).toEqual([[0, 127]]);
  expect(looseAfter(spec, 128, 129)).toEqual([]);
  expect(looseAfter(spec, page - 1, page)).toEqual([[0, page - 1]]);
  expect(looseAfter(spec, page - 1, 3 * page)).toEqual([[0, page - 1]]);
  expect(looseAfter(spec, page, page + 1)).toEqual([]);
  expect(looseAfter(spec, page + 1, page + 300)).toEqual([[page, page + 299]]);
});

test('numbers in any order are the ranges that they fill', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(300), { maxLength: 200 }), fc.nat(301), (numbers, n) => {
      const filled = rangesOf(numbers);
      expect(holds(filled, n)).toBe(numbers.includes(n));
      expect(joinRanges(filled).length).toBe(Math.min(filled.length, 64));
    }),
  );
});
