import { describe, expect, it } from 'vitest';
import { sentencesOf } from '../../../src/loop/sentences.ts';

const cut = (text: string) => sentencesOf(text).map((sentence) => sentence.text);

describe('sentencesOf', () => {
  it.each([
    ['plain', 'The inn is old. It has nine rooms! Does it? Yes.', 4],
    ['titles', 'Dr. Smith met Mrs. J. R. Tolkien at St. Albans. They ate.', 2],
    ['decimals', 'It costs 3.50 pounds or .5 a half. No. 5 is free.', 2],
    ['abbreviations inside', 'Drinks, e.g. ale, approx. 30 kinds, etc. are served.', 1],
    ['an abbreviation that ends', 'It opens at 9 a.m. The bar is full.', 2],
    ['ellipsis', 'He waited... and left. She did not.', 2],
    ['quotes', '"We are closed." He turned. (It rained.) So what.', 4],
    ['a question inside', '"Really?" he asked. She nodded.', 2],
    ['old abstracts', 'the lift was measured .  the results agree . fig. 3 shows it .', 3],
    [
      'small letters behind a long word',
      'they were found in plasma. significant levels remain.',
      2,
    ],
    ['numbers of a list', '1. Boil water.\n2. Add tea.', 2],
    ['bullets', '- first thing\n- second thing', 2],
    ['a wrapped line', 'The inn stands\nby the river.', 1],
    ['a blank line', 'a heading\n\nand a text', 2],
    ['urls', 'See example.com/a.b for more. Good.', 2],
    ['nothing', ' . \n ... ', 0],
  ])('cuts English: %s', (_, text, count) => {
    expect(cut(text)).toHaveLength(count);
  });

  it('cuts Japanese, Chinese and Korean', () => {
    expect(cut('宿は古い。部屋は九つ！本当？はい。')).toHaveLength(4);
    expect(cut('「もう閉店です。」と主人は言った。客は帰った。')).toEqual([
      '「もう閉店です。」と主人は言った。',
      '客は帰った。',
    ]);
    expect(cut('客栈很老。“打烊了。”他说！走吧')).toHaveLength(4);
    expect(cut('방이 다섯 칸이다. 값은 3.5냥이다. 끝.')).toHaveLength(3);
  });

  it('keeps citation marks with the sentence before them', () => {
    expect(cut('The inn is old. [1] It has rooms. [2, 3][4] It rains [5].')).toEqual([
      'The inn is old. [1]',
      'It has rooms. [2, 3][4]',
      'It rains [5].',
    ]);
    expect(cut('宿は古い。[1]部屋は九つ。【2】')).toEqual(['宿は古い。[1]', '部屋は九つ。【2】']);
  });

  it('gives the places of what it gives, in order and apart', () => {
    const text = '  The inn. 宿は古い。[1] \n\n Does it?  ';
    let last = 0;
    for (const { start, end, text: own } of sentencesOf(text)) {
      expect(text.slice(start, end)).toBe(own);
      expect(own).toBe(own.trim());
      expect(start).toBeGreaterThanOrEqual(last);
      last = end;
    }
    expect(last).toBeGreaterThan(0);
  });

  it.each(['.', ' ', '\n', '. ', 'a.', '。', '[1]', '"', 'St. ', '\ud800', '.[1'])(
    'takes a megabyte of %j',
    (piece) => {
      const start = performance.now();
      sentencesOf(piece.repeat(1_000_000 / piece.length));
      expect(performance.now() - start).toBeLessThan(10_000);
    },
  );
});
