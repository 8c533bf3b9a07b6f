import {
  array,
  assert,
  constantFrom,
  double,
  integer,
  oneof,
  property,
  uniqueArray,
} from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unigramFile } from '../../../tools/model/made-up-tokenizer.ts';
import { Ids } from '../../../workers/embed/tokenizer/ids.ts';
import { readPreTokenizer } from '../../../workers/embed/tokenizer/pre-tokenizer.ts';
import { Unigram } from '../../../workers/embed/tokenizer/unigram.ts';
import { findVocabulary } from '../../../workers/embed/tokenizer/vocabulary.ts';
import { createTokenizer } from '../../../workers/embed/tokenizer.ts';
import { added, type FileParts, template, tokenizerFile } from './tokenizer-files.ts';
import { referenceUnigram } from './tokenizer-reference.ts';

type Piece = readonly [string, number];

/** As the multilingual MiniLM lays it out: `<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3. */
const SPECIAL: readonly Piece[] = [
  ['<s>', 0],
  ['<pad>', 0],
  ['</s>', 0],
  ['<unk>', 0],
];
const PIECES: readonly Piece[] = [
  ...SPECIAL,
  ['▁', -3.5],
  ['▁the', -2.25],
  ['▁in', -4.125],
  ['n', -5],
  ['▁i', -4.5],
  ['nn', -6.5],
  ['r', -5.0625],
  ['iv', -6],
  ['er', -4],
  ['▁river', -11],
  ['i', -4.75],
  ['v', -7],
  ['e', -4.25],
  ['川', -8],
  ['の', -3],
  ['川の', -9],
  ['宿', -8.5],
  ['か', -7],
  ['が', -6],
];
const SPLIT = {
  type: 'Sequence',
  pretokenizers: [
    { type: 'WhitespaceSplit' },
    { type: 'Metaspace', replacement: '▁', add_prefix_space: true },
  ],
};

function file(pieces: readonly Piece[] = PIECES, parts: Partial<FileParts> = {}): Uint8Array {
  return tokenizerFile({
    model: { type: 'Unigram', unk_id: 3, vocab: pieces },
    pre_tokenizer: SPLIT,
    post_processor: template({ '<s>': 0 }, { '</s>': 2 }),
    added_tokens: [
      ...['<s>', '<pad>', '</s>', '<unk>'].map((content, id) => added(id, content)),
      added(pieces.length, '<mask>', { lstrip: true }),
    ],
    ...parts,
  });
}

const idOf = (piece: string): number => PIECES.findIndex(([text]) => text === piece);
const ids = (source: string, parts: Partial<FileParts> = {}, most = 100): number[] => [
  ...createTokenizer(file(PIECES, parts), most).encode(source),
];
const between = (...pieces: string[]): number[] => [0, ...pieces.map(idOf), 2];

describe('Unigram', () => {
  it('takes the best way, worked out by hand', () => {
    // -4.125 - 5 beats -4.5 - 6.5 and all others; -11 beats -3.5 - 5.0625 - 6 - 4.
    expect(ids('inn')).toEqual(between('▁in', 'n'));
    expect(ids('the river')).toEqual(between('▁the', '▁river'));
    // Of -8 - 3 - 8.5 and -9 - 8.5 the second.
    expect(ids('川の宿')).toEqual(between('▁', '川の', '宿'));
  });

  it('gives the special tokens alone for nothing', () => {
    expect(ids('')).toEqual([0, 2]);
    expect(ids(' \t\u3000')).toEqual([0, 2]);
  });

  it('makes unknown characters side by side one token', () => {
    expect(ids('xyz')).toEqual([0, idOf('▁'), 3, 2]);
    expect(ids('xyn\u{1F600}')).toEqual([0, idOf('▁'), 3, idOf('n'), 3, 2]);
    expect(ids('the xx yy')).toEqual([0, idOf('▁the'), idOf('▁'), 3, idOf('▁'), 3, 2]);
  });

  it('takes special tokens in a text, white space before a mask with it', () => {
    const mask = PIECES.length;
    expect(ids('the  <mask> inn')).toEqual([0, idOf('▁the'), mask, idOf('▁in'), idOf('n'), 2]);
    expect(ids('the</s>inn')).toEqual([0, idOf('▁the'), 2, idOf('▁in'), idOf('n'), 2]);
  });

  it('agrees with the plain reference for any vocabulary and text', () => {
    const letters = ['a', 'b', 'c', '▁', '人', '\u{1F600}'];
    const piece = array(constantFrom(...letters), { minLength: 1, maxLength: 4 }).map((l) =>
      l.join(''),
    );
    const vocabulary = uniqueArray(piece, { minLength: 1, maxLength: 30 });
    const scores = array(double({ min: -20, max: 0, noNaN: true }), {
      minLength: 30,
      maxLength: 30,
    });
    const words = array(
      array(constantFrom(...letters.filter((l) => l !== '▁'), 'x', 'y'), {
        minLength: 1,
        maxLength: 12,
      }),
      { maxLength: 5 },
    );
    assert(
      property(vocabulary, scores, words, (texts, numbers, parts) => {
        const pieces = [...SPECIAL, ...texts.map((text, i): Piece => [text, numbers[i]!])];
        const own = createTokenizer(file(pieces), 200);
        const expected = parts.flatMap((l) => referenceUnigram(`▁${l.join('')}`, pieces, 3));
        expect([...own.encode(parts.map((l) => l.join('')).join(' '))]).toEqual([
          0,
          ...expected,
          2,
        ]);
      }),
      { numRuns: 500 },
    );
  });

  it('takes the way that the original documents', () => {
    const letters = ['a', 'b', 'c', 'd'].map((letter): Piece => [letter, 0]);
    const longer: Piece[] = [
      ['cd', 1],
      ['ab', 2],
      ['abc', 5],
      ['abcd', 10],
    ];
    const pieces: Piece[] = [['<unk>', 0], ...letters, ...longer];
    const model = { type: 'Unigram', unk_id: 0, vocab: pieces };
    const own = createTokenizer(file(pieces, { model, added_tokens: [], pre_tokenizer: null }), 20);
    const id = (piece: string): number => pieces.findIndex(([text]) => text === piece);
    const expected = [id('abcd'), id('a'), id('cd'), 0];
    expect([...own.encode('abcdacdxx')].slice(1, -1)).toEqual(expected);
  });

  it('agrees with the plain reference where ways are equally good', () => {
    const pieces: Piece[] = [
      ...SPECIAL,
      ['▁', -1],
      ['a', -1],
      ['aa', -2],
      ['aaa', -3],
      ['aaaa', -4],
    ];
    const own = createTokenizer(file(pieces), 200);
    for (let count = 1; count < 20; count++) {
      const expected = referenceUnigram(`▁${'a'.repeat(count)}`, pieces, 3);
      expect([...own.encode('a'.repeat(count))]).toEqual([0, ...expected, 2]);
    }
  });

  it('reads a beginning as it would read the whole, without white space, too', () => {
    const part = constantFrom(
      '川',
      'の',
      '宿',
      'か',
      'が',
      '茶',
      'inn',
      'river',
      ' ',
      '、',
      'か\u3099',
      '<mask>',
      '  ',
    );
    assert(
      property(
        array(part, { minLength: 30, maxLength: 150 }),
        integer({ min: 3, max: 9 }),
        (parts, most) => {
          const source = parts.join('');
          const normalizer = { type: 'NFKC' };
          const whole = ids(source, { normalizer }, 1_000);
          const expected = whole.length <= most ? whole : [...whole.slice(0, most - 1), 2];
          expect(ids(source, { normalizer }, most)).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('knows of a word that goes on what stays, whatever follows', () => {
    const letters = (most: number, least = 1) =>
      array(constantFrom('a', 'b', 'の'), { minLength: least, maxLength: most }).map((l) =>
        l.join(''),
      );
    const vocabulary = uniqueArray(letters(5), { minLength: 3, maxLength: 12 });
    const scores = array(double({ min: -4, max: -1, noNaN: true }), {
      minLength: 12,
      maxLength: 12,
    });
    let known = 0;
    assert(
      property(
        vocabulary,
        scores,
        oneof(letters(6), letters(60, 20)),
        letters(8),
        (texts, numbers, word, next) => {
          const pieces = [...SPECIAL, ...texts.map((text, i): Piece => [text, numbers[i]!])];
          const split = readPreTokenizer(null);
          const model = new Unigram({ unk_id: 3 }, findVocabulary(file(pieces))!.vocabulary, split);
          const encode = (text: string, isWhole: boolean): number[] => {
            const ids = new Ids(1_000);
            model.encode(text, isWhole, ids);
            return [...ids.between([], [])];
          };
          const certain = encode(word, false);
          known += certain.length;
          expect(encode(word + next, true).slice(0, certain.length)).toEqual(certain);
        },
      ),
      { numRuns: 1_000 },
    );
    // Most of a word is certain, not nothing of it.
    expect(known).toBeGreaterThan(4_000);
  });

  it('keeps the sign of a space by itself where the file does not split', () => {
    const metaspace = {
      type: 'Metaspace',
      replacement: '▁',
      prepend_scheme: 'always',
      split: true,
    };
    expect(ids('the  inn ', { pre_tokenizer: metaspace })).toEqual(
      between('▁the', '▁', '▁in', 'n', '▁'),
    );
    const never = { ...metaspace, prepend_scheme: 'never' };
    expect(ids('inn the', { pre_tokenizer: never })).toEqual(between('i', 'nn', '▁the'));
    const old = { type: 'Metaspace', replacement: '▁', add_prefix_space: false };
    expect(ids('inn the', { pre_tokenizer: old })).toEqual(between('i', 'nn', '▁the'));
    const replaced = { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' };
    expect(ids('the   inn', { pre_tokenizer: metaspace, normalizer: replaced })).toEqual(
      between('▁the', '▁in', 'n'),
    );
  });

  it('runs the made-up model', () => {
    const own = createTokenizer(unigramFile(200), 64);
    const json = JSON.parse(new TextDecoder().decode(unigramFile(200)));
    for (const source of ['An inn by the river.', '川の宿', '강 여관?']) {
      const expected = source
        .normalize('NFKC')
        .split(' ')
        .flatMap((word) => referenceUnigram(`▁${word}`, json.model.vocab, 3));
      expect([...own.encode(source)]).toEqual([0, ...expected, 2]);
    }
  });

  it('refuses what it does not do exactly', () => {
    const refused = (parts: Partial<FileParts>, code: string): void =>
      expect(() => createTokenizer(file(PIECES, parts), 9)).toThrowError(
        expect.objectContaining({ code }),
      );
    const model = { type: 'Unigram', unk_id: 3, vocab: PIECES };
    refused({ model: { ...model, byte_fallback: true } }, 'unsupported');
    refused({ model: { ...model, unk_id: null } }, 'asset_corrupt');
    refused({ model: { ...model, unk_id: PIECES.length } }, 'asset_corrupt');
    refused({ model: { ...model, vocab: [['a', 'b']] } }, 'asset_corrupt');
    refused({ model: { ...model, vocab: { a: 1 } } }, 'asset_corrupt');
    refused({ pre_tokenizer: { type: 'BertPreTokenizer' } }, 'unsupported');
    refused(
      { pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first' } },
      'unsupported',
    );
    refused({ normalizer: { type: 'Nmt' } }, 'unsupported');
    refused(
      { normalizer: { type: 'Replace', pattern: { Regex: 'a+' }, content: '' } },
      'unsupported',
    );
    refused({ normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } }, 'asset_corrupt');
  });
});
