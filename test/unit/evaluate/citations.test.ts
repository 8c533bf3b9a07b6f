import { describe, expect, it } from 'vitest';
import { withoutMarks } from '../../../src/loop/evaluate/citations.ts';
import { parseCitations } from '../../../src/loop/evaluate/index.ts';

const sources = [1, 2, 3, 4].map((number) => ({ number, id: `r${number}`, text: '' }));
const parse = (answer: string) =>
  parseCitations(answer, sources).map(({ number, id, start, end }) => [
    number,
    id,
    answer.slice(start, end),
  ]);

describe('parseCitations', () => {
  it('reads single marks and says when there is no such source', () => {
    expect(parse('Old [1]. New[2][9].')).toEqual([
      [1, 'r1', '[1]'],
      [2, 'r2', '[2]'],
      [9, null, '[9]'],
    ]);
    expect(parse('Zero [0], huge [999].').map(([, id]) => id)).toEqual([null, null]);
  });

  it('reads lists and ranges, each number in its own place', () => {
    expect(parse('Old [1, 3]. ')).toEqual([
      [1, 'r1', '1'],
      [3, 'r3', '3'],
    ]);
    expect(parse('[1-3]').map(([number]) => number)).toEqual([1, 2, 3]);
    expect(parse('[1–2, 4]').map(([number]) => number)).toEqual([1, 2, 4]);
    expect(parse('[4-1]').map(([number]) => number)).toEqual([4, 1]);
    expect(parse('[1-900]').map(([number]) => number)).toEqual([1, 900]);
  });

  it('reads full-width marks', () => {
    expect(parse('古い【1】。新しい［2］。').map(([number]) => number)).toEqual([1, 2]);
  });

  it('takes links, words and years for none', () => {
    expect(parse('[1](https://example.org) [a] [] [1954] [1.5] [see 1]')).toEqual([]);
  });

  it('takes the marks off', () => {
    expect(withoutMarks('It is old [1], very old [2, 3]. [4]')).toBe('It is old, very old.');
    expect(withoutMarks('a [1](b)')).toBe('a [1](b)');
  });

  it.each(['[', '[1', '[1,', ' ', '[1-2]', '1 '])('takes a megabyte of %j', (piece) => {
    const text = piece.repeat(1_000_000 / piece.length);
    const start = performance.now();
    parseCitations(text, sources);
    withoutMarks(text);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
