/**
 * `npm run bench:mirror -- [--rounds 5] [--only small|large]`: what the mirror in OPFS costs. Inserts into a fresh store with
 * and without it, in turns, in one page of Chromium: 1,000 calls of one row, and 10 calls of 1,000 rows, each
 * row with a text and 384 numbers. Closing, which brings the rest into the mirror, is part of the time.
 * Prints a table and a line of JSON.
 */
import { parseArgs } from 'node:util';
import type { Page } from 'playwright';
import { openSetting } from '../../test/faults/harness/setting.ts';

const DIMENSION = 384;
const KINDS = [
  { id: 'small', name: '1,000 x 1 row', calls: 1_000, rowsACall: 1 },
  { id: 'large', name: '10 x 1,000 rows', calls: 10, rowsACall: 1_000 },
] as const;

type Kind = (typeof KINDS)[number];

let engines = 0;

/** Milliseconds from the first insert to the end of closing. */
async function measure(page: Page, kind: Kind, mirror: boolean): Promise<number> {
  const order = { collectionName: 'c', dimension: DIMENSION, indexType: 'FLAT' } as const;
  const name = `bench-${engines++}`;
  await page.evaluate(
    ([options, o]) => window.faultPage.open(options).then(() => window.faultPage.create(o)),
    [{ name, mirror }, order] as const,
  );
  // The first log is written then: what is measured is following it.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  return page.evaluate(
    async ([o, { calls, rowsACall }]) => {
      const changes = Array.from({ length: calls }, (_, call) => ({
        kind: 'insert' as const,
        rows: Array.from({ length: rowsACall }, (__, i) => [call * rowsACall + i, 1] as const),
      }));
      const from = performance.now();
      await window.faultPage.run({ ...o, changes, first: 0, inFlight: 1 });
      await window.faultPage.close();
      return performance.now() - from;
    },
    [order, kind] as const,
  );
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '5' }, only: { type: 'string' } },
  });
  const kinds = KINDS.filter(({ id }) => values.only === undefined || values.only === id);
  if (kinds.length === 0) throw new Error('--only must be small or large');
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds must be a whole number');
  const setting = await openSetting();
  try {
    const { page } = await setting.profile.tab(setting.url);
    const result: {
      [kind: string]: { readonly plain: number; readonly mirrored: number; readonly ratio: number };
    } = {};
    for (const kind of kinds) {
      const plain: number[] = [];
      const mirrored: number[] = [];
      for (let round = 0; round < rounds; round++) {
        // In turns, and each first every other time.
        for (const mirror of round % 2 === 0 ? [false, true] : [true, false]) {
          (mirror ? mirrored : plain).push(await measure(page, kind, mirror));
        }
      }
      const [a, b] = [median(plain), median(mirrored)];
      console.log(
        `${kind.name.padEnd(16)} without ${a.toFixed(0)} ms, with ${b.toFixed(0)} ms: x${(b / a).toFixed(2)}`,
      );
      result[kind.name] = {
        plain: Math.round(a),
        mirrored: Math.round(b),
        ratio: Number((b / a).toFixed(3)),
      };
    }
    console.log(JSON.stringify({ suite: 'mirror', rounds, ...result }));
  } finally {
    await setting.close();
  }
}

await main();
