import { describe, expect, it } from 'vitest';
import { analyze } from '../../../workers/index/lexical/analyze.ts';
import { LexicalIndex } from '../../../workers/index/lexical/lexical-index.ts';

/** BM25 straight from its formula, over the texts as they are. */
function reference(texts: ReadonlyMap<number, string>, query: string): Map<number, number> {
  const terms = new Map([...texts].map(([row, text]) => [row, analyze(text, 'text')]));
  const total = [...terms.values()].reduce((sum, list) => sum + list.length, 0);
  const scores = new Map<number, number>();
  for (const term of analyze(query, 'query')) {
    const df = [...terms.values()].filter((list) => list.includes(term)).length;
    const idf = Math.log(1 + (texts.size - df + 0.5) / (df + 0.5));
    for (const [row, list] of terms) {
      const tf = list.filter((other) => other === term).length;
      if (tf === 0) continue;
      const norm = 0.9 * (0.6 + 0.4 * (list.length / (total / texts.size)));
      scores.set(row, (scores.get(row) ?? 0) + (idf * tf * 1.9) / (tf + norm));
    }
  }
  return scores;
}

/** Numbers from 0 to 1, the same in each run (mulberry32). */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function randomText(random: () => number): string {
  const length = Math.floor(random() * 30);
  // Squared, so that some words are common and most are rare.
  return Array.from({ length }, () => `w${Math.floor(random() ** 2 * 60)}`).join(' ');
}

function expectEqualToReference(
  index: LexicalIndex,
  texts: ReadonlyMap<number, string>,
  query: string,
) {
  const wanted = reference(texts, query);
  const found = index.search(query, texts.size + 10);
  expect(new Set(found.rows)).toEqual(new Set(wanted.keys()));
  for (const [i, row] of found.rows.entries()) {
    expect(found.scores[i]).toBeCloseTo(wanted.get(row)!, 5);
  }
  const rows = Uint32Array.from(texts.keys());
  const scored = index.score(query, rows);
  for (const [i, row] of rows.entries()) {
    expect(scored[i]).toBeCloseTo(wanted.get(row) ?? 0, 5);
  }
}

describe('LexicalIndex', () => {
  it('scores a text of which everything is known as the formula says', () => {
    const index = new LexicalIndex();
    index.add(7, 'hobbit hobbit tavern');
    index.add(9, 'tavern');
    const { rows, scores } = index.search('hobbit', 5);
    // N 2, df 1, tf 2, length 3, average 2.
    const expected = (Math.log(1 + 1.5 / 1.5) * 2 * 1.9) / (2 + 0.9 * (0.6 + 0.4 * 1.5));
    expect([...rows]).toEqual([7]);
    expect(scores[0]).toBeCloseTo(expected, 6);
  });

  it('is exact through adds, replacements, removals and compactions', () => {
    const random = dice(11);
    const index = new LexicalIndex();
    const texts = new Map<number, string>();
    for (let step = 0; step < 6000; step++) {
      const row = Math.floor(random() * 400);
      if (random() < 0.45) {
        index.remove(row);
        texts.delete(row);
      } else {
        const text = randomText(random);
        index.add(row, text);
        texts.set(row, text);
      }
      expect(index.size).toBe(texts.size);
      if (step % 500 === 499) expectEqualToReference(index, texts, 'w0 w3 w3 w40 w999');
    }
  });

  it('keeps long chains of postings whole', () => {
    const index = new LexicalIndex();
    const count = 40_000;
    for (let row = 0; row < count; row++) index.add(row, row % 3 === 0 ? 'fox hen' : 'fox');
    const { rows } = index.search('fox', count);
    expect(rows.length).toBe(count);
    expect(index.search('hen', count).rows.length).toBe(Math.ceil(count / 3));
    for (let row = 0; row < count - 5; row++) index.remove(row);
    expect([...index.search('fox', 10).rows].sort()).toEqual(
      [count - 5, count - 4, count - 3, count - 2, count - 1].sort(),
    );
  });

  it('gives the best first and the lower row first among equals, whatever was added first', () => {
    const index = new LexicalIndex();
    for (const row of [9, 2, 30, 4]) index.add(row, 'plain ale');
    index.add(17, 'ale ale');
    expect([...index.search('ale', 10).rows]).toEqual([17, 2, 4, 9, 30]);
    expect([...index.search('ale', 3).rows]).toEqual([17, 2, 4]);
    expect(index.search('ale', 0).rows.length).toBe(0);
  });

  it('cuts to the limit exactly as it orders without one', () => {
    const random = dice(5);
    const index = new LexicalIndex();
    for (let row = 0; row < 500; row++) index.add(row, randomText(random));
    const all = index.search('w1 w2 w5', 500);
    for (const limit of [1, 2, 7, 50, 499]) {
      const cut = index.search('w1 w2 w5', limit);
      expect(cut.rows).toEqual(all.rows.slice(0, limit));
      expect(cut.scores).toEqual(all.scores.slice(0, limit));
    }
  });

  it('leaves out rows that are not allowed without changing the scores of others', () => {
    const index = new LexicalIndex();
    index.add(1, 'red fox');
    index.add(2, 'red hen');
    index.add(3, 'blue fox');
    const all = index.search('fox', 5);
    const some = index.search('fox', 5, (row) => row === 3);
    expect([...some.rows]).toEqual([3]);
    expect(some.scores[0]).toBe(all.scores[[...all.rows].indexOf(3)]);
  });

  it('scores unknown rows and rows without a match 0', () => {
    const index = new LexicalIndex();
    index.add(1, 'red fox');
    index.add(2, 'hen');
    index.add(3, '');
    const scores = index.score('fox', Uint32Array.of(2, 1, 99, 3, 1));
    expect(scores[1]).toBeGreaterThan(0);
    expect([scores[0], scores[2], scores[3]]).toEqual([0, 0, 0]);
    expect(scores[4]).toBe(scores[1]);
  });

  it('answers with nothing when it is empty, and after everything was removed', () => {
    const index = new LexicalIndex();
    expect(index.search('fox', 5).rows.length).toBe(0);
    index.add(1, 'fox');
    index.remove(1);
    index.remove(1);
    expect(index.search('fox', 5).rows.length).toBe(0);
    expect(index.size).toBe(0);
    index.add(1, 'fox');
    expect([...index.search('fox', 5).rows]).toEqual([1]);
  });

  it('counts a term of the text that occurs more than 255 times as often as it does', () => {
    const texts = new Map([
      [0, `fox ${'hen '.repeat(5)}`],
      [1, 'fox '.repeat(254)],
      [2, 'fox '.repeat(255)],
      [3, 'fox '.repeat(70_000)],
    ]);
    const index = new LexicalIndex();
    for (const [row, text] of texts) index.add(row, text);
    expectEqualToReference(index, texts, 'fox');
  });

  it('takes hostile words and sizes', () => {
    const index = new LexicalIndex();
    index.add(0, '__proto__ constructor toString \ud800 \udfff hasOwnProperty');
    index.add(1, `${'x'.repeat(1_000_000)} ${'漢字'.repeat(250_000)}`);
    index.add(2, '\u0000 \ufffe \u202e');
    expect([...index.search('__proto__', 5).rows]).toEqual([0]);
    expect([...index.search('constructor', 5).rows]).toEqual([0]);
    expect([...index.search('漢字', 5).rows]).toEqual([1]);
    expect(index.search('valueOf', 5).rows.length).toBe(0);
  });

  it('refuses what makes no sense by name', () => {
    expect(() => new LexicalIndex({ k2: 1 } as never)).toThrow(/no option "k2"/);
    expect(() => new LexicalIndex({ k1: Number.NaN })).toThrow(/k1/);
    expect(() => new LexicalIndex({ b: 2 })).toThrow(/b is from 0 to 1/);
    const index = new LexicalIndex();
    expect(() => index.add(-1, 'fox')).toThrow(/row/);
    expect(() => index.add(1.5, 'fox')).toThrow(/row/);
    expect(() => index.search('fox', -1)).toThrow(/limit/);
    expect(() => index.search('fox', Number.NaN)).toThrow(/limit/);
  });
});
