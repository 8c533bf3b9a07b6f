import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../../../workers/embed/tokenizer.ts';

const MODEL = 'public/models/all-MiniLM-L6-v2';
const GOLDEN = '../shared/golden/tokens.json';
const file = readFileSync(`${MODEL}/tokenizer.json`);
const tokenizer = createTokenizer(file, 256);
const ids = (text: string): number[] => [...tokenizer.encode(text)];

describe('the tokenizer', () => {
  it.skipIf(!existsSync(GOLDEN))('gives every golden sequence (needs ../shared)', () => {
    const golden = JSON.parse(readFileSync(GOLDEN, 'utf8')) as { text: string; ids: number[] }[];
    expect(golden.length).toBeGreaterThan(500);
    const wrong = golden.filter((entry) => ids(entry.text).join() !== entry.ids.join());
    expect(wrong.map(({ text }) => text)).toEqual([]);
  });

  it('gives the special tokens alone for nothing', () => {
    expect(ids('')).toEqual([101, 102]);
    expect(ids(' \t\n\u3000')).toEqual([101, 102]);
    expect(ids('\u0000\uFFFD\u200B')).toEqual([101, 102]);
  });

  it('sets ideographs outside of the basic plane apart', () => {
    // U+20000 is an ideograph, U+2B820 is not one for the original (its range begins at U+2B920).
    expect(ids('a\u{20000}b')).toEqual([101, 1037, 100, 1038, 102]);
    expect(ids('a\u{2B820}b')).toEqual([101, 100, 102]);
    expect(ids('a\u{2B920}b')).toEqual([101, 1037, 100, 1038, 102]);
  });

  it('lower-cases a sigma alike everywhere', () => {
    expect(ids('ΟΔΟΣ')).toEqual(ids('οδοσ'));
    expect(ids('ΟΔΟΣ')).not.toEqual(ids('οδος'));
  });

  it('takes special tokens in a text as such, and accents off', () => {
    expect(ids('[MASK]')).toEqual([101, 103, 102]);
    expect(ids('Café naïve')).toEqual(ids('cafe naive'));
  });

  it('drops lone surrogates and keeps what is around them', () => {
    expect(ids('inn \uD800 river')).toEqual(ids('inn river'));
  });

  it('cuts at 256 and keeps the last special token', () => {
    const long = ids('tavern '.repeat(400));
    expect(long).toHaveLength(256);
    expect(long[0]).toBe(101);
    expect(long[255]).toBe(102);
    expect(ids('tavern '.repeat(254))).toHaveLength(256);
    expect(ids('tavern '.repeat(253))).toHaveLength(255);
  });

  it('reads a long text no further than it must, with the same result', () => {
    const words = Array.from({ length: 20_000 }, (_, i) => `word${i % 977}`).join(' ');
    const whole = createTokenizer(file, 8_000).encode(words);
    expect(ids(words).slice(0, 255)).toEqual([...whole.slice(0, 255)]);
    // White space alone for longer than the first look, then words.
    expect(ids(`${' '.repeat(20_000)}inn`)).toEqual(ids('inn'));
    // One word without end.
    expect(ids('x'.repeat(50_000))).toEqual([101, 100, 102]);
  });

  it('reads a megabyte no slower than its beginning', () => {
    const text = 'the quiet inn by the river '.repeat(40_000);
    const start = performance.now();
    expect(ids(text)).toHaveLength(256);
    expect(performance.now() - start).toBeLessThan(1_500);
  });

  it('refuses what is not a tokenizer', () => {
    for (const text of ['{}', 'nonsense', '{"model":{"type":"WordPiece"}}']) {
      expect(() => createTokenizer(new TextEncoder().encode(text), 256)).toThrowError(
        expect.objectContaining({ code: 'asset_corrupt' }),
      );
    }
  });
});
