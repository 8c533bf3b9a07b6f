/**
 * F02: the whole browser is killed (SIGKILL) while a page writes, and started again on the same profile.
 * One for each 20 of `WHORL_RUNS`, at least 3; the quick version: once.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Model } from '../faults/harness/rows.ts';
import { baseSeed, Seeded, WHOLE } from '../faults/harness/seeded.ts';
import { openSetting, type Setting } from '../faults/harness/setting.ts';
import { confirmedOf, createRows, endTab, openEngine, runUntil, wholeRows } from './killing.ts';
import { drawChanges, prefixOf, statesOf, Versions } from './stream.ts';

const RUNS = WHOLE ? Math.max(3, Math.floor(Number(process.env.WHORL_RUNS ?? 0) / 20)) : 1;
const SEED = baseSeed(1);

let setting: Setting;

beforeAll(async () => {
  setting = await openSetting();
}, 60_000);

afterAll(() => setting?.close());

async function killOnce(run: number, model: Model, versions: Versions): Promise<Model> {
  const random = new Seeded(SEED * 7_919 + run);
  const changes = drawChanges(random, versions, random.int(5, 40));
  const { profile, url } = setting;
  const tab = await openEngine(profile, url, 'browser-kill');
  await runUntil(tab, changes, random);
  await profile.kill();
  const confirmed = confirmedOf(tab);
  await profile.restart();
  const again = await openEngine(profile, url, 'browser-kill');
  const states = statesOf(model, changes);
  const there = prefixOf(states, (await wholeRows(again)) ?? []);
  await endTab(again);
  expect(there, `run ${run}: ${confirmed} changes were confirmed`).toBeGreaterThanOrEqual(
    confirmed,
  );
  return states[there] ?? new Map();
}

test(
  `F02 browser killed mid-write, ${RUNS} times, seed ${SEED}`,
  async () => {
    await createRows(setting.profile, setting.url, 'browser-kill');
    const versions = new Versions();
    let model: Model = new Map();
    for (let run = 0; run < RUNS; run++) model = await killOnce(run, model, versions);
  },
  RUNS * 30_000 + 60_000,
);
