/**
 * F04, F05, F09: the database is gone, rotten, or cannot be opened. What the mirror has is there again, and
 * it is said; where the mirror is gone, too, nothing is made up.
 */
import { closeSync, openSync, readSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clearData, databaseFiles, type FaultTab, type Profile } from './harness/profile.ts';
import { after, type Change, type Model, printed } from './harness/rows.ts';
import { Seeded, seeds, WHOLE } from './harness/seeded.ts';
import { openSetting, type Setting } from './harness/setting.ts';

const SEEDS = WHOLE ? seeds(3) : seeds(1);

let setting: Setting;

beforeAll(async () => {
  setting = await openSetting();
}, 60_000);

afterAll(() => setting?.close());

interface Filled {
  readonly tab: FaultTab;
  readonly order: { readonly collectionName: string; readonly dimension: number };
  readonly model: Model;
  /** Of the last change. */
  readonly sequence: number;
}

const open = (tab: FaultTab, name: string) =>
  tab.page.evaluate((engine) => window.faultPage.open({ name: engine }), name);

const store = (tab: FaultTab) => tab.page.evaluate(() => window.engine.status.store);

function changeOf(random: Seeded, model: Model, at: number): Change {
  const [first, ...rest] = model.keys();
  if (first !== undefined && random.int(0, 4) === 0) {
    const pick = () => random.pick([first, ...rest]);
    return { kind: 'delete', ids: [pick(), pick()] };
  }
  const rows = Array.from({ length: random.int(1, 120) }, () => {
    const id = random.int(1, 2_000);
    return [id, (model.get(id) ?? 0) + at] as const;
  });
  return { kind: 'upsert', rows: [...new Map(rows)] };
}

/** A store with rows that were written, changed and deleted. */
async function filled(tab: FaultTab, name: string, random: Seeded): Promise<Filled> {
  const order = { collectionName: 'rows', dimension: random.pick([8, 96, 384]) };
  await open(tab, name);
  await tab.page.evaluate((o) => window.faultPage.create(o), order);
  let model: Model = new Map();
  const changes = random.int(3, 25);
  let sequence = 1;
  for (let at = 1; at <= changes; at++) {
    const change = changeOf(random, model, at);
    const outcome = await tab.page.evaluate(([o, c]) => window.faultPage.attempt(o, c), [
      order,
      change,
    ] as const);
    expect(outcome).toMatchObject({ ok: true });
    model = after(model, change);
    sequence += 1;
  }
  return { tab, order, model, sequence };
}

/** Waits until all of it is in the mirror. */
async function mirrored({ tab, sequence }: Filled): Promise<void> {
  await expect
    .poll(async () => (await store(tab))?.mirroredThrough, { timeout: 10_000 })
    .toBe(sequence);
}

async function expectRows(tab: FaultTab, { order, model }: Filled): Promise<void> {
  const seen = await tab.page.evaluate((o) => window.faultPage.look(o), order);
  expect(seen.wrong).toEqual([]);
  expect(printed(new Map(seen.rows))).toBe(printed(model));
}

/** It can be written, and what is written then is kept. */
async function expectWritable(tab: FaultTab, name: string, before: Filled): Promise<void> {
  const change: Change = { kind: 'upsert', rows: [[5_000, 1]] };
  const outcome = await tab.page.evaluate(([o, c]) => window.faultPage.attempt(o, c), [
    before.order,
    change,
  ] as const);
  expect(outcome).toMatchObject({ ok: true });
  await tab.page.evaluate(() => window.faultPage.close());
  await open(tab, name);
  await expectRows(tab, { ...before, model: after(before.model, change) });
}

describe('F04 the database is gone', () => {
  test.each(SEEDS)('while it is in use: all of it is there again, seed %i', async (seed) => {
    const name = `gone-${seed}`;
    const random = new Seeded(seed);
    const tab = await setting.profile.tab(setting.url);
    const before = await filled(tab, name, random);
    if (random.int(0, 1) === 1) await mirrored(before);
    else await expect.poll(async () => (await store(tab))?.mirroredThrough ?? null).not.toBe(null);
    await clearData(tab.page, 'indexeddb');
    await expectRows(tab, before);
    await expect.poll(async () => (await store(tab))?.modes).toEqual(['restored']);
    expect((await store(tab))?.why).toContain(`up to change ${before.sequence} (`);
    await expectWritable(tab, name, before);
    expect(tab.complaints).toEqual([]);
    await tab.page.close();
  });

  test.each(SEEDS)('between two visits: it comes back when it is opened, seed %i', async (seed) => {
    const name = `between-${seed}`;
    const tab = await setting.profile.tab(setting.url);
    const before = await filled(tab, name, new Seeded(seed + 100));
    await tab.page.evaluate(() => window.faultPage.close());
    await clearData(tab.page, 'indexeddb');
    await open(tab, name);
    expect(await store(tab)).toMatchObject({ modes: ['restored'], collections: 1 });
    await expectRows(tab, before);
    await expectWritable(tab, name, before);
    // The next opening has nothing to tell any more.
    expect((await store(tab))?.modes).toEqual([]);
    await tab.page.close();
  });
});

/** Flips one bit in the middle of a file. */
function flip(file: string, random: Seeded): void {
  const at = random.int(Math.floor(statSync(file).size / 4), Math.floor(statSync(file).size / 2));
  const handle = openSync(file, 'r+');
  const byte = new Uint8Array(1);
  readSync(handle, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ (1 << random.int(0, 7));
  writeSync(handle, byte, 0, 1, at);
  closeSync(handle);
}

const ROT: readonly [string, (folder: string, random: Seeded) => void][] = [
  [
    'F04 a bit of its log flipped',
    (folder, random) => {
      for (const file of databaseFiles(folder, /\.log$/)) flip(file, random);
    },
  ],
  [
    'F05 its manifest is gone',
    (folder) => {
      for (const file of databaseFiles(folder, /^MANIFEST/)) rmSync(file);
    },
  ],
  [
    'F05 its file CURRENT holds something else',
    (folder) => {
      for (const file of databaseFiles(folder, /^CURRENT$/)) writeFileSync(file, 'garbage\n');
    },
  ],
  [
    'F05 its folder is a file: it can be neither opened nor deleted',
    (folder) => {
      for (const file of databaseFiles(folder, /^CURRENT$/)) {
        rmSync(dirname(file), { recursive: true });
        writeFileSync(dirname(file), 'garbage\n');
      }
    },
  ],
];

describe.each(ROT)('%s', (what, spoil) => {
  test.each(SEEDS)('while the browser was closed: every row is there, seed %i', async (seed) => {
    const random = new Seeded(seed + 200);
    const profile: Profile = await setting.further();
    const tab = await profile.tab(setting.url);
    const before = await filled(tab, 'rot', random);
    await mirrored(before);
    await profile.kill();
    spoil(profile.folder, random);
    await profile.restart();
    const again = await profile.tab(setting.url);
    await open(again, 'rot');
    const status = await store(again);
    await expectRows(again, before);
    // Where the browser could mend it by itself there is nothing to say.
    const said = status?.modes ?? [];
    if (said.length > 0) expect(said).toContain('restored');
    if (status?.durability === 'volatile') expect(said).toEqual(['memory_only', 'restored']);
    else await expectWritable(again, 'rot', before);
    console.log(`${what}: ${status?.durability}, ${said.join(' ') || 'nothing to say'}`);
    expect(again.complaints).toEqual([]);
    await profile.close();
  });
});

describe('F09 everything is gone', () => {
  /**
   * Chromium takes the page's locks away with the rest, so that the page loses its worker: only a fresh page
   * has all of its means again.
   */
  test.each(SEEDS)(
    'while it is in use: calls settle, nothing is made up, seed %i',
    async (seed) => {
      const profile = await setting.further();
      const tab = await profile.tab(setting.url);
      const before = await filled(tab, 'all', new Seeded(seed + 300));
      await mirrored(before);
      await clearData(tab.page, 'all');
      const { order, model } = before;
      const look = () =>
        tab.page.evaluate(
          (o) =>
            window.faultPage.look(o).then(
              ({ rows, wrong }) => ({ rows, wrong, code: null }),
              (error: { code?: string }) => ({
                rows: null,
                wrong: [],
                code: error.code ?? 'untyped',
              }),
            ),
          order,
        );
      // What lies in memory may be shown for a moment; then it is said that it is gone.
      const seen = async () => {
        const { rows, wrong, code } = await look();
        expect(wrong).toEqual([]);
        expect(code).not.toBe('untyped');
        if (rows !== null) expect(printed(new Map(rows))).toBe(printed(model));
        return rows;
      };
      await expect.poll(seen, { timeout: 15_000 }).toBe(null);
      await tab.page.close();
      const fresh = await profile.tab(setting.url);
      await open(fresh, 'all');
      expect(await store(fresh)).toMatchObject({
        modes: [],
        collections: 0,
        durability: 'durable',
      });
      await fresh.page.evaluate((o) => window.faultPage.create(o), order);
      await expectWritable(fresh, 'all', { ...before, tab: fresh, model: new Map() });
      await profile.close();
    },
  );

  test('between two visits nothing is left to tell it by: it is as the first visit', async () => {
    const profile = await setting.further();
    const tab = await profile.tab(setting.url);
    await filled(tab, 'evicted', new Seeded(7));
    await tab.page.evaluate(() => window.faultPage.close());
    await clearData(tab.page, 'all');
    await tab.page.close();
    const later = await profile.tab(setting.url);
    await open(later, 'evicted');
    expect(await store(later)).toMatchObject({ modes: [], collections: 0 });
    await profile.close();
  });

  test('the marker alone is left: it says what is lost', async () => {
    const tab = await setting.profile.tab(setting.url);
    const { sequence } = await filled(tab, 'marked', new Seeded(8));
    await tab.page.evaluate(() => window.faultPage.close());
    await clearData(tab.page, 'indexeddb');
    await tab.page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const folder = await (await root.getDirectoryHandle('whorl')).getDirectoryHandle('marked');
      for await (const name of folder.keys()) {
        if (name.startsWith('log-')) await folder.removeEntry(name);
      }
    });
    await open(tab, 'marked');
    expect(await store(tab)).toMatchObject({ modes: ['lost'], collections: 0 });
    expect((await store(tab))?.why).toContain(`up to change ${sequence} (`);
    await tab.page.close();
  });

  test('the files alone are gone: the mirror is written anew', async () => {
    const tab = await setting.profile.tab(setting.url);
    const before = await filled(tab, 'copy', new Seeded(9));
    await tab.page.evaluate(() => window.faultPage.close());
    await clearData(tab.page, 'file_systems');
    await open(tab, 'copy');
    expect((await store(tab))?.modes).toEqual([]);
    await mirrored(before);
    await expectRows(tab, before);
    await tab.page.close();
  });
});
