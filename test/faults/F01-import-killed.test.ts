/**
 * F01: the page is killed while it imports a file. What was there is there; what came is there whole or not
 * at all, and then nothing of it is left in the storage soon after.
 */
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { FaultTab } from './harness/profile.ts';
import type { RowVersion } from './harness/rows.ts';
import { Seeded, seeds, WHOLE } from './harness/seeded.ts';
import { openSetting, type Setting } from './harness/setting.ts';

const ORDER = { collectionName: 'rows', dimension: 1_024, indexType: 'FLAT' } as const;
const COPY = { ...ORDER, collectionName: 'copy' } as const;
/** The number under which the page says that the import is confirmed. */
const IMPORTED = 1;
/** The number under which it says that the first rows are stored. */
const STORING = 2;
/** From there to the end, when nothing comes between; roughly. */
const STORE_MS = 1_000;

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

const look = (tab: FaultTab, order: typeof ORDER | typeof COPY) =>
  tab.page.evaluate((o) => window.faultPage.look(o), order);

/** Begins to import what is there under another name; the page says when that is confirmed. */
async function beginImport(tab: FaultTab): Promise<void> {
  await tab.page.evaluate(
    async ([imported, storing]) => {
      const file = await window.engine.export({ collections: ['rows'] });
      let begun = false;
      const onProgress = ({ stage }: { readonly stage: string }): void => {
        if (stage !== 'store' || begun) return;
        begun = true;
        void window.acked(storing);
      };
      const importing = window.engine.import(file, { rename: { rows: 'copy' }, onProgress });
      void importing.then(() => window.acked(imported));
    },
    [IMPORTED, STORING] as const,
  );
  await vi.waitUntil(() => tab.acked.includes(STORING), { timeout: 60_000, interval: 5 });
}

test.each(WHOLE ? seeds(12) : seeds(1))(
  'F01 killed while a file is imported, seed %i',
  async (seed) => {
    const random = new Seeded(seed);
    const name = `import-${seed}`;
    const rows = Array.from({ length: random.int(1_000, 2_500) }, (_, i): RowVersion => [i, 1]);
    const tab = await open(name);
    await tab.page.evaluate((order) => window.faultPage.create(order), ORDER);
    const insert = [ORDER, { kind: 'insert', rows }] as const;
    expect(
      await tab.page.evaluate(([o, c]) => window.faultPage.attempt(o, c), insert),
    ).toMatchObject({ ok: true });
    await beginImport(tab);
    await setTimeout(random.next() * STORE_MS);
    expect(await setting.profile.killRenderers()).toBeGreaterThan(0);
    const wasImported = tab.acked.includes(IMPORTED);
    expect(tab.complaints).toEqual([]);
    await tab.page.close();

    const again = await open(name);
    expect(await look(again, ORDER)).toMatchObject({ count: rows.length, wrong: [] });
    const copy = await look(again, COPY);
    expect(copy.wrong).toEqual([]);
    expect([null, rows.length]).toContain(copy.rows?.length ?? null);
    if (wasImported) expect(copy.count).toBe(rows.length);
    const stored = () =>
      again.page.evaluate((engine) => window.faultPage.countStore(engine, 'rows'), name);
    const clean = async () => (await stored()) === rows.length + copy.count;
    await vi.waitUntil(clean, { timeout: 10_000, interval: 50 });
    console.log(`import killed, seed ${seed}: ${copy.rows === null ? 'absent' : 'whole'}`);
    if (copy.rows === null) {
      await beginImport(again);
      await vi.waitUntil(() => again.acked.includes(IMPORTED), { timeout: 30_000 });
      expect(await look(again, COPY)).toMatchObject({ count: rows.length, wrong: [] });
    }
    await again.page.evaluate(() => window.faultPage.close());
    expect(again.complaints).toEqual([]);
    await again.page.close();
  },
);
