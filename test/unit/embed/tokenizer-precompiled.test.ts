import { array, assert, constantFrom, integer, oneof, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { precompiled } from '../../../workers/embed/tokenizer/precompiled.ts';
import { createTokenizer } from '../../../workers/embed/tokenizer.ts';
import { template, tokenizerFile } from './tokenizer-files.ts';
import { charsmap } from './tokenizer-reference.ts';

const PIECES = ['<s>', '<pad>', '</s>', '<unk>', '▁', '▁in', 'n', 'e', 'é'];

function file(normalizer: object): Uint8Array {
  return tokenizerFile({
    model: { type: 'Unigram', unk_id: 3, vocab: PIECES.map((piece, i) => [piece, -i]) },
    normalizer,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'WhitespaceSplit' },
        { type: 'Metaspace', replacement: '▁', add_prefix_space: true },
      ],
    },
    post_processor: template({ '<s>': 0 }, { '</s>': 2 }),
  });
}

describe('a precompiled table of characters', () => {
  const replacements = {
    'e\u0301': 'é',
    ﬁ: 'fi',
    '\t': ' ',
    '\r': ' ',
    '\u3000': ' ',
    '\u200D': ' ',
    Ａ: 'A',
    '\u00AD': '',
    'か\u3099': 'が',
    x: 'y',
    xz: 'never: the shorter key wins',
  };
  const normalize = precompiled(charsmap(replacements));

  it('replaces characters and short graphemes, and takes long graphemes apart', () => {
    expect(normalize('plain ﬁ Ａ\u00ADB\u3000')).toBe('plain fi AB ');
    expect(normalize('cafe\u0301 e\u0301e\u0301')).toBe('café éé');
    // 3 and 3 bytes: too long, and neither character is a key.
    expect(normalize('か\u3099')).toBe('か\u3099');
    // The shortest key at the beginning of a grapheme stands for all of it.
    expect(normalize('\r\n')).toBe(' ');
    expect(normalize('x\u0301')).toBe('y');
    expect(normalize('xz')).toBe('yz');
    expect(normalize('x\u0301\u0301\u0301')).toBe('y\u0301\u0301\u0301');
  });

  it('agrees with the plain reading of the rule for any text', () => {
    const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });
    const keys = Object.entries(replacements).sort(([a], [b]) => a.length - b.length);
    const find = (text: string): string | undefined =>
      keys.find(([key]) => text.startsWith(key))?.[1];
    const plain = (text: string): string =>
      [...segmenter.segment(text)]
        .map(({ segment }) => {
          const whole = Buffer.byteLength(segment) < 6 ? find(segment) : undefined;
          return whole ?? [...segment].map((c) => find(c) ?? c).join('');
        })
        .join('');
    const part = oneof(
      constantFrom(
        ...Object.keys(replacements),
        'e',
        '\u0301',
        '\u0301\u0301',
        '\r\n',
        '\n',
        'ᄒ',
        '\u1161',
        '한',
        '\u11AB',
      ),
      constantFrom(
        '\u0600',
        '\u{1F469}\u200D\u{1F373}',
        '\u{1F1E9}\u{1F1EA}',
        'क',
        '\u094D',
        'か',
        '\u3099',
        'ﾞ',
        'a',
        ' ',
      ),
      string({ unit: 'binary', maxLength: 3 }),
    );
    assert(
      property(array(part, { maxLength: 30 }), (parts) => {
        const source = parts.join('');
        expect(normalize(source)).toBe(plain(source));
      }),
      { numRuns: 3_000 },
    );
  });

  it('finds the same graphemes however long a text is', () => {
    const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });
    // A grapheme that begins with a key becomes the key's replacement, so that each one shows.
    const marked = precompiled(charsmap({ '\u{1F600}': 'E', '\u{1F1E9}': 'D', e: 'L' }));
    const part = constantFrom(
      '\u{1F600}',
      '\u{1F1E9}',
      '\u{1F1E9}\u{1F1E9}',
      'e\u0301',
      '\u{1F600}\u{1F3FD}',
      '\u{1F600}\u200D',
      '\u200D',
      '\u{1D165}',
      '\u0301'.repeat(9_000),
    );
    assert(
      property(
        array(part, { minLength: 1, maxLength: 12 }),
        integer({ min: 1, max: 900 }),
        (parts, count) => {
          const source = parts.join('').repeat(count).slice(0, 12_000);
          let expected = '';
          for (const { segment } of segmenter.segment(source.toWellFormed())) {
            if (Buffer.byteLength(segment) >= 6) expected += [...segment].map(marked).join('');
            else expected += marked(segment);
          }
          expect(marked(source.toWellFormed())).toBe(expected);
        },
      ),
      { numRuns: 25 },
    );
  });

  // V8's segmenter takes a second for 70,000 code units of many graphemes, and four times that for twice as many.
  it.each([
    '\u{1F600}',
    '\u{1F1E9}',
    'e\u0301',
    'か\u3099',
    '\u{1F44D}\u{1F3FD}',
    '\u0301',
    'क\u094D',
  ])('reads a megabyte in linear time: %j', (part) => {
    const normalizer = { type: 'Precompiled', precompiled_charsmap: charsmap(replacements) };
    const source = part.repeat(1_000_000 / part.length);
    const own = createTokenizer(file(normalizer), 256);
    expect(own.encode(source).length).toBeLessThanOrEqual(256);
  });

  it('is used by a tokenizer', () => {
    const normalizer = {
      type: 'Precompiled',
      precompiled_charsmap: charsmap({ ｉ: 'i', '▁': ' ' }),
    };
    const own = createTokenizer(file(normalizer), 9);
    const id = (piece: string): number => PIECES.indexOf(piece);
    expect([...own.encode('ｉn▁n')]).toEqual([0, id('▁in'), id('▁'), id('n'), 2]);
  });
});
