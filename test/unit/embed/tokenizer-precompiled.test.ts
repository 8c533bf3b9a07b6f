import { array, assert, constantFrom, oneof, property, string } from 'fast-check';
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
    // A grapheme that is found whole shows as its key's replacement alone, a divided one as more.
    const marked = precompiled(charsmap({ e: 'L' }));
    for (const grapheme of ['e\u0301', 'e\u{1D165}', 'e\u200D', 'e\u0301\u0301']) {
      for (let shift = 0; shift < 5; shift++) {
        const source = 'ก'.repeat(shift) + grapheme.repeat(5_000);
        expect(marked(source)).toBe('ก'.repeat(shift) + 'L'.repeat(5_000));
        const long = `e${'\u0301'.repeat(9_000)}`;
        expect(marked(source + long + source)).toBe(
          marked(source) + long.replace('e', 'L') + marked(source),
        );
      }
    }
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
