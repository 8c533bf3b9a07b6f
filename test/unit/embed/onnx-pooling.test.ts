import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { halfToFloat, normaliseRows, poolFirst, poolMean } from '../../../workers/embed/pooling.ts';

/** Two texts of three columns, two numbers a token; the second text has one token and two of padding. */
const states = {
  values: Float32Array.of(1, 2, 3, 4, 5, 6, 10, 20, 999, 999, Number.NaN, 999),
  tokens: 3,
  dimension: 2,
};

describe('pooling', () => {
  it('takes the mean over the tokens of each text, and none of the padding', () => {
    expect([...poolMean(states, [3, 1])]).toEqual([3, 4, 10, 20]);
  });

  it('takes the first token of each text', () => {
    expect([...poolFirst(states, 2)]).toEqual([1, 2, 10, 20]);
  });

  it('gives the same mean however far a row is padded', () => {
    const number = fc.float({ min: -100, max: 100, noNaN: true });
    fc.assert(
      fc.property(fc.array(number, { minLength: 3, maxLength: 30 }), fc.nat(5), (own, padding) => {
        const tokens = Math.floor(own.length / 3);
        const values = own.slice(0, tokens * 3);
        const padded = [...values, ...new Array(padding * 3).fill(1e30)];
        const state = (numbers: number[]) => ({
          values: Float32Array.from(numbers),
          tokens: numbers.length / 3,
          dimension: 3,
        });
        expect(poolMean(state(padded), [tokens])).toEqual(poolMean(state(values), [tokens]));
      }),
    );
  });
});

describe('normaliseRows', () => {
  it('brings every row to length 1, very short and very long ones too', () => {
    const rows = Float32Array.of(3, 4, -1e-9, 0, 1e19, 1e19);
    expect(normaliseRows(rows, 2)).toBeNull();
    [0.6, 0.8, -1, 0, Math.SQRT1_2, Math.SQRT1_2].forEach((value, k) => {
      expect(rows[k]).toBeCloseTo(value, 6);
    });
  });

  it.each([
    [[0, 0], /length 0\.0000/],
    [[Number.NaN, 1], /not finite/],
    [[Number.POSITIVE_INFINITY, 1], /not finite/],
  ])('says what is wrong with %j', (row, why) => {
    expect(normaliseRows(Float32Array.of(1, 1, ...row), 2)).toMatch(why);
  });
});

describe('halfToFloat', () => {
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x7e00, Number.NaN],
  ])('reads %i as %f', (bits, value) => {
    expect(halfToFloat(Uint16Array.of(bits))[0]).toBe(value);
  });
});
