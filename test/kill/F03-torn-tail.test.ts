/**
 * F03: what a loss of power leaves. All processes are stopped in the middle of writing and the profile is
 * copied: a browser on the copy finds what was confirmed. Then the newest log of the copy is cut at a
 * random offset: a browser finds the changes up to one, and nothing of those behind it.
 * One for each 20 of `WHORL_RUNS`, at least 3; the quick version: once.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { databaseFiles, type Profile, truncate } from '../faults/harness/profile.ts';
import type { Model } from '../faults/harness/rows.ts';
import { baseSeed, Seeded, WHOLE } from '../faults/harness/seeded.ts';
import { openSetting, type Setting } from '../faults/harness/setting.ts';
import { confirmedOf, createRows, endTab, openEngine, runUntil, wholeRows } from './killing.ts';
import { drawChanges, prefixOf, statesOf, Versions } from './stream.ts';

const RUNS = WHOLE ? Math.max(3, Math.floor(Number(process.env.WHORL_RUNS ?? 0) / 20)) : 1;
const SEED = baseSeed(1);
const EMPTY: Model = new Map();

let setting: Setting;

beforeAll(async () => {
  setting = await openSetting();
}, 60_000);

afterAll(() => setting?.close());

/** How many changes of the stream a profile holds, by a browser of its own on it. */
async function changesIn(profile: Profile, name: string, states: readonly Model[]) {
  const tab = await openEngine(profile, setting.url, name);
  // Without its collection a profile holds nothing of the stream: the newest prefix is the empty one.
  const there = prefixOf(states, (await wholeRows(tab)) ?? []);
  await endTab(tab);
  return there;
}

async function tearOnce(run: number): Promise<string> {
  const random = new Seeded(SEED * 104_729 + run);
  const { profile, url } = setting;
  const name = `torn-${run}`;
  await createRows(profile, url, name);
  const changes = drawChanges(random, new Versions(), random.int(10, 40));
  const states = statesOf(EMPTY, changes);
  const tab = await openEngine(profile, url, name);
  await runUntil(tab, changes, random);
  let confirmed = 0;
  const folder = profile.stopAndCopy(() => {
    confirmed = confirmedOf(tab);
  });
  await tab.page.close();
  const copy = await setting.further({ folder });
  const copied = await changesIn(copy, name, states);
  expect(copied, `run ${run}: ${confirmed} were confirmed`).toBeGreaterThanOrEqual(confirmed);
  await copy.kill();
  const [log] = databaseFiles(folder, /^\d+\.log$/).slice(-1);
  if (log === undefined) throw new Error('the profile has no log of IndexedDB');
  const bytes = truncate(log, random.next());
  await copy.restart();
  const cut = await changesIn(copy, name, states);
  expect(cut, `run ${run}: the log was cut to ${bytes} bytes`).toBeGreaterThanOrEqual(0);
  await copy.close();
  return `${confirmed} confirmed, ${copied} in the copy, ${cut} after the cut`;
}

test(
  `F03 torn tail, ${RUNS} times, seed ${SEED}`,
  async () => {
    for (let run = 0; run < RUNS; run++) console.log(`F03, run ${run}: ${await tearOnce(run)}`);
  },
  RUNS * 60_000 + 60_000,
);
