/** Files that somebody made to do harm, one for each way: all of them are refused with words. */
import { deflateRawSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { isWhorlError, type WhorlError } from '../../../src/shared/errors.ts';
import { checkArchive } from '../../../workers/archive/check.ts';
import { MAX_ENTRIES } from '../../../workers/archive/limits.ts';
import { openCore } from '../index/core-fixture.ts';
import { checked, exported } from './archive-fixture.ts';
import { bytes, listed, type Part, partsOf, sorted, text, withPart, zipOf } from './forged.ts';
import { fill } from './samples.ts';

let file: Blob;
let parts: readonly Part[];

beforeAll(async () => {
  const store = await openCore();
  await fill(store);
  file = await exported(store.core);
  parts = await partsOf(file);
  await store.core.close();
});

async function refusal(bad: Blob): Promise<WhorlError> {
  let last = performance.now();
  let longest = 0;
  const step = () => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  };
  const error: unknown = await checkArchive(bad, step).then(
    () => new Error('accepted'),
    (reason: unknown) => reason,
  );
  step();
  // The page gives a reader up that shows no sign of life for so long.
  expect(longest).toBeLessThan(2_000);
  if (!isWhorlError(error)) throw error;
  expect(error.message).toContain('Nothing was imported');
  return error;
}

/** The file with bytes overwritten, counted from the end where `at` is negative. */
async function patched(at: number, ...values: readonly number[]): Promise<Blob> {
  const all = new Uint8Array(await file.arrayBuffer());
  all.set(values, at < 0 ? all.length + at : at);
  return new Blob([all]);
}

const rows = (change: (lines: string[]) => string[]) =>
  withPart(parts, 'inns/rows.jsonl', (content) =>
    bytes(`${change(text(content).trimEnd().split('\n')).join('\n')}\n`),
  );
const firstRow = (change: (line: string) => string) =>
  rows(([first = '', ...others]) => [change(first), ...others]);
const manifest = (change: Parameters<typeof listed>[1]) => zipOf(listed(parts, change));
const forgedRow = (change: (line: string) => string) => zipOf(listed(firstRow(change)));
const schema = (change: (schema: never) => void) =>
  zipOf(
    listed(
      withPart(parts, 'inns/schema.json', (content) => {
        const json = JSON.parse(text(content));
        change(json as never);
        return bytes(sorted(json));
      }),
    ),
  );

describe('a file that was forged', () => {
  test('is taken where all of it fits: the forger of these tests knows the format', async () => {
    expect(await checked(zipOf(listed(parts)))).toHaveLength(2);
    expect(await checked(zipOf(parts, { deflate: () => true }))).toHaveLength(2);
  });

  test.each<[string, () => Blob | Promise<Blob>, string, string?]>([
    ['nothing', () => new Blob([]), 'does not end as'],
    ['text', () => new Blob(['{"rows": []}'.repeat(10)]), 'does not end as'],
    ['bytes before it', () => new Blob(['#!', file]), 'end record'],
    ['bytes behind it', () => new Blob([file, 'x']), 'does not end as'],
    ['a comment', async () => patched(-2, 1, 0), 'end record'],
    ['two disks', () => patched(-18, 1, 0), 'end record'],
    ['zip64 in the end record', () => patched(-12, 0xff, 0xff, 0xff, 0xff), 'zip64'],
    ['zip64 counts', () => patched(-14, 0xff, 0xff, 0xff, 0xff), 'zip64'],
    ['a directory elsewhere', () => patched(-6, 0, 0, 0, 0), 'end record'],
    ['too many entries', () => new Blob([emptyEntries(MAX_ENTRIES + 1)]), 'entries', 'too_large'],
    ['encryption', () => flagged(1), 'encrypted'],
    ['a data descriptor', () => flagged(8), 'laid out'],
    ['a method that nobody has', () => lying({ method: 99 as never }), 'method 99'],
    ['a name that is absolute', () => named('/etc/passwd'), 'none of an archive'],
    ['a name that climbs', () => named('collections/../x/rows.jsonl'), 'none of an archive'],
    ['a name of Windows', () => named('collections\\inns\\rows.jsonl'), 'none of an archive'],
    ['a name with a zero', () => named('collections/inns/rows.jsonl\0'), 'none of an archive'],
    ['a name that is another', () => named('collections/other/rows.jsonl'), 'other entries'],
    ['an entry twice', () => zipOf([...parts, ...parts.slice(-1)]), 'twice'],
    [
      'an entry more',
      () => zipOf([...parts, { name: 'collections/x/rows.jsonl', content: bytes('') }]),
      'other entries',
    ],
    ['an entry less', () => zipOf(parts.slice(0, -1)), 'other entries'],
    [
      'entries in another order',
      () => zipOf([...parts.slice(0, 2), ...parts.slice(2).reverse()]),
      'other entries',
    ],
    ['no manifest', () => zipOf(parts.slice(1)), 'does not begin'],
    ['a size beyond the file', () => lying({ packed: 2 ** 31 }), 'stored, but'],
    ['sizes that overlap', () => lying({ packed: 1, bytes: 1 }), 'laid out'],
    ['a content longer than said', () => deflatedLie({ bytes: 10 }), 'expands to more'],
    ['a content shorter than said', () => deflatedLie({ bytes: 5_000 }), 'expands to'],
    ['a bomb', () => bomb(50_000_000, 50_000_000), 'more than 1:200', 'too_large'],
    ['a bomb that says it is small', () => bomb(50_000_000, 60_000), 'expands to more'],
    ['a bomb of all entries together', () => lyingAll(2 ** 31), 'stored, but'],
    ['noise for deflate', () => deflatedLie({ data: new Uint8Array(64).fill(255) }), 'inflated'],
    ['half of a deflated entry', () => halved(), 'expand|inflated'],
    ['a CRC of something else', () => lying({ crc: 1 }), 'CRC-32'],
    [
      'a hash of something else',
      () => zipOf(firstRow((line) => line.replace('Pony', 'Ponz'))),
      'SHA-256',
    ],
    ['vectors of another field', () => zipOf(swapped()), 'SHA-256|bytes'],
    [
      'a later format',
      () => manifest((m) => Object.assign(m, { format: 2, news: true })),
      'format 2',
      'storage_too_new',
    ],
    ['no format', () => manifest((m) => Object.assign(m, { format: 'one' })), 'names no format'],
    ['a member that is unknown', () => manifest((m) => Object.assign(m, { mood: 1 })), '"mood"'],
    [
      'another writer',
      () => manifest((m) => Object.assign(m, { createdBy: 'me' })),
      'not written by Whorl',
    ],
    [
      'rows of another number',
      () =>
        manifest((m) => Object.assign((m.collections as object[])[0] as object, { rows: 1e7 + 1 })),
      'at most',
      'too_large',
    ],
    ['one row less', () => zipOf(listed(rows((lines) => lines.slice(1)))), 'rows, the manifest'],
    [
      'a name of a JavaScript object',
      () => manifest((m) => Object.assign(m, JSON.parse('{"constructor":1}'))),
      'forbidden',
    ],
    [
      'a manifest that is no JSON',
      () => zipOf(withPart(parts, 'manifest.json', () => bytes('{'))),
      'misses a name',
    ],
    [
      'a manifest with spaces',
      () => zipOf(withPart(parts, 'manifest.json', (c) => bytes(` ${text(c)}`))),
      'not written as',
    ],
    [
      'a schema of another collection',
      () => schema((s: { collectionName: string }) => (s.collectionName = 'x')),
      'another collection',
    ],
    [
      'a schema without a key',
      () =>
        schema((s: { schema: { fields: { isPrimary: boolean }[] } }) =>
          s.schema.fields.forEach((f) => {
            f.isPrimary = false;
          }),
        ),
      'primary key',
    ],
    [
      'a schema with strangers',
      () => schema((s: object) => Object.assign(s, { shards: 3 })),
      '"shards"',
    ],
    [
      'a schema of another dimension',
      () =>
        schema((s: { schema: { fields: { elementTypeParams: { dim?: number } }[] } }) =>
          s.schema.fields.forEach(({ elementTypeParams: p }) => {
            if (p.dim) p.dim = 9;
          }),
        ),
      'vector fields',
    ],
    ['a row that is no object', () => forgedRow(() => '[1]'), 'line 1.*no object'],
    ['a row that is no JSON', () => forgedRow((line) => line.slice(0, -1)), 'line 1'],
    [
      'a row twice',
      () => zipOf(listed(rows(([a = '', , ...r]) => [a, a, ...r]))),
      'line 2.*not above',
    ],
    [
      'rows in another order',
      () => zipOf(listed(rows((lines) => lines.reverse()))),
      'line 2.*not above',
    ],
    [
      'a field that the schema has not',
      () => forgedRow((line) => line.replace('{', '{"odd":1,')),
      '"odd"',
    ],
    ['a field twice', () => forgedRow((line) => line.replace('{', '{"id":"1",')), '"id" twice'],
    [
      'a field less',
      () => forgedRow((line) => line.replace(/"text":"[^"]*",?/, '')),
      'misses field text',
    ],
    [
      'an Int64 as a number',
      () => forgedRow((line) => line.replace(/"id":"(-?\d+)"/, '"id":$1')),
      'string of digits',
    ],
    [
      'an Int64 of 65 bits',
      () => forgedRow((line) => line.replace(/"id":"-?\d+"/, '"id":"-9223372036854775809"')),
      'cast',
    ],
    [
      'a text that is too long',
      () => forgedRow((line) => line.replace(/"text":"/, `"text":"${'x'.repeat(300)}`)),
      'max length',
    ],
    [
      'half a surrogate pair in a text',
      () => forgedRow((line) => line.replace(/"text":"/, '"text":"\\ud800')),
      'surrogate',
    ],
    [
      'a declared field in the dynamic one',
      () => forgedRow((line) => line.replace(/"\$meta":\{/, '"$meta":{"text":"x",')),
      'declared field',
    ],
    [
      'a prototype in the dynamic field',
      () => forgedRow((line) => line.replace(/"\$meta":\{/, '"$meta":{"__proto__":{},')),
      'forbidden',
    ],
    [
      'a depth of 70',
      () =>
        forgedRow((line) =>
          line.replace(/"\$meta":\{/, `"$meta":{"deep":${'['.repeat(70)}${']'.repeat(70)},`),
        ),
      'deeper',
    ],
    [
      'a depth of 100,000',
      () =>
        forgedRow((line) => line.replace(/"\$meta":\{/, `"$meta":{"deep":${'['.repeat(100_000)},`)),
      'deeper',
    ],
    [
      'a number without an end',
      () =>
        forgedRow((line) => line.replace(/"\$meta":\{/, `"$meta":{"n":1${'0'.repeat(1_000_000)},`)),
      'over 64',
    ],
    [
      'infinity',
      () => forgedRow((line) => line.replace(/"\$meta":\{/, '"$meta":{"n":1e999,')),
      'not finite',
    ],
    [
      'a line of 33 MiB',
      () => forgedRow((line) => line.replace(/"text":"/, `"text":"${'x'.repeat(33 * 2 ** 20)}`)),
      'over 33554432',
      'too_large',
    ],
    [
      'bytes that are no UTF-8',
      () =>
        zipOf(
          listed(withPart(parts, 'inns/rows.jsonl', (c) => Uint8Array.from([0xc3, 0x28, ...c]))),
        ),
      'UTF-8',
    ],
    [
      'a last line without its end',
      () => zipOf(listed(withPart(parts, 'inns/rows.jsonl', (c) => c.slice(0, -1)))),
      'no end',
    ],
    [
      'a vector that is not finite',
      () =>
        zipOf(
          listed(
            withPart(parts, 'inns/vectors/vector.f32', (c) =>
              Uint8Array.from([...c.slice(0, 4), 0, 0, 0xc0, 0x7f, ...c.slice(8)]),
            ),
          ),
        ),
      'vector 1 .*not finite',
    ],
    [
      'a vector less',
      () => zipOf(listed(withPart(parts, 'inns/vectors/vector.f32', (c) => c.slice(4)))),
      'bytes',
    ],
    [
      'vectors of a model that no function has',
      () => manifest((m) => setFingerprint(m, 'vector', 'other')),
      'no function',
    ],
    [
      'vectors of a function without a model',
      () => manifest((m) => setFingerprint(m, 'model', 'caller')),
      'no model is named',
    ],
    [
      'vectors of nothing',
      () => manifest((m) => setFingerprint(m, 'vector', null)),
      'are of no model',
    ],
    [
      'a generated key at the end of all keys',
      () =>
        zipOf(
          listed(
            withPart(parts, 'made/rows.jsonl', (c) =>
              bytes(text(c).replace(/"id":"\d+"(?=.*\n$)/, '"id":"9223372036854775807"')),
            ),
          ),
        ),
      'none that is generated|not above',
    ],
  ])('%s', async (_, forge, says, code = 'archive_invalid') => {
    const error = await refusal(await forge());
    expect(error.message).toMatch(new RegExp(says, 's'));
    expect(error.code).toBe(code);
  });
});

function setFingerprint(m: object, field: string, fingerprint: string | null): void {
  type Listed = { collections: { vectors: { field: string; fingerprint: string | null }[] }[] };
  for (const { vectors } of (m as Listed).collections) {
    for (const each of vectors) if (each.field === field) each.fingerprint = fingerprint;
  }
}

const isRows = ({ name }: { readonly name: string }) => name === 'collections/inns/rows.jsonl';

function lying(lies: object): Blob {
  return zipOf(parts, { lies: (part) => (isRows(part) ? lies : {}) });
}

/** A deflated entry about which the manifest says what its header says. */
function deflatedLie(lies: { readonly bytes?: number; readonly data?: Uint8Array }): Blob {
  const { bytes: said } = lies;
  const agreed = listed(parts, ({ entries }) => {
    for (const entry of entries) if (said !== undefined && isRows(entry)) entry.bytes = said;
  });
  return zipOf(agreed, { deflate: isRows, lies: (part) => (isRows(part) ? lies : {}) });
}

function lyingAll(size: number): Blob {
  return zipOf(parts, { lies: () => ({ bytes: size }) });
}

function named(name: string): Blob {
  return zipOf(parts.map((part) => (isRows(part) ? { ...part, name } : part)));
}

/** Zeros: deflate takes them to a thousandth. */
function bomb(size: number, said: number): Blob {
  return deflatedLie({ bytes: said, data: deflateRawSync(new Uint8Array(size)) });
}

function halved(): Blob {
  const [whole] = parts.filter(isRows);
  const packed = zipOf([whole as Part], { deflate: () => true });
  expect(packed.size).toBeGreaterThan(200);
  return deflatedLie({ data: new Uint8Array([0x05, 0xc1, 0x01]) });
}

function swapped(): Part[] {
  const [a, b] = parts.filter(({ name }) => name.endsWith('.f32')) as [Part, Part];
  return parts.map((part) =>
    part === a ? { ...a, content: b.content } : part === b ? { ...b, content: a.content } : part,
  );
}

/** Both headers of an entry with a flag. */
async function flagged(flag: number): Promise<Blob> {
  const all = Buffer.from(await file.arrayBuffer());
  const central = all.indexOf(Buffer.from([0x50, 0x4b, 0x01, 0x02]));
  all.writeUInt16LE(flag, 6);
  all.writeUInt16LE(flag, central + 8);
  return new Blob([all]);
}

function emptyEntries(count: number): Blob {
  const content = new Uint8Array(0);
  return zipOf(
    Array.from({ length: count }, (_, i) => ({ name: `collections/c${i}/rows.jsonl`, content })),
  );
}
