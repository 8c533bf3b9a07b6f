/**
 * F40: the clock jumps, timers ring late and all at once; and the site's data are cleared under an open page,
 * which takes its locks away. Neither ends a worker that is well.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clearData, type FaultTab } from './harness/profile.ts';
import type { Change } from './harness/rows.ts';
import { Seeded, seeds, WHOLE } from './harness/seeded.ts';
import { openSetting, type Setting } from './harness/setting.ts';

let setting: Setting;

beforeAll(async () => {
  setting = await openSetting();
}, 60_000);

afterAll(() => setting?.close());

const rows = (first: number, count: number): Change => ({
  kind: 'insert',
  rows: Array.from({ length: count }, (_, i) => [first + i, 0] as const),
});

const open = async ({ page }: FaultTab, name: string) => {
  await page.evaluate((n) => window.faultPage.open({ name: n }), name);
};
const restarts = ({ page }: FaultTab) => page.evaluate(() => window.engine.status.restarts.index);

describe('F40 the clock', () => {
  test.each(seeds(WHOLE ? 3 : 1))(
    'jumps by minutes and hours under calls (seed %i)',
    async (seed) => {
      const random = new Seeded(seed);
      const tab = await setting.profile.tab(setting.url);
      const { page } = tab;
      await page.clock.install();
      await open(tab, `clock-${seed}`);
      const order = { collectionName: 'rows', dimension: 64 };
      await page.evaluate((o) => window.faultPage.create(o), order);
      let count = 0;
      for (const jump of ['00:45', '10:00', '08:00:00']) {
        const size = random.int(500, 1_500);
        const change = rows(1 + count, size);
        const call = page.evaluate(([o, c]) => window.faultPage.attempt(o, c), [
          order,
          change,
        ] as const);
        await new Promise((resolve) => setTimeout(resolve, random.int(0, 60)));
        await page.clock.fastForward(jump);
        expect(await call, jump).toMatchObject({ ok: true });
        count += size;
      }
      const seen = await page.evaluate((o) => window.faultPage.look(o), order);
      expect(seen).toMatchObject({ count, wrong: [] });
      expect(await restarts(tab)).toBe(0);
      expect(tab.complaints).toEqual([]);
      await page.close();
    },
  );
});

describe('F09 the data of the site are cleared, and its locks with them', () => {
  test.each(seeds(WHOLE ? 3 : 1))(
    'an engine of the same page starts again, and writes (seed %i)',
    async (seed) => {
      const random = new Seeded(seed);
      const profile = await setting.further();
      const tab = await profile.tab(setting.url);
      const order = { collectionName: 'rows', dimension: random.pick([8, 64]) };
      await open(tab, `locks-${seed}`);
      await tab.page.evaluate((o) => window.faultPage.create(o), order);
      await tab.page.evaluate(() => window.faultPage.close());
      await clearData(tab.page, 'all');
      await open(tab, `other-${seed}`);
      await tab.page.evaluate((o) => window.faultPage.create(o), order);
      const change = rows(1, random.int(10, 200));
      const outcome = await tab.page.evaluate(([o, c]) => window.faultPage.attempt(o, c), [
        order,
        change,
      ] as const);
      expect(outcome, outcome.message).toMatchObject({ ok: true });
      // As long as the second look at an early lock lasts, and longer.
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      expect(await restarts(tab)).toBe(0);
      await tab.page.close();
    },
  );
});
