/**
 * Mutants of archives: bytes flipped, cut, moved and doubled anywhere; and such of which the checksums and
 * hashes were made right again, so that what lies behind them is reached. Oracle: a mutant is refused with
 * words, or it holds what was exported; one whose hashes were forged is refused, or a store takes it and
 * can give it out again. Never a trap, and never two seconds without a sign of life.
 *
 * `WHORL_MUTANTS` says how many; `WHORL_SEED` repeats a run.
 */
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ArchivedCollection } from '../../../src/shared/archive-types.ts';
import { isWhorlError } from '../../../src/shared/errors.ts';
import { checkArchive } from '../../../workers/archive/check.ts';
import { openCore } from '../index/core-fixture.ts';
import { bytesOf, exported } from './archive-fixture.ts';
import { listed, type Part, partsOf, zipOf } from './forged.ts';
import { fill } from './samples.ts';

const RUNS = Number(process.env.WHORL_MUTANTS ?? 1_000);
const seed = Number(process.env.WHORL_SEED ?? Date.now() % 2 ** 31);
const CODES = ['archive_invalid', 'too_large', 'storage_too_new'];
const HANG_MS = 2_000;

let good: Uint8Array<ArrayBuffer>;
let parts: readonly Part[];
let content: string;

/** All that a file holds, as text. */
async function held(collections: readonly ArchivedCollection[]): Promise<string> {
  const all = collections.map(async ({ rows, vectors, ...said }) => ({
    ...said,
    rows: await rows.text(),
    vectors: await Promise.all(
      vectors.map(async ({ data, ...field }) => ({
        ...field,
        data: Buffer.from(await data.arrayBuffer()).toString('base64'),
      })),
    ),
  }));
  return JSON.stringify(await Promise.all(all));
}

beforeAll(async () => {
  const store = await openCore();
  await fill(store);
  const file = await exported(store.core);
  await store.core.close();
  good = await bytesOf(file);
  parts = await partsOf(file);
  content = await held(await checkArchive(file, () => {}));
});

/** What the file holds, or null where it is refused as it should be. */
async function read(file: Blob): Promise<readonly ArchivedCollection[] | null> {
  let last = performance.now();
  let longest = 0;
  const step = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  try {
    return await checkArchive(file, step);
  } catch (error) {
    if (!isWhorlError(error) || !CODES.includes(error.code)) throw error;
    expect(error.message).toContain('Nothing was imported');
    return null;
  } finally {
    step();
    expect(longest).toBeLessThan(HANG_MS);
  }
}

/** One change of some bytes; places are shares of the length. */
type Change = (all: Uint8Array) => Uint8Array;

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const short = fc.nat(64);
const at = (all: Uint8Array, share: number) => Math.floor(share * all.length);

function joined(...all: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(all));
}

const flip = fc.tuple(place, fc.integer({ min: 1, max: 255 })).map(
  ([share, bits]): Change =>
    (all) => {
      const copy = all.slice();
      if (copy.length > 0) copy[at(all, share)] = (copy[at(all, share)] as number) ^ bits;
      return copy;
    },
);
const extreme = fc
  .tuple(place, fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.constantFrom(1, 2, 4, 8))
  .map(
    ([share, byte, count]): Change =>
      (all) => {
        const copy = all.slice();
        copy.fill(byte, at(all, share), at(all, share) + count);
        return copy;
      },
  );
const cut = place.map(
  (share): Change =>
    (all) =>
      all.slice(0, at(all, share)),
);
const shorten = fc.tuple(place, short).map(
  ([share, n]): Change =>
    (all) =>
      joined(all.subarray(0, at(all, share)), all.subarray(at(all, share) + n)),
);
const grow = fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 40 })).map(
  ([share, more]): Change =>
    (all) =>
      joined(all.subarray(0, at(all, share)), more, all.subarray(at(all, share))),
);
const splice = fc.tuple(place, place, short).map(
  ([from, to, n]): Change =>
    (all) => {
      const copy = all.slice();
      copy.copyWithin(at(all, to), at(all, from), at(all, from) + n);
      return copy;
    },
);
const token = fc
  .tuple(
    place,
    fc.constantFrom(
      '"',
      '{',
      '}',
      '[',
      ',',
      ':',
      '\\u0000',
      '\n',
      '-',
      '1e999',
      '99999999999',
      '\ud83d',
    ),
  )
  .map(
    ([share, more]): Change =>
      (all) => {
        const bytes = new TextEncoder().encode(more);
        return joined(all.subarray(0, at(all, share)), bytes, all.subarray(at(all, share)));
      },
  );

const change = fc.oneof(flip, flip, extreme, cut, shorten, grow, splice, token);
const changes = fc.array(change, { minLength: 1, maxLength: 4 });

function changed(all: Uint8Array, by: readonly Change[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(by.reduce((bytes, each) => each(bytes), all));
}

const options = (share: number) => ({
  numRuns: Math.ceil(RUNS * share),
  seed,
  endOnFailure: true,
});

describe(`mutants of an archive (seed ${seed})`, { timeout: 600_000 }, () => {
  test('of any bytes are refused, or hold what was exported', async () => {
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(changes, async (by) => {
        const bytes = changed(good, by);
        const collections = await read(new Blob([bytes]));
        if (collections === null) return;
        kept += 1;
        expect(await held(collections)).toBe(content);
      }),
      options(0.5),
    );
    // Bits behind the last block of a deflated entry say nothing; nearly all bytes do.
    expect(kept).toBeLessThan(RUNS * 0.05);
  });

  test('of the manifest, the schema, rows or vectors are refused where only the CRC was forged', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), changes, async (which, by) => {
        const mutant = parts.map((part, i) =>
          i === which % parts.length ? { ...part, content: changed(part.content, by) } : part,
        );
        const collections = await read(
          zipOf(mutant, { deflate: (part) => part.content.length % 2 === 0 }),
        );
        if (collections !== null) expect(await held(collections)).toBe(content);
      }),
      options(0.2),
    );
  });

  test('whose hashes were forged, too, are refused, or a store takes them and gives them out', async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(), changes, async (which, by) => {
        const target = 1 + (which % (parts.length - 1));
        const mutant = parts.map((part, i) =>
          i === target ? { ...part, content: changed(part.content, by) } : part,
        );
        const collections = await read(zipOf(listed(mutant)));
        if (collections === null) return;
        taken += 1;
        const { core } = await openCore();
        await core.archives.takeIn({ collections, onConflict: 'refuse', rename: [] });
        const again = await read(await exported(core));
        expect(again?.map(({ name, count }) => [name, count])).toEqual(
          collections.map(({ name, count }) => [name, count]),
        );
        await core.close();
      }),
      options(0.2),
    );
    // Some vectors and texts are as good as others: the checks behind the hashes were reached.
    expect(taken).toBeGreaterThan(0);
  });

  test('of deflated bytes are refused, or hold what was exported', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), changes, async (which, by) => {
        const mutant = zipOf(parts, {
          deflate: () => true,
          lies: (part, i) => (i === which % parts.length ? deflatedLie(part, by) : {}),
        });
        const collections = await read(mutant);
        if (collections !== null) expect(await held(collections)).toBe(content);
      }),
      options(0.1),
    );
  });
});

/** The packed bytes of a part, changed; its header says their true number. */
function deflatedLie(part: Part, by: readonly Change[]) {
  const packed = new Uint8Array(deflateRawSync(part.content));
  return { data: changed(packed, by) };
}
