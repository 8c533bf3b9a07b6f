import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { generateIds } from '../../../workers/index/auto-id.ts';
import { countBits, createBitmap, eachBit, setBit } from '../../../workers/index/bitmap.ts';
import { INT64_MAX, INT64_MIN, parseInt64 } from '../../../workers/index/int64.ts';
import { compareKeys, keyBytes, keyFromBytes } from '../../../workers/index/keys.ts';
import { compareStorageKeys } from '../../../workers/index/storage/key-order.ts';
import { compareUtf8, utf8Length } from '../../../workers/index/utf8.ts';

const int64 = fc.bigInt({ min: INT64_MIN, max: INT64_MAX });
const text = fc.string({ unit: 'binary', maxLength: 8 });

describe('keys', () => {
  test('Int64 keys come back and their bytes order as the numbers', () => {
    fc.assert(
      fc.property(int64, int64, (a, b) => {
        expect(keyFromBytes(keyBytes(a), 'Int64')).toBe(a);
        const order = compareStorageKeys(keyBytes(a), keyBytes(b));
        expect(Math.sign(order)).toBe(compareKeys(a, b));
      }),
    );
  });

  test('VarChar keys come back and order by their bytes', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(keyFromBytes(keyBytes(a), 'VarChar')).toBe(a);
        const order = Buffer.compare(Buffer.from(a), Buffer.from(b));
        expect(Math.sign(compareUtf8(a, b))).toBe(order);
        expect(Math.sign(compareStorageKeys(keyBytes(a), keyBytes(b)))).toBe(order);
        expect(utf8Length(a)).toBe(Buffer.byteLength(a));
      }),
    );
  });

  test.each([
    ['9007199254740993', 9007199254740993n],
    ['+7', 7n],
    [-5, -5n],
    [2n ** 63n - 1n, 2n ** 63n - 1n],
    [2n ** 63n, null],
    ['9223372036854775808', null],
    [2 ** 53, null],
    [1.5, null],
    ['1e3', null],
    ['', null],
    [' 1', null],
    [null, null],
    [true, null],
  ])('%s as Int64 is %s', (value, parsed) => {
    expect(parseInt64(value)).toBe(parsed);
  });

  test('generated keys grow whatever the clock does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(2_000_000_000_000), fc.integer({ min: 1, max: 5 }))),
        (calls) => {
          let last = 0n;
          for (const [now, count] of calls) {
            for (const id of generateIds(count, last, now)) {
              expect(id > last).toBe(true);
              last = id;
            }
          }
        },
      ),
    );
  });

  test('bitmaps visit the rows that were set, ascending', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(200)), (rows) => {
        const bitmap = createBitmap(201);
        for (const row of rows) setBit(bitmap, row);
        const seen: number[] = [];
        eachBit(bitmap, (row) => seen.push(row));
        expect(seen).toEqual([...rows].sort((a, b) => a - b));
        expect(countBits(bitmap)).toBe(rows.length);
      }),
    );
  });
});
