/**
 * An import that is cut at its first request to the storage, its second, its third ... until none is left,
 * in each of the ways in which a storage fails: the store is as it was, or the import is whole; after a
 * restart nothing is left of what was put by, and the import made again succeeds.
 */
import { describe, expect, test } from 'vitest';
import type { ArchivedCollection } from '../../../src/shared/archive-types.ts';
import { leftovers } from '../../../workers/index/archive-leftovers.ts';
import { outcomeOf } from '../../sim/calls.ts';
import { FAULT_KINDS, type FaultKind, turn, UNDECIDED, UNNOTICED } from '../../sim/sim-storage.ts';
import { copyOf, type Tab, World } from '../../sim/world.ts';
import { openCore } from '../index/core-fixture.ts';
import { checked, exported, textOf } from './archive-fixture.ts';
import { fill, INNS, innRows } from './samples.ts';

/** Rows of the archive; the store that it comes into has fewer. */
const ROWS = 4;
/** `WHORL_FAULTS=all` strikes every request in every way; otherwise the ways share the requests. */
const STRIDE = process.env.WHORL_FAULTS === 'all' ? 1 : 5;
const ALL = 2 ** 40;

async function archive(): Promise<readonly ArchivedCollection[]> {
  const store = await openCore();
  await fill(store, ROWS);
  const collections = await checked(await exported(store.core));
  await store.core.close();
  return collections;
}

/** A store in which one of the two names is taken. */
async function furnished(): Promise<World> {
  const world = new World();
  const tab = await world.open();
  await tab.milvus.createCollection(INNS);
  await tab.milvus.insert({ collectionName: 'inns', data: innRows(2) });
  await tab.core.close();
  return world;
}

const take = ({ core }: Tab, collections: readonly ArchivedCollection[]) =>
  core.archives.takeIn({ collections, onConflict: 'replace', rename: [] });

const seen = async ({ core }: Tab) => textOf(await exported(core));

async function settled(tab: Tab): Promise<void> {
  await Promise.race([tab.core.idle(), tab.died]);
  await turn();
}

async function reopened(world: World, tab: Tab): Promise<Tab> {
  if (tab.storage.dead) world.bury(tab);
  else await tab.core.close();
  const again = await world.open();
  await settled(again);
  return again;
}

interface States {
  readonly from: World;
  readonly collections: readonly ArchivedCollection[];
  readonly before: string;
  readonly after: string;
}

async function states(): Promise<States> {
  const collections = await archive();
  const from = await furnished();
  const world = new World(await copyOf(from.disk));
  const tab = await world.open();
  const before = await seen(tab);
  await take(tab, collections);
  const after = await seen(tab);
  await tab.core.close();
  expect(after).not.toBe(before);
  return { from, collections, before, after };
}

/** Strikes one request; false where the import has fewer. */
async function strike(all: States, kind: FaultKind, at: number): Promise<boolean> {
  const { from, collections, before, after } = all;
  const world = new World(await copyOf(from.disk));
  let tab = await world.open();
  await settled(tab);
  world.plan.arm(kind, at);
  const outcome = await outcomeOf(tab, () => take(tab, collections));
  const { struck } = world.plan;
  world.plan.disarm();
  if (struck === null) {
    expect(outcome).toBe('there');
    await tab.core.close();
    return false;
  }
  if (UNNOTICED.has(kind)) expect(outcome).toBe('there');
  tab = await reopened(world, tab);
  const now = await seen(tab);
  if (outcome === 'there') expect(now).toBe(after);
  else if (typeof outcome === 'object' && !UNDECIDED.has(kind)) expect(now).toBe(before);
  else expect([before, after]).toContain(now);
  expect(await leftovers(world.storage(), ALL)).toEqual([]);
  await take(tab, collections);
  expect(await seen(tab)).toBe(after);
  await tab.core.close();
  return true;
}

describe('an import that is cut', () => {
  test.each(FAULT_KINDS)('by "%s", request after request', async (kind) => {
    const all = await states();
    let at = 1 + (FAULT_KINDS.indexOf(kind) % STRIDE);
    while (await strike(all, kind, at)) at += STRIDE;
    expect(at).toBeGreaterThan(20);
  });

  test.each([true, false])(
    'because another tab took the lead (told: %s) is made by that tab, once and whole',
    async (told) => {
      const { from, collections, after } = await states();
      const world = new World(await copyOf(from.disk));
      const [first, second] = [await world.open(), await world.open()];
      await settled(first);
      let pieces = 0;
      const report = (): void => {
        pieces += 1;
        if (pieces === 1) world.lock.stolen(told);
      };
      const request = { collections, onConflict: 'replace', rename: [] } as const;
      const { collections: came } = await first.core.archives.takeIn(request, { report });
      expect(came.map(({ action }) => action)).toEqual(['replaced', 'created']);
      world.lock.tell();
      await settled(second);
      for (const tab of [first, second]) expect(await seen(tab)).toBe(after);
      expect(await leftovers(world.storage(), ALL)).toEqual([]);
      expect(await second.milvus.listCollections({})).toEqual(['inns', 'made']);
      await Promise.all([first.core.close(), second.core.close()]);
    },
  );

  test.each([0, 1, 3, 6, 10, 15, 25, 40])(
    'by the death of the tab that makes it for another (after %i turns) is made once and whole',
    async (turns) => {
      const { from, collections } = await states();
      const world = new World(await copyOf(from.disk));
      const [leader, other] = [await world.open(), await world.open()];
      await settled(leader);
      const rename = [['inns', 'taverns']] as const;
      const importing = other.core.archives.takeIn({ collections, onConflict: 'refuse', rename });
      for (let i = 0; i < turns; i++) await turn();
      world.bury(leader);
      const { collections: came } = await importing;
      expect(came).toEqual([
        { from: 'inns', name: 'taverns', rows: ROWS, action: 'created' },
        { from: 'made', name: 'made', rows: ROWS, action: 'created' },
      ]);
      await settled(other);
      expect(world.leads(other)).toBe(true);
      expect(await other.milvus.listCollections({})).toEqual(['inns', 'taverns', 'made']);
      expect((await checked(await exported(other.core))).map(({ count }) => count)).toEqual([
        2,
        ROWS,
        ROWS,
      ]);
      expect(await leftovers(world.storage(), ALL)).toEqual([]);
      await other.core.close();
    },
  );
});
