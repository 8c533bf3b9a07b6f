import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textDigest } from '../../../src/shared/text-digest.ts';
import { estimateTokens } from '../../../src/shared/text-tokens.ts';

/** SHA-256 of Node over the UTF-16 units, high byte first. */
function reference(text: string): string {
  const hash = createHash('sha256').update(Buffer.from(text, 'utf16le').swap16()).digest();
  return Array.from({ length: 16 }, (_, i) => String.fromCharCode(hash.readUInt16BE(2 * i))).join(
    '',
  );
}

describe('the digest of a text', () => {
  it('is SHA-256 for every length around the borders of a block', () => {
    for (let length = 0; length <= 200; length++) {
      const text = 'aé한🜁'.repeat(60).slice(0, length);
      expect(textDigest(text)).toBe(reference(text));
    }
  });

  it('is SHA-256 for any units, unpaired surrogates too', () => {
    const unit = fc.nat(0xffff).map((code) => String.fromCharCode(code));
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 300 }), (units) => {
        const text = units.join('');
        // Buffer writes unpaired surrogates as they are in UTF-16.
        expect(textDigest(text)).toBe(reference(text));
      }),
    );
    expect(textDigest('\ud800')).not.toBe(textDigest('\ud801'));
    expect(textDigest('\ud800')).not.toBe(textDigest('\ufffd'));
  });

  it('is SHA-256 for long text', () => {
    const text = 'The quick brown fox. '.repeat(20_000);
    expect(textDigest(text)).toBe(reference(text));
  });
});

describe('the estimate of tokens', () => {
  it('grows with the text up to the bound of a model, and counts ideographs one by one', () => {
    expect(estimateTokens('')).toBe(3);
    expect(estimateTokens('x'.repeat(400))).toBe(102);
    expect(estimateTokens('한'.repeat(100))).toBe(102);
    expect(estimateTokens('x'.repeat(10_000_000))).toBe(258);
    expect(estimateTokens('한'.repeat(10_000))).toBe(258);
  });
});
