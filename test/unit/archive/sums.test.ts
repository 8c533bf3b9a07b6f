/** Checksums over pieces, against the platform's. */
import { createHash } from 'node:crypto';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32 } from '../../../workers/archive/crc32.ts';
import { Sha256 } from '../../../workers/archive/sha256.ts';

const pieces = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 });

function joined(parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}

describe('sums of bytes that come piece by piece', () => {
  test('SHA-256 is that of the platform, wherever the pieces end', () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const sum = new Sha256();
        for (const part of parts) sum.update(part);
        expect(sum.hex()).toBe(createHash('sha256').update(joined(parts)).digest('hex'));
      }),
      { numRuns: 400 },
    );
  });

  test('SHA-256 of lengths around the padding', () => {
    for (let length = 0; length < 200; length++) {
      const bytes = new Uint8Array(length).map((_, i) => i * 7 + length);
      const sum = new Sha256();
      sum.update(bytes);
      expect(sum.hex()).toBe(createHash('sha256').update(bytes).digest('hex'));
    }
  });

  test('CRC-32 of the check value that its catalogue gives', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  test.skipIf(zlibCrc32 === undefined)('CRC-32 is that of zlib, wherever the pieces end', () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const sum = parts.reduce((crc, part) => crc32(part, crc), 0);
        expect(sum).toBe(zlibCrc32(joined(parts)));
      }),
      { numRuns: 400 },
    );
  });
});
