import { describe, expect, it } from 'vitest';
import { rankCandidates } from '../../../src/loop/retrieve.ts';
import type { Learnt } from '../../../src/loop/types.ts';
import type { Candidate } from '../../../src/shared/types.ts';

function candidate(
  id: string,
  cosine: number | null,
  bm25 = 0,
  shifted: number | null = null,
): Candidate {
  const row = { id, text: `Text of ${id}`, vector: new Float32Array(2) };
  return { id, row, cosine, bm25, shifted };
}

const why = { question: 'Earlier?', turnId: 't1', similarity: 0.9, liked: true };
const options = { textField: 'text', limit: 10, learnt: null };

describe('rankCandidates', () => {
  it('adds .3 of the words, scaled by the best, to the cosine', () => {
    const candidates = [candidate('a', 0.5, 2), candidate('b', 0.6, 0), candidate('c', 0.5, 4)];
    const hits = rankCandidates({ candidates, maxBm25: 4 }, options);
    expect(hits.map(({ id }) => id)).toEqual(['c', 'a', 'b']);
    expect(hits[0]?.score).toBeCloseTo(0.8, 10);
    expect(hits[1]?.parts).toEqual({ similarity: 0.5, words: 0.15, learnt: 0 });
    expect(hits.map(({ rank }) => rank)).toEqual([1, 2, 3]);
    expect(hits[0]?.row).toEqual({ id: 'c', text: 'Text of c' });
    expect(hits[0]?.text).toBe('Text of c');
  });

  it('ranks by words alone on a lexical turn', () => {
    const candidates = [candidate('a', null, 1), candidate('b', null, 3)];
    const hits = rankCandidates({ candidates, maxBm25: 3 }, options);
    expect(hits.map(({ id }) => id)).toEqual(['b', 'a']);
    expect(hits[0]?.parts).toEqual({ similarity: 0, words: 0.3, learnt: 0 });
  });

  it('survives no words at all and breaks ties by id', () => {
    const candidates = [candidate('b', 0.5), candidate('a', 0.5)];
    const hits = rankCandidates({ candidates, maxBm25: 0 }, options);
    expect(hits.map(({ id, score }) => [id, score])).toEqual([
      ['a', 0.5],
      ['b', 0.5],
    ]);
  });

  it('adds what was learnt, and says by how many places and why', () => {
    const learnt: Learnt = {
      lambda: 0.5,
      p0: 0.2,
      records: new Map([
        ['c', { u: 0.8, why }],
        ['a', { u: -0.4, why: { ...why, liked: false } }],
      ]),
    };
    const candidates = [
      candidate('a', 0.6, 0, 0.6),
      candidate('b', 0.55, 0, 0.55),
      candidate('c', 0.5, 0, 0.58),
    ];
    const hits = rankCandidates({ candidates, maxBm25: 0 }, { ...options, learnt });
    expect(hits.map(({ id }) => id)).toEqual(['c', 'b', 'a']);
    expect(hits[0]?.parts.learnt).toBeCloseTo(0.08 + 0.5 * 0.3 * 0.8, 10);
    expect(hits[0]?.why).toEqual({ places: 2, ...why });
    expect(hits[1]?.why).toBeNull();
    expect(hits[2]?.why).toEqual({ places: -2, ...why, liked: false });
    for (const { score, parts } of hits)
      expect(score).toBeCloseTo(parts.similarity + parts.words + parts.learnt, 12);
  });

  it('explains a record that rose because it is close to a liked one', () => {
    const records = new Map([['liked', { u: 0.9, why }]]);
    const learnt: Learnt = { lambda: 1, p0: 0.1, records };
    const candidates = [candidate('a', 0.6, 0, 0.5), candidate('near', 0.55, 0, 0.65)];
    const hits = rankCandidates({ candidates, maxBm25: 0 }, { ...options, learnt });
    expect(hits[0]).toMatchObject({ id: 'near', why: { places: 1, turnId: 't1', liked: true } });
    expect(hits[1]?.why).toBeNull();
  });

  it('does not explain a rise by having been passed over', () => {
    const passed = { ...why, question: 'Another?', turnId: 't2', liked: false };
    const records = new Map([
      ['liked', { u: 0.9, why }],
      ['near', { u: -0.1, why: passed }],
    ]);
    const learnt: Learnt = { lambda: 1, p0: 0.1, records };
    const candidates = [candidate('a', 0.6, 0, 0.5), candidate('near', 0.55, 0, 0.7)];
    const hits = rankCandidates({ candidates, maxBm25: 0 }, { ...options, learnt });
    expect(hits[0]).toMatchObject({ id: 'near', why: { places: 1, turnId: 't1', liked: true } });
  });

  it('says nothing where the memory has no trust in itself', () => {
    const learnt: Learnt = { lambda: 0, p0: 0.1, records: new Map([['a', { u: 0.9, why }]]) };
    const [first] = rankCandidates(
      { candidates: [candidate('a', 0.5)], maxBm25: 0 },
      { ...options, learnt },
    );
    expect(first).toMatchObject({ why: null, parts: { learnt: 0 } });
  });
});
