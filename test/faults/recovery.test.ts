/**
 * How long a user waits for the first search after each single fault, with 10,000 records of 384
 * dimensions: p50 and p95, printed as a table, p95 at most 2 s. The quick version has few records and one
 * run of some of them, and no bar. Time runs from the fault where the page lives on, else from `createEngine`.
 */
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  clearData,
  databaseFiles,
  type FaultTab,
  NO_SPARE_RENDERER,
  type Profile,
  setQuota,
  setStopped,
  truncate,
  withRenderers,
} from './harness/profile.ts';
import { type Change, type RowVersion, TEXT_BYTES } from './harness/rows.ts';
import { baseSeed, Seeded, WHOLE } from './harness/seeded.ts';
import { openSetting, type Setting } from './harness/setting.ts';

const ORDER = { collectionName: 'rows', dimension: 384 } as const;
const ENGINE = 'recovery';
const ROWS = WHOLE ? 10_000 : 600;
const RUNS = WHOLE ? 7 : 1;
const BAR_MS = 2_000;
/** From so many rows on a graph is built and saved. */
const GRAPH_ROWS = 5_000;
/** The row that is searched; no stream touches it. */
const NEAR: RowVersion = [0, 1];

const random = new Seeded(baseSeed(1));
const table: string[] = [];

let setting: Setting;

async function open(profile = setting.profile): Promise<FaultTab> {
  const tab = await profile.tab(setting.url);
  await tab.page.evaluate((name) => window.faultPage.open({ name }), ENGINE);
  await tab.page.waitForFunction(() => window.faultPage.status().store?.role === 'leader');
  return tab;
}

/** A fresh tab, and the time from `createEngine` to the first hit. */
async function firstSearch(profile = setting.profile): Promise<number> {
  const tab = await profile.tab(setting.url);
  const took = await tab.page.evaluate(
    ([name, order, near]) => window.faultPage.timeToSearch({ name }, order, near),
    [ENGINE, ORDER, NEAR] as const,
  );
  await end(tab);
  return took;
}

async function end(tab: FaultTab): Promise<void> {
  await tab.page.evaluate(() => window.faultPage.close());
  expect(tab.complaints).toEqual([]);
  await tab.page.close();
}

/** Milliseconds until a tab that lives on finds the row; searches that fail typed are made again. */
function untilFound(tab: FaultTab): Promise<number> {
  return tab.page.evaluate(([order, near]) => window.faultPage.timeUntilFound(order, near), [
    ORDER,
    NEAR,
  ] as const);
}

/**
 * After its database was cleared a tab may answer from memory for a while: the time runs until a write went
 * through and the row is found after it.
 */
async function untilCleared(tab: FaultTab): Promise<number> {
  const start = performance.now();
  for (let ok = false; !ok; ) {
    const order = [ORDER, some(1, 99)] as const;
    ({ ok } = await tab.page.evaluate(([o, c]) => window.faultPage.attempt(o, c), order));
  }
  await untilFound(tab);
  return performance.now() - start;
}

const some = (count: number, n: number): Change => ({
  kind: 'upsert',
  rows: Array.from({ length: count }, (): RowVersion => [random.int(1, ROWS - 1), n]),
});

/** Begins to write and comes back in the middle of it. */
async function writing(tab: FaultTab): Promise<void> {
  const changes = Array.from({ length: 30 }, (_, n) => some(random.int(1, 100), n + 2));
  const stream = { ...ORDER, changes, first: 0, inFlight: 2 };
  tab.page.evaluate((order) => window.faultPage.run(order), stream).catch(() => {});
  await vi.waitUntil(() => tab.acked.length >= 3, { timeout: 20_000, interval: 1 });
  await new Promise((resolve) => setTimeout(resolve, random.next() * 20));
}

async function killed(tab: FaultTab): Promise<void> {
  await setting.profile.killRenderers();
  await tab.page.close();
}

/** A copy of the profile that is spoilt while no browser runs on it, and the first search there. */
async function inSpoiltCopy(spoil: (folder: string) => void): Promise<number> {
  const folder = setting.profile.stopAndCopy();
  spoil(folder);
  const copy: Profile = await setting.further({ folder });
  try {
    return await firstSearch(copy);
  } finally {
    await copy.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const FAULTS: Readonly<Record<string, () => Promise<number>>> = {
  'no fault: the store is opened': () => firstSearch(),
  'F01 renderer killed mid-write': async () => {
    const tab = await open();
    await writing(tab);
    await killed(tab);
    return firstSearch();
  },
  'F02 browser killed mid-write': async () => {
    const tab = await open();
    await writing(tab);
    await setting.profile.kill();
    await setting.profile.restart();
    return firstSearch();
  },
  'F03 torn tail': async () => {
    const tab = await open();
    await writing(tab);
    const took = await inSpoiltCopy((folder) => {
      const [log] = databaseFiles(folder, /^\d+\.log$/).slice(-1);
      if (log !== undefined) truncate(log, 0.5 + random.next() / 2);
    });
    await killed(tab);
    return took;
  },
  'F04 database rotten, from the mirror': () =>
    inSpoiltCopy((folder) => {
      for (const manifest of databaseFiles(folder, /^MANIFEST-/)) truncate(manifest, 0.5);
    }),
  'F05 database that cannot be opened, from the mirror': () =>
    inSpoiltCopy((folder) => {
      for (const current of databaseFiles(folder, /^CURRENT$/)) truncate(current, 0);
    }),
  'F06 database cleared under an open page, from the mirror': async () => {
    const tab = await open();
    await untilFound(tab);
    await clearData(tab.page, 'indexeddb');
    const took = await untilCleared(tab);
    await end(tab);
    return took;
  },
  'F07 storage full': async () => {
    const tab = await setting.profile.tab(setting.url);
    await setQuota(tab.page, 1_000);
    const took = await tab.page.evaluate(
      ([name, order, near]) => window.faultPage.timeToSearch({ name }, order, near),
      [ENGINE, ORDER, NEAR] as const,
    );
    await setQuota(tab.page, null);
    await end(tab);
    return took;
  },
  'F16 saved graph spoilt': async () => {
    const tab = await setting.profile.tab(setting.url);
    await tab.page.evaluate(
      ([name, seed]) => window.faultPage.spoilGraphHere(name, 'one bit flipped', seed),
      [ENGINE, random.int(1, 1e6)] as const,
    );
    await tab.page.close();
    return firstSearch();
  },
  'F19 leading tab crashed, in the other tab': async () => {
    const leader = await open();
    const other = await setting.profile.tab(setting.url);
    await other.page.evaluate((name) => window.faultPage.open({ name }), ENGINE);
    const session = await leader.page.context().newCDPSession(leader.page);
    session.send('Page.crash').catch(() => {});
    const took = await untilFound(other);
    await end(other);
    await leader.page.close();
    return took;
  },
  'F20 leading tab stopped, in the other tab': async () => {
    const { tab: leader, pids } = await withRenderers(setting.profile, setting.url);
    await leader.page.evaluate((name) => window.faultPage.open({ name }), ENGINE);
    const other = await setting.profile.tab(setting.url);
    await other.page.evaluate((name) => window.faultPage.open({ name }), ENGINE);
    setStopped(pids, true);
    const took = await untilFound(other);
    setStopped(pids, false);
    await end(other);
    await end(leader);
    return took;
  },
  'F23 index worker ended': async () => {
    const tab = await setting.profile.tab(setting.url);
    await tab.page.evaluate((name) => window.faultPage.openWithOwnWorker({ name }), ENGINE);
    await untilFound(tab);
    await tab.page.evaluate(() => window.faultPage.endWorker());
    const took = await untilFound(tab);
    await end(tab);
    return took;
  },
};

/** Of the quick version. */
const QUICK = [
  'no fault: the store is opened',
  'F01 renderer killed mid-write',
  'F23 index worker ended',
];

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

beforeAll(async () => {
  setting = await openSetting({ flags: [NO_SPARE_RENDERER] });
  const tab = await open();
  await tab.page.evaluate((order) => window.faultPage.create(order), ORDER);
  for (let from = 0; from < ROWS; from += 1_000) {
    const length = Math.min(1_000, ROWS - from);
    const rows = Array.from({ length }, (_, i): RowVersion => [from + i, 1]);
    const order = [ORDER, { kind: 'insert', rows }] as const;
    const done = await tab.page.evaluate(([o, c]) => window.faultPage.attempt(o, c), order);
    expect(done).toMatchObject({ ok: true });
  }
  await untilFound(tab);
  if (ROWS >= GRAPH_ROWS) {
    const holds = () => tab.page.evaluate((name) => window.faultPage.graphHolds(name), ENGINE);
    await vi.waitUntil(holds, { timeout: 60_000, interval: 100 });
  }
  await end(tab);
}, 180_000);

afterAll(async () => {
  await setting?.close();
  console.log(
    [
      `first search after a fault, ${ROWS} records of ${ORDER.dimension} dimensions and up to ${TEXT_BYTES} characters, ms`,
      '| fault | runs | p50 | p95 |',
      '|---|---|---|---|',
      ...table,
    ].join('\n'),
  );
});

describe('time to the first search', () => {
  const struck = Object.entries(FAULTS).filter(([name]) => WHOLE || QUICK.includes(name));
  test.each(struck)('%s', { timeout: RUNS * 60_000 }, async (name, strike) => {
    const times: number[] = [];
    for (let run = 0; run < RUNS; run++) times.push(await strike());
    times.sort((a, b) => a - b);
    const [p50, p95] = [percentile(times, 0.5), percentile(times, 0.95)];
    table.push(`| ${name} | ${RUNS} | ${Math.round(p50)} | ${Math.round(p95)} |`);
    if (WHOLE) expect(p95).toBeLessThanOrEqual(BAR_MS);
  });
});
