import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanText, oneLine } from '../../../src/loop/clean-text.ts';

describe('cleanText', () => {
  it.each([
    ['zero width space', 'ig\u200bnore', 'ignore'],
    ['bidirectional override', 'a\u202egpj.exe\u202c', 'agpj.exe'],
    ['isolates', '\u2066x\u2069', 'x'],
    ['tag characters', 'hi\u{e0041}\u{e0042}\u{e007f}', 'hi'],
    ['joiner outside emoji', 'a\u200db', 'ab'],
    ['supplementary selectors', 'A\u{e0100}\u{e0101}\u{e01ef}', 'A'],
    ['selectors after a letter', 'A\ufe0f\ufe0f\ufe0e', 'A'],
    ['controls', 'a\u0000b\u001bc\u007f', 'abc'],
    ['byte order mark', '\ufeffa', 'a'],
    ['soft hyphen', 'ta\u00advern', 'tavern'],
    ['hangul filler', 'a\u3164b', 'ab'],
    ['lone surrogate', 'a\ud800b', 'a\ufffdb'],
    ['line separators', 'a\u2028b\r\nc\rd', 'a\nb\nc\nd'],
    ['decomposed letters', 'cafe\u0301', 'caf\u00e9'],
  ])('takes out %s', (_, dirty, clean) => {
    expect(cleanText(dirty)).toBe(clean);
  });

  it.each(['👩‍💻', '👨‍👩‍👧', '❤️', '👩🏽‍🚀', 'はい、「緑竜亭」です。\n次', 'a\tb', '1️⃣'])(
    'keeps %s',
    (text) => {
      expect(cleanText(text)).toBe(text);
    },
  );

  it('is idempotent and leaves no format or control character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const once = cleanText(text);
        expect(cleanText(once)).toBe(once);
        expect(once.replaceAll('\u200d', '').replace(/[\n\t]/g, '')).not.toMatch(/\p{Cf}|\p{Cc}/u);
      }),
    );
  });

  it('folds to one line', () => {
    expect(oneLine('  a\n\n b\u200b\tc ')).toBe('a b c');
  });
});
