/**
 * F07: the storage is full. The change that finds it so is kept not at all, what grows it is refused at
 * once, reading goes on, and writing goes on by itself when there is room. The quota is set before the
 * database is opened: Chromium remembers for half a minute how much room it found.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CollectionOrder, Outcome } from './harness/fault-page.ts';
import type { FaultTab } from './harness/profile.ts';
import { after, type Change, type Model, printed } from './harness/rows.ts';
import { Seeded, seeds, WHOLE } from './harness/seeded.ts';
import { openSetting, type Setting } from './harness/setting.ts';

const NAME = 'full';

let setting: Setting;

beforeAll(async () => {
  setting = await openSetting();
}, 60_000);

afterAll(() => setting?.close());

/** Bounds what the origin may keep, for as long as the session lives. */
async function quotaOf({ page }: FaultTab) {
  const session = await page.context().newCDPSession(page);
  const { origin } = new URL(page.url());
  return (quotaSize: number | null) =>
    session.send('Storage.overrideQuotaForOrigin', {
      origin,
      ...(quotaSize === null ? {} : { quotaSize }),
    });
}

const attempt = ({ page }: FaultTab, order: CollectionOrder, change: Change): Promise<Outcome> =>
  page.evaluate(([o, c]) => window.faultPage.attempt(o, c), [order, change] as const);

const modes = ({ page }: FaultTab) => page.evaluate(() => window.engine.status.store?.modes ?? []);

async function expectRows({ page }: FaultTab, order: CollectionOrder, model: Model): Promise<void> {
  const seen = await page.evaluate((o) => window.faultPage.look(o), order);
  expect(seen.wrong).toEqual([]);
  expect(printed(new Map(seen.rows))).toBe(printed(model));
}

const open = ({ page }: FaultTab) => page.evaluate((name) => window.faultPage.open({ name }), NAME);

const lift = async (tab: FaultTab, quota: Awaited<ReturnType<typeof quotaOf>>) => {
  const start = performance.now();
  await quota(null);
  await expect.poll(() => modes(tab), { timeout: 40_000, interval: 50 }).not.toContain('quota');
  return performance.now() - start;
};

test.each(seeds(WHOLE ? 3 : 1))('F07 the storage is full, seed %i', async (seed) => {
  const random = new Seeded(seed);
  const order = { collectionName: 'rows', dimension: random.pick([16, 64, 384]) };
  const size = random.int(5, 60);
  const kind = random.pick<'insert' | 'upsert'>(['insert', 'upsert']);
  const profile = await setting.further();
  const tab = await profile.tab(setting.url);
  const quota = await quotaOf(tab);
  await quota(random.int(400_000, 1_200_000));
  await open(tab);
  await tab.page.evaluate((o) => window.faultPage.create(o), order);
  let model: Model = new Map();
  let next = 1;
  const change = (): Change => {
    const rows = Array.from({ length: size }, () => [next++, 0] as const);
    return { kind, rows };
  };
  let refused: Outcome | null = null;
  for (let calls = 0; refused === null; calls++) {
    const each = change();
    const outcome = await attempt(tab, order, each);
    if (outcome.ok) model = after(model, each);
    else refused = outcome;
    expect(calls).toBeLessThan(5_000);
  }
  expect(refused.code, refused.message).toBe('storage_full');
  expect(model.size).toBeGreaterThan(0);
  expect(await modes(tab)).toContain('quota');
  // Once it is known, nothing is even tried.
  for (let i = 0; i < 3; i++) {
    const again = await attempt(tab, order, change());
    expect(again.code, again.message).toBe('storage_full');
    expect(again.ms).toBeLessThan(250);
  }
  await expectRows(tab, order, model);
  // A delete is put to the browser; it may find no room for the log of it either.
  const deleted: Change = { kind: 'delete', ids: [...model.keys()].slice(0, 2) };
  const outcome = await attempt(tab, order, deleted);
  if (outcome.ok) model = after(model, deleted);
  else expect(outcome.code, outcome.message).toBe('storage_full');
  await expectRows(tab, order, model);
  const ms = await lift(tab, quota);
  console.log(`F07 seed ${seed}: ${model.size} rows kept, room noticed after ${Math.round(ms)} ms`);
  const last = change();
  expect(await attempt(tab, order, last)).toMatchObject({ ok: true });
  model = after(model, last);
  await tab.page.evaluate(() => window.faultPage.close());
  await open(tab);
  await expectRows(tab, order, model);
  expect(tab.complaints).toEqual([]);
  await tab.page.close();
});
