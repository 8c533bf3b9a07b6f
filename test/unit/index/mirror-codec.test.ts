/** Values to bytes and back; and bytes that nobody wrote. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteWriter } from '../../../workers/index/mirror/byte-writer.ts';
import { crc32c } from '../../../workers/index/mirror/crc32c.ts';
import { BrokenBytes, ByteReader, decodeValue } from '../../../workers/index/mirror/decode.ts';
import { encodeValue } from '../../../workers/index/mirror/encode.ts';

type Bytes = Uint8Array<ArrayBuffer>;

function bytesOf(value: unknown): Bytes {
  const out = new ByteWriter();
  encodeValue(out, value);
  return joined(out.pieces());
}

function joined(pieces: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function decoded(bytes: Bytes): unknown {
  const from = new ByteReader(bytes);
  const value = decodeValue(from);
  expect(from.left).toBe(0);
  return value;
}

/** What storage holds: as structured clone copies it. */
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<unknown>(
      undefined,
      null,
      true,
      false,
      0,
      -0,
      Number.NaN,
      -1,
      2 ** 31,
      -(2 ** 31),
    ),
    fc.double(),
    fc.integer(),
    fc.bigInt(),
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme' }),
    fc.date({ noInvalidDate: false }),
    fc.uint8Array(),
    fc.uint8Array().map((bytes) => bytes.slice().buffer),
    fc.float32Array(),
    fc.float64Array(),
    fc.bigInt64Array(),
    fc.uint32Array(),
    fc.array(tie('any'), { maxLength: 5 }),
    fc.dictionary(fc.string(), tie('any'), { maxKeys: 5 }),
    fc.array(fc.tuple(tie('any'), tie('any')), { maxLength: 4 }).map((pairs) => new Map(pairs)),
  ),
})).any;

describe('values', () => {
  test('come back as structured clone would copy them', () => {
    fc.assert(
      fc.property(value, (before) => {
        const after = decoded(bytesOf(before));
        expect(after).toStrictEqual(structuredClone(before));
      }),
      { numRuns: 2_000 },
    );
  });

  test('that are large, or texts of all kinds', () => {
    const large = [
      new Float32Array(400_000).map((_, at) => at / 3),
      'ab'.repeat(200_000),
      '漢字🙂'.repeat(50_000),
      `lone \ud800 surrogate`.repeat(1_000),
      '\ud83d',
      '',
      2n ** 64n - 1n,
      -(2n ** 63n),
      0n,
      Array.from({ length: 10_000 }, (_, at) => ({ at, text: `row ${at}` })),
    ];
    expect(decoded(bytesOf(large))).toStrictEqual(large);
  });

  test('a member named __proto__ stays a member', () => {
    const before = JSON.parse('{"__proto__": {"polluted": true}, "a": 1}') as object;
    const after = decoded(bytesOf(before)) as object;
    expect(Object.keys(after)).toEqual(['__proto__', 'a']);
    expect((after as { polluted?: boolean }).polluted).toBeUndefined();
    expect(Object.getPrototypeOf(after)).toBe(Object.prototype);
  });

  test('that change afterwards are as they were', () => {
    const list = [1, 2];
    const data = new Float32Array(100_000).fill(1);
    const out = new ByteWriter();
    encodeValue(out, { list, data });
    list.push(3);
    data.fill(2);
    const after = decoded(joined(out.pieces())) as { list: number[]; data: Float32Array };
    expect(after.list).toEqual([1, 2]);
    expect(after.data.every((each) => each === 1)).toBe(true);
  });

  test.each<[string, () => unknown]>([
    ['a function', () => () => {}],
    ['a symbol', () => Symbol('x')],
    ['a set', () => new Set()],
    ['an error', () => new Error('x')],
    ['a view of shared memory', () => new Uint8Array(new SharedArrayBuffer(4))],
    [
      'deep nesting',
      () => {
        let nested: unknown = 1;
        for (let depth = 0; depth < 200; depth++) nested = [nested];
        return nested;
      },
    ],
  ])('%s is refused by name', (_, make) => {
    expect(() => bytesOf(make())).toThrow(/The mirror cannot hold/);
  });
});

describe('bytes that nobody wrote', () => {
  const tryDecoding = (bytes: Bytes): 'value' | 'broken' => {
    try {
      decodeValue(new ByteReader(bytes));
      return 'value';
    } catch (error) {
      expect(error).toBeInstanceOf(BrokenBytes);
      return 'broken';
    }
  };

  test('end in a value or in BrokenBytes, and take no memory for what they claim', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        tryDecoding(new Uint8Array(bytes));
      }),
      { numRuns: 10_000 },
    );
  });

  test('are told from values that were cut or flipped without a crash', () => {
    let broken = 0;
    fc.assert(
      fc.property(value, fc.nat(), fc.nat(7), fc.boolean(), (before, at, bit, cut) => {
        const bytes = bytesOf(before);
        const place = at % bytes.length;
        const damaged = cut ? bytes.slice(0, place) : bytes;
        if (!cut) damaged[place] = (damaged[place] ?? 0) ^ (1 << bit);
        if (tryDecoding(damaged) === 'broken') broken += 1;
      }),
      { numRuns: 5_000 },
    );
    expect(broken).toBeGreaterThan(1_000);
  });

  test.each<[string, readonly number[]]>([
    ['four billion members', [10, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['a buffer of 2^50 bytes', [8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]],
    ['a number without end', [4, ...Array<number>(20).fill(0x80)]],
    ['a view of no kind', [9, 200, 0]],
    ['a view of half an element', [9, 1, 3, 0, 0, 0]],
    ['a bigint of 4,000 bytes', [7, 0, 0xa0, 0x1f, ...Array<number>(4_000).fill(1)]],
    ['nesting of 1,000 levels', [...Array<number[]>(1_000).fill([10, 1]).flat(), 0]],
    ['half a unit of text', [6, 7, 0, 0, 0]],
    ['text that is no UTF-8', [6, 4, 0xc3, 0x28]],
    ['nothing', []],
  ])('%s', (_, bytes) => {
    expect(tryDecoding(Uint8Array.from(bytes))).toBe('broken');
  });
});

describe('CRC-32C', () => {
  test('is that of RFC 3720, appendix B.4', () => {
    const text = new TextEncoder().encode('123456789');
    expect(crc32c(text)).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at))).toBe(0x46dd794e);
  });

  test('of parts is that of the whole', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, at) => {
        const whole = new Uint8Array(bytes);
        expect(crc32c(whole.subarray(at), crc32c(whole.subarray(0, at)))).toBe(crc32c(whole));
      }),
    );
  });
});
