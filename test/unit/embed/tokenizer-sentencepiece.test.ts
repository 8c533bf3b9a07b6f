/**
 * Expected ids from Hugging Face `tokenizers` 0.23.3, for a Unigram model over made-up words and a table
 * of characters, both made by SentencePiece 0.2.3 (`normalization_rule_tsv`): the double array is its
 * own, not one that the tests build.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../../../workers/embed/tokenizer.ts';

interface Fixture {
  /** As XLM-RoBERTa's and the multilingual MiniLM's: white space splits, then Metaspace. */
  readonly tokenizer: { readonly normalizer: object };
  /** Metaspace alone, runs of spaces made one. */
  readonly other: {
    readonly normalizer: { readonly normalizers: readonly object[] };
    readonly pre_tokenizer: object;
  };
  /** A text, its ids by `tokenizer` and by `other`. */
  readonly cases: readonly (readonly [string, readonly number[], readonly number[]])[];
}

const fixture: Fixture = JSON.parse(
  readFileSync('test/fixtures/sentencepiece-tokenizer.json', 'utf8'),
);
const bytes = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

describe('a model that SentencePiece has made', () => {
  it.each([256, 5])('has the ids of the original, of at most %i tokens', (most) => {
    const { tokenizer, other, cases } = fixture;
    const [, ...rest] = other.normalizer.normalizers;
    const normalizer = { ...other.normalizer, normalizers: [tokenizer.normalizer, ...rest] };
    const own = [
      createTokenizer(bytes(tokenizer), most),
      createTokenizer(bytes({ ...tokenizer, ...other, normalizer }), most),
    ];
    const cut = (ids: readonly number[]): readonly number[] =>
      ids.length <= most ? ids : [...ids.slice(0, most - 1), ...ids.slice(-1)];
    expect(cases.length).toBeGreaterThan(100);
    for (const [text, ...expected] of cases) {
      expect([text, ...own.map((one) => [...one.encode(text)])]).toEqual([
        text,
        ...expected.map(cut),
      ]);
    }
  });
});
