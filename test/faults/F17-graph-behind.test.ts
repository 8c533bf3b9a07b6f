/**
 * F17: the saved graph is behind the rows, or was cut off while it was saved. Killed at seeded moments
 * between the commit of rows and the commit of the graph, the store finds exactly what is nearest.
 */
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { FaultTab } from './harness/profile.ts';
import { exactNearest, recallOf } from './harness/recall.ts';
import type { RowVersion } from './harness/rows.ts';
import { Seeded, seeds, WHOLE } from './harness/seeded.ts';
import { openSetting, type Setting } from './harness/setting.ts';

const ORDER = { collectionName: 'rows', dimension: 16 } as const;
const LIMIT = 10;
/** So narrow that the graph is walked although there are few rows. */
const WALK = { ef: 100 } as const;
const SLACK = 0.02;
/** From the last row to a graph that is saved, when nothing comes between. */
const BUILD_MS = 900;

const queries = Array.from({ length: 40 }, (_, i): RowVersion => [1_000_000 + i, 9]);

let setting: Setting;

beforeAll(async () => {
  setting = await openSetting();
});

afterAll(() => setting?.close());

async function open(name: string): Promise<FaultTab> {
  const tab = await setting.profile.tab(setting.url);
  await tab.page.evaluate((engine) => window.faultPage.open({ name: engine }), name);
  await tab.page.waitForFunction(() => window.faultPage.status().store?.role === 'leader');
  return tab;
}

async function insert(tab: FaultTab, rows: readonly RowVersion[]): Promise<void> {
  const order = [ORDER, { kind: 'insert', rows }] as const;
  const done = await tab.page.evaluate(([o, c]) => window.faultPage.attempt(o, c), order);
  expect(done).toMatchObject({ ok: true });
}

async function recall(tab: FaultTab, rows: readonly RowVersion[], params?: typeof WALK) {
  const found = await tab.page.evaluate(
    ([order, near, limit, how]) => window.faultPage.searchMany(order, near, limit, how),
    [ORDER, queries, LIMIT, params] as const,
  );
  return recallOf(found, exactNearest(rows, queries, ORDER.dimension, LIMIT));
}

async function untilSaved(tab: FaultTab, name: string): Promise<void> {
  const holds = () => tab.page.evaluate((engine) => window.faultPage.graphHolds(engine), name);
  await vi.waitUntil(holds, { timeout: 30_000, interval: 50 });
}

async function killed(tab: FaultTab): Promise<void> {
  expect(await setting.profile.killRenderers()).toBeGreaterThan(0);
  expect(tab.complaints).toEqual([]);
  await tab.page.close();
}

/** After it was opened again: exact at once, and as good as the graph of a store that was never struck. */
async function checkAfter(name: string, rows: readonly RowVersion[], usual: number) {
  const tab = await open(name);
  const seen = await tab.page.evaluate((order) => window.faultPage.look(order), ORDER);
  expect(seen).toMatchObject({ count: rows.length, wrong: [] });
  expect(await recall(tab, rows)).toBe(1);
  await untilSaved(tab, name);
  expect(await recall(tab, rows, WALK)).toBeGreaterThanOrEqual(usual - SLACK);
  await tab.page.evaluate(() => window.faultPage.close());
  expect(tab.complaints).toEqual([]);
  await tab.page.close();
}

test.each(WHOLE ? seeds(3) : seeds(1))(
  'F17 killed between the commit of rows and that of the graph, seed %i',
  async (seed) => {
    const random = new Seeded(seed);
    const name = `behind-${seed}`;
    const rows = Array.from({ length: random.int(10_500, 12_000) }, (_, i): RowVersion => [i, 1]);
    const tab = await open(name);
    await tab.page.evaluate((order) => window.faultPage.create(order), ORDER);
    await insert(tab, rows.slice(0, 6_000));
    await insert(tab, rows.slice(6_000));
    await recall(tab, rows);
    await setTimeout(random.next() * BUILD_MS);
    await killed(tab);
    const again = await open(name);
    await recall(again, rows);
    await untilSaved(again, name);
    const usual = await recall(again, rows, WALK);
    // Rows that the saved graph does not know: too few for it to be saved anew, or enough.
    const more = Array.from(
      { length: random.int(1, 3_000) },
      (_, i): RowVersion => [50_000 + i, 1],
    );
    await insert(again, more);
    await setTimeout(random.next() * 50);
    await killed(again);
    await checkAfter(name, [...rows, ...more], usual);
  },
);
