import { describe, expect, it } from 'vitest';
import { type Collection, cranfield, med, missing, readData } from '../../../bench/loop/smart.ts';
import { ndcg, ndcgOfQuery, parseJudgments, parseRun } from '../../../bench/loop/trec-eval.ts';
import { LexicalIndex } from '../../../workers/index/lexical/lexical-index.ts';

function bm25(collection: Collection): number {
  const index = new LexicalIndex();
  const ids = [...collection.documents.keys()];
  for (const [row, text] of [...collection.documents.values()].entries()) index.add(row, text);
  const run = new Map<string, Map<string, number>>();
  for (const [query, text] of collection.queries) {
    const { rows, scores } = index.search(text, 100);
    run.set(query, new Map([...rows].map((row, i) => [ids[row]!, scores[i]!])));
  }
  return ndcg(collection.judgments, run, 10);
}

describe('nDCG', () => {
  it('discounts by rank and counts gains', () => {
    const gains = new Map([
      ['a', 2],
      ['b', 1],
      ['c', -1],
    ]);
    const scores = new Map([
      ['c', 3],
      ['b', 2],
      ['x', 1],
      ['a', 0.5],
    ]);
    const expected = (1 / Math.log2(3) + 2 / Math.log2(5)) / (2 + 1 / Math.log2(3));
    expect(ndcgOfQuery(gains, scores, 10)).toBeCloseTo(expected, 12);
    expect(ndcgOfQuery(new Map(), scores, 10)).toBe(0);
  });

  it.skipIf(missing)(`equals trec_eval on its own files (${missing ?? 'present'})`, () => {
    const judgments = parseJudgments(readData('trec_eval/qrels.test'));
    const run = parseRun(readData('trec_eval/results.test'));
    expect(ndcg(judgments, run).toFixed(4)).toBe('0.4021');
    expect(ndcg(judgments, run, 10).toFixed(4)).toBe('0.3016');
  });
});

describe(`BM25 on public collections (${missing ?? 'present'})`, () => {
  it.skipIf(missing)('reaches nDCG@10 .355 on Cranfield', () => {
    const collection = cranfield();
    expect([collection.documents.size, collection.queries.size]).toEqual([1400, 225]);
    expect(bm25(collection)).toBeGreaterThanOrEqual(0.355);
  });

  it.skipIf(missing)('reaches nDCG@10 .675 on MED', () => {
    const collection = med();
    expect([collection.documents.size, collection.queries.size]).toEqual([1033, 30]);
    expect(bm25(collection)).toBeGreaterThanOrEqual(0.675);
  });
});
