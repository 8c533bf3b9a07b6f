import { readFileSync } from 'node:fs';
import { Tokenizer as Library } from '@huggingface/tokenizers';
import {
  array,
  assert,
  boolean,
  constantFrom,
  integer,
  oneof,
  property,
  record,
  string,
} from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bertNormalizer } from '../../../workers/embed/tokenizer/bert-normalizer.ts';
import { createTokenizer } from '../../../workers/embed/tokenizer.ts';
import { BERT_NORMALIZER, bertFile, WORDS } from './tokenizer-files.ts';
import {
  type BertOptions,
  referenceNormal,
  referencePieces,
  referenceWords,
} from './tokenizer-reference.ts';

const file = readFileSync('public/models/all-MiniLM-L6-v2/tokenizer.json');
const json = JSON.parse(file.toString());
const published = new Map<string, number>(Object.entries(json.model.vocab));
const small = new Map(Object.entries(WORDS));
const UNLIMITED = 100_000;
const tokenizer = createTokenizer(file, UNLIMITED);

/** Characters that something is special about: each kind that the code tells apart, and its borders. */
const ODD = [
  ...' \t\n\r\u00A0\u0085\u2028\u3000\u200B\u200D\uFEFF\u0000\u0001\u007F\uFFFD',
  ...'.,!?[]#_-$^`|~\u00AD\u2010\u3002\uFF01\u00A7',
  ...'ÀéñÖßİıſΣςσŉǅﬁﬃ½²℃Å',
  ...'\u0300\u0301\u0323\u0345\u0344\u0903\u0F73\u302E\u302F\u20DD\u{1D165}\u{1D16D}\u0E33',
  ...'人一龯ひカ゛がガｶﾞ한국ᄒ\u1161\u11ABﾡ',
  ...'\u{20000}\u{2A6DF}\u{2A6E0}\u{2B820}\u{2B920}\u{2F800}豈\u{1F600}\u{1F469}\u{1F3FD}\u{E0001}\u{10FFFF}\u{E000}',
  ...'กไअकक्षשלוםعربي',
];
const unit = integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code));
const point = integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code));
const word = constantFrom(
  'inn',
  'river',
  'unbelievable',
  '[CLS]',
  '[MASK]',
  '[UN',
  'K]',
  '##ab',
  'ΟΔΟΣ',
  'x'.repeat(99),
  'y'.repeat(101),
);
const text = array(
  oneof(
    constantFrom(...ODD),
    constantFrom(...ODD, ' '),
    word,
    string(),
    unit,
    point,
    constantFrom('\u0301'.repeat(70)),
  ),
  { maxLength: 40 },
).map((parts) => parts.join(''));

const OPTIONS: BertOptions = { clean: true, ideographs: true, strip: true, lower: true };

function reference(
  source: string,
  vocabulary: ReadonlyMap<string, number>,
  options: BertOptions = OPTIONS,
): number[] {
  const id = (piece: string): number => vocabulary.get(piece)!;
  const special = /(\[(?:PAD|UNK|CLS|SEP|MASK)\])/;
  const ids = source.split(special).flatMap((section, i) => {
    // Every second part is what was split at.
    if (i % 2 === 1 && vocabulary.has(section)) return [id(section)];
    const words = referenceWords(referenceNormal(section, options));
    return words.flatMap((word) => referencePieces(word, vocabulary, id('[UNK]')));
  });
  return [id('[CLS]'), ...ids, id('[SEP]')];
}

describe('WordPiece', () => {
  it('agrees with the plain reference on any text', () => {
    assert(
      property(text, (source) => {
        expect([...tokenizer.encode(source)]).toEqual(reference(source, published));
      }),
      { numRuns: 3_000 },
    );
  });

  it('agrees with the library, given the exact normaliser, on any text', () => {
    const library = new Library(json, {});
    const normalizer = bertNormalizer({ ...BERT_NORMALIZER });
    library.normalizer = normalizer as unknown as Library['normalizer'];
    assert(
      property(text, (source) => {
        expect([...tokenizer.encode(source)]).toEqual(library.encode(source).ids);
      }),
      { numRuns: 1_000 },
    );
  });

  it('does what the normaliser is told', () => {
    const flags = record({
      clean: boolean(),
      ideographs: boolean(),
      strip: boolean(),
      lower: boolean(),
    });
    assert(
      property(text, flags, (source, options) => {
        const normalizer = {
          type: 'BertNormalizer',
          clean_text: options.clean,
          handle_chinese_chars: options.ideographs,
          strip_accents: options.strip,
          lowercase: options.lower,
        };
        const own = createTokenizer(bertFile({ normalizer }), UNLIMITED);
        const plain = source.replaceAll('[MASK]', '');
        expect([...own.encode(plain)]).toEqual(reference(plain, small, options));
      }),
      { numRuns: 400 },
    );
  });

  it('takes strip_accents from lowercase where the file leaves it open', () => {
    const cased = createTokenizer(
      bertFile({ normalizer: { ...BERT_NORMALIZER, lowercase: false } }),
      9,
    );
    expect([...cased.encode('Inn é')]).toEqual([2, WORDS.Inn, WORDS.é, 3]);
  });

  it('reads a beginning as it would read the whole', () => {
    const words = oneof(
      word,
      text,
      constantFrom(' ', 'the inn by the river ', '人工知能は', '한국어로 ', 'привет ', 'ทดสอบ'),
    );
    assert(
      property(
        array(words, { minLength: 20, maxLength: 60 }),
        integer({ min: 3, max: 12 }),
        (parts, most) => {
          const source = parts.join('');
          const whole = tokenizer.encode(source);
          const expected = [...whole.slice(0, -1).slice(0, most - 1), 102];
          expect([...createTokenizerOf(most).encode(source)]).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('reads the whole where a normaliser replaces more than a character', () => {
    const normalizer = { type: 'Replace', pattern: { String: 'a ab' }, content: 'river' };
    const replaced = (most: number, source: string): number[] => [
      ...createTokenizer(bertFile({ normalizer }), most).encode(source),
    ];
    for (let shift = 0; shift < 60; shift++) {
      const source = `${' '.repeat(shift)}${'a ab '.repeat(40)}`;
      expect(replaced(5, source)).toEqual([2, WORDS.river, WORDS.river, WORDS.river, 3]);
    }
  });

  it('finds the longest piece first, and gives a word up as a whole', () => {
    const own = createTokenizer(bertFile(), 20);
    const ids = (source: string): number[] => [...own.encode(source)].slice(1, -1);
    expect(ids('abcab')).toEqual([WORDS.ab, WORDS['##cab']]);
    expect(ids('abx')).toEqual([WORDS['[UNK]']]);
    expect(ids('ababx inn')).toEqual([WORDS['[UNK]'], WORDS.inn]);
    expect(ids(`${'ab'.repeat(50)}`)).toHaveLength(18);
    expect(ids(`${'ab'.repeat(50)}a inn`)).toEqual([WORDS['[UNK]'], WORDS.inn]);
  });

  it('counts characters, not code units, of a word that may be too long', () => {
    const limited = createTokenizer(bertFile({}, { max_input_chars_per_word: 3 }), 9);
    expect([...limited.encode('aab')]).toEqual([2, WORDS.a, WORDS['##ab'], 3]);
    expect([...limited.encode('aabb')]).toEqual([2, WORDS['[UNK]'], 3]);
    const vocab = { ...WORDS, '\u{10400}': 30, '##\u{10400}': 31 };
    const astral = bertFile({ normalizer: null }, { max_input_chars_per_word: 3, vocab });
    expect([...createTokenizer(astral, 9).encode('\u{10400}\u{10400}\u{10400}')]).toEqual([
      2, 30, 31, 31, 3,
    ]);
  });

  it('takes the unknown token, the prefix and the special ids from the file', () => {
    const vocab = { '<u>': 7, '@@b': 8, a: 9, '<s>': 10, '</s>': 11 };
    const own = createTokenizer(
      bertFile(
        {
          added_tokens: [],
          post_processor: { type: 'BertProcessing', cls: ['<s>', 10], sep: ['</s>', 11] },
        },
        { vocab, unk_token: '<u>', continuing_subword_prefix: '@@' },
      ),
      9,
    );
    expect([...own.encode('ab a x')]).toEqual([10, 9, 8, 9, 7, 11]);
  });

  it('splits by words where the file asks for that', () => {
    const by = (type: string): number[] => [
      ...createTokenizer(bertFile({ pre_tokenizer: { type } }), 9).encode('inn!! a!'),
    ];
    expect(by('BertPreTokenizer')).toEqual([
      2,
      WORDS.inn,
      WORDS['!'],
      WORDS['!'],
      WORDS.a,
      WORDS['!'],
      3,
    ]);
    expect(by('Whitespace')).toEqual([2, WORDS.inn, WORDS['[UNK]'], WORDS.a, WORDS['!'], 3]);
    expect(by('WhitespaceSplit')).toEqual([2, WORDS['[UNK]'], WORDS['[UNK]'], 3]);
  });
});

const made = new Map<number, ReturnType<typeof createTokenizer>>();
function createTokenizerOf(most: number): ReturnType<typeof createTokenizer> {
  const known = made.get(most) ?? createTokenizer(file, most);
  made.set(most, known);
  return known;
}

describe('a megabyte without a place to rest', () => {
  const cases: Readonly<Record<string, string>> = {
    'one letter': 'x',
    'one combining mark': '\u0301',
    'marks in the wrong order': '\u0301\u0316',
    'marks that stay, in the wrong order': '\u{1D16D}\u{1D165}',
    'a letter and its mark': 'e\u0301',
    'an opening bracket': '[',
    'half a special token': '[CLS',
    'an ideograph': '人',
    'kana with marks': 'か\u3099',
    'an emoji': '\u{1F600}',
    'half a surrogate pair': '\uD800',
    'white space': ' \u3000',
    'what is dropped': '\u200B',
  };
  it.each(Object.entries(cases))('is read in linear time: %s', (_, part) => {
    const source = part.repeat(1_000_000 / part.length);
    expect(createTokenizerOf(256).encode(source).length).toBeLessThanOrEqual(256);
    // And with a mark that lets no prefix be enough.
    expect(createTokenizerOf(256).encode(`inn ${source}`)[1]).toBe(published.get('inn'));
  });
});
