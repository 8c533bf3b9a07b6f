import { Tokenizer as Library } from '@huggingface/tokenizers';
import {
  array,
  assert,
  constantFrom,
  dictionary,
  integer,
  oneof,
  property,
  string,
} from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalForm } from '../../../workers/embed/tokenizer/canonical-order.ts';
import { settledCut } from '../../../workers/embed/tokenizer/settled.ts';
import { findVocabulary } from '../../../workers/embed/tokenizer/vocabulary.ts';
import { createTokenizer } from '../../../workers/embed/tokenizer.ts';
import {
  added,
  BERT_NORMALIZER,
  bertFile,
  template,
  tokenizerFile,
  WORDS,
} from './tokenizer-files.ts';

const SIZE = Object.keys(WORDS).length;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('the vocabulary', () => {
  it('has every name and id that the JSON of the host has', () => {
    const names = dictionary(
      string({ unit: 'binary', maxLength: 6 }),
      integer({ min: 0, max: 999_999_999 }),
    );
    assert(
      property(names, integer({ min: 0, max: 3 }), (vocab, space) => {
        const text = JSON.stringify({ a: ['"vocab": {'], vocab, b: 1 }, null, space);
        const found = findVocabulary(bytes(text))!;
        expect(found.vocabulary.size).toBe(Object.keys(vocab).length);
        for (const [piece, id] of Object.entries(vocab))
          expect(found.vocabulary.idOf(piece)).toBe(id);
        expect(found.vocabulary.idOf('not one of them')).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  it('reads every escape of JSON', () => {
    const text = String.raw`{"vocab" : {"\"\\\/\b\f\n\r\t" : 1 , "\u00e9\u0000\u4eBa\uD83D\ude00": 2, "\\\"":3,"":4}}`;
    const { vocabulary } = findVocabulary(bytes(text))!;
    expect(vocabulary.idOf('"\\/\b\f\n\r\t')).toBe(1);
    expect(vocabulary.idOf('é\0人😀')).toBe(2);
    expect(vocabulary.idOf('\\"')).toBe(3);
    expect(vocabulary.idOf('')).toBe(4);
  });

  it('reads a list of pairs, with scores as the host reads them', () => {
    const text = '{"vocab":[["a",-1.2345678901234567],["b",0],["c",-1e-3] , [ "a" , 2E+1 ]]}';
    const { vocabulary } = findVocabulary(bytes(text))!;
    expect([...vocabulary.scores]).toEqual([-1.2345678901234567, 0, -0.001, 20]);
    expect(vocabulary.idOf('b')).toBe(1);
    // Of two equal pieces the later one counts, as in the original.
    expect(vocabulary.idOf('a')).toBe(3);
    expect(vocabulary.size).toBe(3);
  });

  it('takes the later of two equal names', () => {
    const { vocabulary } = findVocabulary(bytes('{"vocab":{"a":1,"b":2,"\\u0061":3}}'))!;
    expect(vocabulary.idOf('a')).toBe(3);
    expect(vocabulary.size).toBe(2);
  });

  it('finds names that objects of JavaScript have already', () => {
    const vocab = JSON.parse('{"__proto__":1,"constructor":2,"10":3,"toString":4}');
    const { vocabulary } = findVocabulary(bytes(JSON.stringify({ vocab })))!;
    for (const [piece, id] of Object.entries(vocab)) expect(vocabulary.idOf(piece)).toBe(id);
    expect(vocabulary.idOf('valueOf')).toBeUndefined();
  });

  it.each([
    '',
    '{}',
    '{"vocab"',
    '{"vocab":',
    '{"vocab":{',
    '{"vocab":{"a"',
    '{"vocab":{"a":',
    '{"vocab":{"a":1',
    '{"vocab":{"a":1,',
    '{"vocab":{"a":1,}}',
    '{"vocab":{"a":-1}}',
    '{"vocab":{"a":1.5}}',
    '{"vocab":{"a":1e3}}',
    '{"vocab":{"a":"1"}}',
    '{"vocab":{"a":10000000000}}',
    '{"vocab":{"a\n":1}}',
    '{"vocab":{"\\x":1}}',
    '{"vocab":{"\\uD800":1}}',
    '{"vocab":{"\\uD800\\u0041":1}}',
    '{"vocab":{"\\u00G0":1}}',
    '{"vocab":{"\\u00',
    '{"vocab":{a:1}}',
    '{"vocab":[["a",-]]}',
    '{"vocab":[["a"]]}',
    '{"vocab":[["a",1]',
    '{"vocab":["a",1]}',
    '{"vocab":[["a",1.2.3]]}',
    '{"vocab":[[1,"a"]]}',
    '{"vocab":null}',
    '{"x":"\\"vocab\\":{\\"a\\":1}"}',
  ])('finds none in %s', (text) => {
    expect(findVocabulary(bytes(text))).toBeNull();
  });

  it('does not hang or trap on any bytes', () => {
    const token = constantFrom(
      '"vocab"',
      ':',
      '{',
      '}',
      '[',
      ']',
      '"',
      '\\',
      '\\u',
      'a',
      '1',
      ',',
      ' ',
      '\u{1F600}',
    );
    assert(
      property(array(token, { maxLength: 30 }), (parts) => {
        const text = parts.join('');
        const found = findVocabulary(bytes(text));
        if (found) expect(found.end).toBeLessThanOrEqual(bytes(text).length);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a tokenizer file', () => {
  const encode = (file: Uint8Array, text: string, most = 20): number[] => [
    ...createTokenizer(file, most).encode(text),
  ];

  it('is read whichever way it is written', () => {
    const expected = [2, WORDS.the, WORDS.inn, 3];
    const plain = JSON.parse(new TextDecoder().decode(bertFile()));
    const { model, ...rest } = plain;
    const { vocab, ...kind } = model;
    for (const [written, space] of [
      [plain, undefined],
      [plain, 2],
      [{ model: { vocab, ...kind }, ...rest }, undefined],
      // Another member of that name comes first.
      [{ extra: { vocab: { the: 9 } }, ...plain }, undefined],
      [{ extra: { vocab: 7 }, ...plain }, 1],
    ] as const) {
      expect(encode(bytes(JSON.stringify(written, null, space)), 'the inn')).toEqual(expected);
    }
    expect(encode(bytes(`\uFEFF${JSON.stringify(plain)}`), 'the inn')).toEqual(expected);
  });

  it('may be taken away once the tokenizer stands', () => {
    const file = bertFile();
    const tokenizer = createTokenizer(file, 9);
    structuredClone(file.buffer, { transfer: [file.buffer as ArrayBuffer] });
    expect([...tokenizer.encode('the inn')]).toEqual([2, WORDS.the, WORDS.inn, 3]);
  });

  it('may be an old one, without the type of its model', () => {
    const { type, ...model } = JSON.parse(new TextDecoder().decode(bertFile())).model;
    expect(type).toBe('WordPiece');
    expect(encode(bertFile({ model }), 'inn')).toEqual([2, WORDS.inn, 3]);
  });

  it('says what stands around a text', () => {
    const around = (post_processor: object | null): number[] =>
      encode(bertFile({ post_processor }), 'inn');
    expect(around(template({ '[CLS]': 2, '[PAD]': 0 }, { '[SEP]': 3, '[UNK]': 1 }))).toEqual([
      2,
      0,
      WORDS.inn,
      3,
      1,
    ]);
    expect(around({ type: 'RobertaProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] })).toEqual([
      2,
      WORDS.inn,
      3,
    ]);
    const inner = { type: 'ByteLevel', trim_offsets: false };
    expect(around({ type: 'Sequence', processors: [inner, template({}, { '[SEP]': 3 })] })).toEqual(
      [WORDS.inn, 3],
    );
  });

  it('is cut so that what stands behind stays', () => {
    const file = bertFile({ post_processor: template({ '[CLS]': 2 }, { '[SEP]': 3, '[PAD]': 0 }) });
    expect(encode(file, 'a b c a b c', 6)).toEqual([2, WORDS.a, WORDS.b, WORDS.c, 3, 0]);
    expect(encode(file, 'a b c a b c', 3)).toEqual([2, 3, 0]);
  });

  it('names added tokens, found by its rules', () => {
    const file = (more: object, content = '<x>'): Uint8Array =>
      bertFile({ added_tokens: [added(SIZE, content, more)] });
    expect(encode(file({}), 'a<x>b')).toEqual([2, WORDS.a, SIZE, WORDS.b, 3]);
    expect(encode(file({ single_word: true }, 'xx'), 'xxs xx, _xx xx\u0301 xx')).toEqual([
      2,
      1,
      SIZE,
      1,
      1,
      1,
      1,
      SIZE,
      3,
    ]);
    // The id of the vocabulary goes before that of the entry.
    expect(encode(file({}, 'inn'), 'innab')).toEqual([2, WORDS.inn, WORDS.ab, 3]);
    expect(encode(file({ single_word: true }, 'the inn'), 'the inn the inns')).toEqual([
      2,
      SIZE,
      WORDS.the,
      1,
      3,
    ]);
    expect(encode(file({ normalized: true }, 'Éx'), 'ex a')).toEqual([2, SIZE, WORDS.a, 3]);
    expect(encode(file({}, 'Éx'), 'ex a Éx')).toEqual([2, 1, WORDS.a, SIZE, 3]);
    const both = bertFile({
      added_tokens: [added(SIZE, 'ab'), added(SIZE, 'abab'), added(SIZE + 1, 'b a')],
    });
    expect(encode(both, 'ababab a')).toEqual([2, SIZE, WORDS.ab, WORDS.a, 3]);
  });

  it('numbers added tokens that are not in the vocabulary on from its count', () => {
    const file = (...ids: [number, number, number]): Uint8Array =>
      bertFile({
        added_tokens: [added(ids[0], '<x>'), added(ids[1], 'inn'), added(ids[2], '<y>')],
      });
    expect(encode(file(SIZE, 7, SIZE + 1), '<x>inn<y>')).toEqual([2, SIZE, WORDS.inn, SIZE + 1, 3]);
    // The original would give them SIZE and SIZE + 1, whatever stands here.
    for (const [x, y] of [
      [SIZE + 1, SIZE + 2],
      [SIZE, SIZE],
      [SIZE, SIZE + 2],
      [0, 1],
    ] as const) {
      expect(() => createTokenizer(file(x, 7, y), 9)).toThrowError(
        expect.objectContaining({ code: 'asset_corrupt' }),
      );
    }
  });

  it.each([
    ['asset_corrupt', { model: 3 }],
    ['asset_corrupt', { model: { type: 'WordPiece' } }],
    ['asset_corrupt', { model: { type: 'WordPiece', vocab: [['a', 1]], unk_token: 'a' } }],
    ['asset_corrupt', { model: { type: 'WordPiece', vocab: { a: 1 }, unk_token: 'b' } }],
    ['asset_corrupt', { added_tokens: [{ content: '', id: 1 }] }],
    ['asset_corrupt', { added_tokens: [{ content: 'new', id: -1 }] }],
    ['asset_corrupt', { added_tokens: 3 }],
    ['asset_corrupt', { normalizer: { ...BERT_NORMALIZER, lowercase: 'yes' } }],
    [
      'asset_corrupt',
      { post_processor: { type: 'TemplateProcessing', single: [], special_tokens: {} } },
    ],
    ['asset_corrupt', { post_processor: { type: 'BertProcessing', cls: 1, sep: 2 } }],
    ['unsupported', { post_processor: null }],
    ['unsupported', { post_processor: { type: 'Other' } }],
    ['unsupported', { pre_tokenizer: { type: 'Digits' } }],
    ['unsupported', { pre_tokenizer: { type: 'toString' } }],
    ['unsupported', { pre_tokenizer: null }],
    ['unsupported', { normalizer: { type: 'ByteLevel' } }],
    ['unsupported', { model: { type: 'WordLevel', vocab: { a: 1 } } }],
    [
      'unsupported',
      {
        model: {
          type: 'WordPiece',
          vocab: { a: 1 },
          unk_token: 'a',
          max_input_chars_per_word: 1e6,
        },
      },
    ],
  ] as const)('is refused as %s with %j', (code, parts) => {
    expect(() => createTokenizer(bertFile(parts as object), 9)).toThrowError(
      expect.objectContaining({ code, name: 'WhorlError' }),
    );
  });

  it('is refused where its special tokens alone are too many', () => {
    expect(() => createTokenizer(bertFile(), 1)).toThrowError(
      expect.objectContaining({ code: 'asset_corrupt' }),
    );
  });
});

describe('byte pairs', () => {
  /** Every byte as GPT-2 writes it, then some merges. */
  function bytePairFile(pre_tokenizer: object, model: object = {}): Uint8Array {
    const visible = Array.from({ length: 512 }, (_, code) => String.fromCharCode(code)).filter(
      (c) => c > ' ',
    );
    const merges = ['i n', 'in n', 't h', 'th e', 'Ġ the', 'Ġ inn', 'Ã ©', '1 2'];
    const pieces = ['<s>', '</s>', ...visible, ...merges.map((merge) => merge.replace(' ', ''))];
    return tokenizerFile({
      model: {
        type: 'BPE',
        vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
        merges,
        ...model,
      },
      pre_tokenizer,
      post_processor: { type: 'RobertaProcessing', cls: ['<s>', 0], sep: ['</s>', 1] },
      added_tokens: [added(0, '<s>'), added(1, '</s>')],
    });
  }
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };

  it('agree with the library on any text', () => {
    const file = bytePairFile(byteLevel);
    const own = createTokenizer(file, 10_000);
    const library = new Library(
      { ...JSON.parse(new TextDecoder().decode(file)), decoder: null },
      {},
    );
    const part = oneof(
      constantFrom(
        'the inn',
        ' the',
        "it's",
        '123',
        ' ',
        '\n',
        '  ',
        'é',
        '川の宿',
        '😀',
        '<s>',
        '!?',
        "we'll",
      ),
      string({ unit: 'grapheme', maxLength: 5 }),
    );
    assert(
      property(array(part, { maxLength: 20 }), (parts) => {
        // White space that JavaScript and Unicode see differently is the original's way here.
        const text = parts.join('').replace(/[\u0085\uFEFF]/g, '');
        expect([...own.encode(text)]).toEqual(library.encode(text).ids);
      }),
      { numRuns: 500 },
    );
  });

  it('split by a pattern of the file', () => {
    const split = {
      type: 'Split',
      pattern: { Regex: '\\p{N}' },
      behavior: 'Isolated',
      invert: false,
    };
    const sequence = {
      type: 'Sequence',
      pretokenizers: [split, { ...byteLevel, use_regex: false }],
    };
    const plain = createTokenizer(bytePairFile(byteLevel), 9).encode('12');
    const apart = createTokenizer(bytePairFile(sequence), 9).encode('12');
    expect([plain.length, apart.length]).toEqual([3, 4]);
  });

  it.each([
    ['unsupported', byteLevel, { byte_fallback: true }],
    ['unsupported', byteLevel, { continuing_subword_prefix: '##' }],
    ['unsupported', byteLevel, { dropout: 0.1 }],
    ['unsupported', { type: 'Split', pattern: { Regex: 'a' }, behavior: 'Removed' }, {}],
    ['unsupported', { type: 'Punctuation' }, {}],
    ['asset_corrupt', byteLevel, { merges: null }],
  ] as const)('are refused as %s with %j %j', (code, pre, model) => {
    expect(() => createTokenizer(bytePairFile(pre, model), 9)).toThrowError(
      expect.objectContaining({ code }),
    );
  });
});

describe('normal forms', () => {
  it('are those of the host, however long a run of marks is', () => {
    const mark = constantFrom(
      ...'\u0300\u0301\u0316\u0323\u0327\u0345\u0344\u0903\u0940\u094D\u0F71\u0F73\u0F74\u302E\u302F\u3099\u20DD',
      '\u{1D165}',
      '\u{1D16D}',
      '\u{1D17B}',
      '\u{16FF0}',
    );
    const form = constantFrom('NFC', 'NFD', 'NFKC', 'NFKD' as const);
    assert(
      property(
        array(mark, { minLength: 60, maxLength: 200 }),
        form,
        constantFrom('e', 'か', '', 'é'),
        (marks, form, base) => {
          const text = `a${base}${marks.join('')}b`;
          expect(normalForm(text, form)).toBe(text.normalize(form));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a cut', () => {
  const same = (text: string): string => text;
  it('is made between two letters that are what they are', () => {
    expect(settledCut('abcdef', 3, same)).toBe(3);
    expect(settledCut('abc  def', 4, same)).toBe(2);
    expect(settledCut('ab! e\u0301e\u0301', 7, same)).toBe(1);
    expect(settledCut('川の宿の茶屋', 4, same)).toBe(4);
    expect(settledCut('\u{1F600}\u{1F600}\u{1F600}', 3, same)).toBe(-1);
  });

  it('is not made where the normaliser makes something else of a letter', () => {
    expect(settledCut('abcxxx', 5, (text) => text.replaceAll('x', ''))).toBe(2);
  });
});
