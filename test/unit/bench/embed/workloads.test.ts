import { describe, expect, it } from 'vitest';
import { missing } from '../../../../bench/embed/missing.ts';
import { correlation, sentencesOf } from '../../../../bench/embed/quality.ts';
import { DIMENSION } from '../../../../bench/embed/settings.ts';
import { parseCsv, readPairs } from '../../../../bench/embed/sts.ts';
import {
  evenly,
  MIXED,
  mixed,
  readWorkloads,
  withoutTitle,
} from '../../../../bench/embed/workloads.ts';

describe('choosing texts', () => {
  it('takes from everywhere at even distances', () => {
    expect(evenly(['a', 'b', 'c', 'd', 'e', 'f'], 3)).toEqual(['a', 'c', 'e']);
    expect(evenly(['a', 'b', 'c', 'd', 'e'], 2)).toEqual(['a', 'c']);
  });

  it('leaves empty texts out and refuses to take one twice', () => {
    expect(evenly(['', 'a', ' \n', 'b'], 2)).toEqual(['a', 'b']);
    expect(() => evenly(['a', ' '], 2)).toThrow('2 texts are wanted, but there are 1');
  });

  it('spreads each kind over the whole length', () => {
    expect(mixed([['a', 'b', 'c', 'd'], ['1', '2'], ['x']])).toEqual([
      'a',
      '1',
      'b',
      'x',
      'c',
      '2',
      'd',
    ]);
  });

  it('takes away the title that stands before an abstract twice', () => {
    expect(withoutTitle('wing flow . wing flow . the flow is seen')).toBe(
      'wing flow . the flow is seen',
    );
    expect(withoutTitle('a study of the wing')).toBe('a study of the wing');
    expect(withoutTitle('')).toBe('');
  });
});

describe('CSV', () => {
  it('has quotes around commas, quotes and line breaks', () => {
    expect(parseCsv('a,b,1\r\n"x, y","he said ""no""\nand left",2\n')).toEqual([
      ['a', 'b', '1'],
      ['x, y', 'he said "no"\nand left', '2'],
    ]);
  });

  it('has empty fields, and no row after the last line break', () => {
    expect(parseCsv(',\n')).toEqual([['', '']]);
    expect(parseCsv('')).toEqual([]);
    expect(parseCsv('a,')).toEqual([['a', '']]);
  });

  it('is refused where a quote stands alone', () => {
    expect(() => parseCsv('a,b"c\n')).toThrow('no CSV at position 2');
  });
});

describe('the correlation with what people say', () => {
  const pairs = [
    { a: 'one', b: 'two', score: 5 },
    { a: 'two', b: 'three', score: 2 },
    { a: 'one', b: 'three', score: 1 },
  ];

  it('compares the vectors of each pair, each sentence embedded once', () => {
    expect(sentencesOf(pairs)).toEqual(['one', 'two', 'three']);
    const angles = [0, 0.2, 1];
    const vectors = new Float32Array(3 * DIMENSION);
    angles.forEach((angle, row) => {
      vectors[row * DIMENSION] = Math.cos(angle);
      vectors[row * DIMENSION + 1] = Math.sin(angle);
    });
    expect(correlation(pairs, vectors)).toBeCloseTo(1, 12);
  });
});

describe.skipIf(missing)(`the workloads${missing ? ` (skipped: ${missing})` : ''}`, () => {
  it('have as many texts as they say, each of its kind', () => {
    const { Q, D, S, B } = readWorkloads();
    expect([Q.length, D.length, S.length]).toEqual([64, 64, 200]);
    expect(B).toHaveLength(MIXED.sentences + MIXED.queries + MIXED.abstracts);
    const length = (texts: readonly string[]) => texts.join('').length / texts.length;
    expect(length(D)).toBeGreaterThan(500);
    expect(length(Q)).toBeLessThan(200);
    expect(length(S)).toBeLessThan(100);
  });

  it('are the same each time, and hold no text twice but for B, whose collections repeat some', () => {
    const { Q, D, S } = readWorkloads();
    expect(readWorkloads()).toEqual(readWorkloads());
    for (const texts of [Q, D, S]) expect(new Set(texts).size).toBe(texts.length);
  });

  it('have 1,500 pairs with scores beside them', () => {
    const pairs = readPairs();
    expect(pairs).toHaveLength(1_500);
    expect(pairs[0]).toEqual({
      a: 'A man with a hard hat is dancing.',
      b: 'A man wearing a hard hat is dancing.',
      score: 5,
    });
  });
});
