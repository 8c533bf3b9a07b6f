/**
 * F01: the renderer is killed (SIGKILL) while it writes. What was confirmed is there afterwards; of what
 * was not, a whole change or none of it. `WHORL_RUNS` kills (default 5; `npm run test:kill`: 200).
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Model } from '../faults/harness/rows.ts';
import { baseSeed, Seeded } from '../faults/harness/seeded.ts';
import { openSetting, type Setting } from '../faults/harness/setting.ts';
import { confirmedOf, createRows, endTab, openEngine, runUntil, wholeRows } from './killing.ts';
import { drawChanges, prefixOf, statesOf, Versions } from './stream.ts';

const RUNS = Number(process.env.WHORL_RUNS ?? 5);
const SEED = baseSeed(1);

let setting: Setting;

beforeAll(async () => {
  setting = await openSetting();
}, 60_000);

afterAll(() => setting?.close());

/** What the kills of a run came to. */
interface Tally {
  confirmed: number;
  /** Kills that met calls under way. */
  midWrite: number;
  /** Kills after which a change was there that nobody had confirmed. */
  ahead: number;
}

/** One stream, one kill, one look. Returns the rows that are there then. */
async function killOnce(run: number, model: Model, versions: Versions, tally: Tally) {
  const random = new Seeded(SEED * 1_000_003 + run);
  const changes = drawChanges(random, versions, random.int(5, 40));
  const tab = await openEngine(setting.profile, setting.url, 'kill');
  tally.midWrite += (await runUntil(tab, changes, random)) ? 1 : 0;
  expect(await setting.profile.killRenderers()).toBeGreaterThan(0);
  expect(tab.complaints).toEqual([]);
  await tab.page.close();
  const again = await openEngine(setting.profile, setting.url, 'kill');
  const states = statesOf(model, changes);
  const there = prefixOf(states, (await wholeRows(again)) ?? []);
  await endTab(again);
  const confirmed = confirmedOf(tab);
  expect(there, `run ${run}: ${confirmed} changes were confirmed`).toBeGreaterThanOrEqual(
    confirmed,
  );
  tally.confirmed += confirmed;
  tally.ahead += there > confirmed ? 1 : 0;
  return states[there] ?? new Map();
}

test(
  `F01 renderer killed mid-write, ${RUNS} times, seed ${SEED}`,
  async () => {
    await createRows(setting.profile, setting.url, 'kill');
    const versions = new Versions();
    const tally: Tally = { confirmed: 0, midWrite: 0, ahead: 0 };
    let model: Model = new Map();
    for (let run = 0; run < RUNS; run++) model = await killOnce(run, model, versions, tally);
    console.log(
      `F01, seed ${SEED}: ${RUNS} kills, ${tally.midWrite} of them mid-write; ${tally.confirmed} changes confirmed, none lost; ${tally.ahead} times a change was there whole before it was confirmed`,
    );
    expect(tally.midWrite).toBeGreaterThan(RUNS / 2);
  },
  RUNS * 15_000 + 60_000,
);
