import { describe, expect, it } from 'vitest';
import { analyze } from '../../../workers/index/lexical/analyze.ts';

const terms = (text: string) => analyze(text, 'text');

/** Whether a question for `query` would find `text`. */
function finds(query: string, text: string): boolean {
  const offered = new Set(terms(text));
  return analyze(query, 'query').some((term) => offered.has(term));
}

describe('analyze', () => {
  it('cuts English as loop.md section 1 says', () => {
    expect(terms("The inns of Bree were crowded; a hobbit's 2 relational happinesses!")).toEqual(
      'inn bree crowd hobbit rel happiness'.split(' '),
    );
    expect(terms('ring rings singly seed')).toEqual(['ring', 'ring', 'sing', 'seed']);
    expect(terms('a I to B 7')).toEqual([]);
  });

  it('folds width, case, ligatures and accents', () => {
    expect(terms('Café CAFE ｃａｆｅ cafe\u0301')).toEqual(['cafe', 'cafe', 'cafe', 'cafe']);
    expect(terms('Straße STRASSE ﬁne Łódź')).toEqual(['strasse', 'strasse', 'fine', 'lodz']);
    expect(terms('ΟΔΟΣ οδός')[0]).toBe(terms('οδός')[0]);
    expect(terms('Ёлка ёлка елка')).toEqual(['елка', 'елка', 'елка']);
  });

  it('does not take a word with an accent for an English stop word', () => {
    expect(terms('thé où')).toEqual(['the', 'ou']);
  });

  it('keeps the vowel signs of scripts whose marks are vowels', () => {
    expect(finds('कि', 'का')).toBe(false);
    expect(finds('मदिरा', 'यह मदिरा है')).toBe(true);
  });

  it('finds Japanese words inside compounds, in every script of the language', () => {
    expect(finds('酒場', '居心地のよい古酒場です')).toBe(true);
    expect(finds('茶', '緑茶を出す')).toBe(true);
    expect(finds('そば', '黒いそばを食べる')).toBe(true);
    expect(finds('うどん', 'おいしいうどんが食べられる')).toBe(true);
    expect(finds('ホビット', 'ﾎﾋﾞｯﾄの家')).toBe(true);
    expect(finds('ビールは', 'ビール')).toBe(true);
  });

  it('does not match Japanese by grammar alone', () => {
    expect(finds('どこですか', 'ここから見える')).toBe(false);
    expect(finds('ありますか', '食べました')).toBe(false);
  });

  it('lets a Chinese query of several characters match by pairs only', () => {
    expect(finds('茶馆', '老茶馆')).toBe(true);
    expect(finds('茶馆', '馆里没有茶')).toBe(false);
    expect(finds('茶', '老茶馆')).toBe(true);
  });

  it('finds Korean nouns behind any particle and inside compounds', () => {
    expect(finds('주막', '주막은 어디인가요')).toBe(true);
    expect(finds('주막에서', '달무리주막')).toBe(true);
    expect(finds('술', '술을 판다')).toBe(true);
    expect(finds('마을', '마을에서')).toBe(true);
    expect(finds('여관으로', '여관이라는')).toBe(true);
  });

  it('cuts Thai by dictionary', () => {
    expect(terms('ภาษาไทย')).toEqual(['ภาษา', 'ไทย']);
  });

  it('cuts what follows the 64th character of a word off', () => {
    expect(terms(`${'y'.repeat(100)}ing`)).toEqual(['y'.repeat(64)]);
  });

  it.each([
    ['Han without an end', '漢字交文長'],
    ['Hangul without an end', '가나다라마'],
    ['Thai without an end', 'ภาษาไทย'],
    ['lone surrogates', '\ud800'],
    ['combining marks', '\u0301'],
    ['one letter', 'é'],
    ['alternating scripts', 'aé漢가ไ'],
  ])('takes a megabyte of %s in linear time', (_, piece) => {
    const time = (length: number): number => {
      const text = piece.repeat(length / piece.length);
      const start = performance.now();
      analyze(text, 'text');
      return performance.now() - start;
    };
    time(10_000);
    // Quadratic work would take 10,000 times as long; the clock of a busy machine is forgiven a lot.
    expect(time(1_000_000)).toBeLessThan(Math.max(time(10_000), 1) * 3_000);
  });
});
