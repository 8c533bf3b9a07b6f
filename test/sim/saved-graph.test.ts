/**
 * Saving a graph, struck at each of its requests: whatever is left of the saved graph, the rows are found
 * as before, and the next opening builds and saves what is missing. The quick version strikes every
 * seventh request.
 */
import { expect, test } from 'vitest';
import { baseSeed, WHOLE } from '../faults/harness/seeded.ts';
import { outcomeOf } from './calls.ts';
import { FAULT_KINDS, type FaultKind, turn } from './sim-storage.ts';
import { CREATE, copyOf, NAME, type Tab, World } from './world.ts';

/** Above the number from which on a graph is built. */
const ROWS = 5_200;
const STRIDE = WHOLE ? 1 : 7;
const FIRST = WHOLE ? 1 : 1 + (baseSeed(1) % STRIDE);

async function filled(): Promise<World> {
  const world = new World();
  const tab = await world.open();
  await tab.milvus.createCollection(CREATE);
  const data = Array.from({ length: ROWS }, (_, i) => ({ id: i, n: i % 7, vec: [i % 71, i / 71] }));
  await tab.milvus.insert({ collectionName: NAME, data });
  // Closed before any background work had its turn: nothing is saved yet.
  await tab.core.close();
  return world;
}

/** The first search opens the vectors, and with that the graph is wanted. */
async function find({ milvus }: Tab): Promise<readonly unknown[]> {
  const data = [0, 1_000, 2_600, ROWS - 1].map((i) => [i % 71, i / 71]);
  const hits = await milvus.search({ collectionName: NAME, data, limit: 1 });
  return hits.map(({ id, distance }) => [id, distance]);
}

const WANTED = [0, 1_000, 2_600, ROWS - 1].map((i) => [String(i), 0]);

async function savedParts(world: World): Promise<number> {
  const storage = await world.storage().read(['snapshots'], (tx) => tx.scan('snapshots', null));
  return storage.length;
}

async function strike(from: World, kind: FaultKind, at: number): Promise<boolean> {
  const world = new World(await copyOf(from.disk));
  let tab = await world.open();
  expect(await find(tab)).toEqual(WANTED);
  world.plan.arm(kind, at);
  await outcomeOf(tab, () => tab.core.idle());
  await turn();
  const { struck } = world.plan;
  world.plan.disarm();
  if (!tab.storage.dead) {
    expect(await find(tab)).toEqual(WANTED);
    await tab.core.close();
  } else world.bury(tab);
  tab = await world.open();
  expect(await find(tab)).toEqual(WANTED);
  await tab.core.idle();
  expect(await savedParts(world)).toBe(1);
  expect(tab.core.status().modes).not.toContain('background_failed');
  await tab.core.close();
  return struck !== null;
}

test.each(FAULT_KINDS)(
  'saving a graph: %s',
  async (kind) => {
    const from = await filled();
    expect(await savedParts(from)).toBe(0);
    let strikes = 0;
    for (let at = FIRST; await strike(from, kind, at); at += STRIDE) {
      strikes += 1;
      expect(strikes).toBeLessThan(500);
    }
    expect(strikes).toBeGreaterThan(0);
  },
  300_000,
);
