import { expect, it } from 'vitest';
import { bagOfWords } from './bag-of-words.ts';

it('gives unit rows whose inner product is the overlap of words', async () => {
  const { embed, calls } = bagOfWords();
  const texts = ['red fox', 'red hen', 'meal', 'supper', 'Fox red'];
  const rows = await embed(texts);
  const size = rows.length / texts.length;
  const dot = (a: number, b: number) => {
    let sum = 0;
    for (let k = 0; k < size; k++) sum += rows[a * size + k]! * rows[b * size + k]!;
    return sum;
  };
  expect(dot(0, 0)).toBeCloseTo(1, 6);
  expect(dot(0, 1)).toBeCloseTo(0.5, 6);
  expect(dot(0, 4)).toBeCloseTo(1, 6);
  expect(dot(2, 3)).toBeCloseTo(1, 6);
  expect(dot(0, 2)).toBe(0);
  expect(calls).toEqual([texts]);
});
