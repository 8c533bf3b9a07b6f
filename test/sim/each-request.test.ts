/**
 * Each operation of the store, struck at its first request, its second, its third ... until none is left,
 * by every kind of fault. A call that came through did what it says, one that failed did nothing (where
 * the kind of fault decides that), both are so after a restart, and made again the call succeeds.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { outcomeOf } from './calls.ts';
import { fails, furnish, OPERATIONS, type Operation, seen } from './operations.ts';
import { FAULT_KINDS, type FaultKind, turn, UNDECIDED, UNNOTICED } from './sim-storage.ts';
import { copyOf, Died, type Tab, World } from './world.ts';

const MOST_REQUESTS = 2_000;

let strikes = 0;

afterAll(() => {
  console.log(`each request: ${strikes} requests of ${OPERATIONS.length} operations were struck`);
  expect(strikes).toBeGreaterThan(1_000);
});

async function reopened(world: World, tab: Tab): Promise<Tab> {
  if (tab.storage.dead) world.bury(tab);
  else await tab.core.close();
  return world.open();
}

/** A world in the state before the operation. */
async function prepared({ before = furnish }: Operation): Promise<World> {
  const world = new World();
  const tab = await world.open();
  await before(tab, world);
  await tab.core.close();
  return world;
}

async function settle(tab: Tab): Promise<void> {
  await Promise.race([tab.core.idle(), tab.died]);
  await turn();
}

/** Runs the operation with its `at`-th request struck. Null where it has fewer requests. */
async function strike(operation: Operation, from: World, kind: FaultKind, at: number) {
  const world = new World(await copyOf(from.disk));
  let tab = await world.open();
  world.plan.arm(kind, at);
  const outcome = await outcomeOf(tab, () => operation.run(tab, world));
  await settle(tab);
  const { struck } = world.plan;
  world.plan.disarm();
  if (struck === null) return null;
  strikes += 1;
  if (tab.storage.dead) tab = await reopened(world, tab);
  return { world, tab, outcome };
}

async function sweep(operation: Operation, kind: FaultKind): Promise<void> {
  const from = await prepared(operation);
  const states = await faultless(operation, from);
  for (let at = 1; ; at++) {
    const struck = await strike(operation, from, kind, at);
    if (struck === null) {
      expect(at, 'no request was struck').toBeGreaterThan(1);
      return;
    }
    expect(at).toBeLessThan(MOST_REQUESTS);
    await check(operation, kind, struck, states);
  }
}

interface States {
  readonly before: string;
  readonly after: string;
}

async function faultless(operation: Operation, from: World): Promise<States> {
  const world = new World(await copyOf(from.disk));
  const first = await world.open();
  const before = await seen(first);
  const tab = await reopened(world, first);
  await operation.run(tab, world);
  await settle(tab);
  const after = await seen(tab);
  await tab.core.close();
  return { before, after };
}

async function check(
  operation: Operation,
  kind: FaultKind,
  struck: NonNullable<Awaited<ReturnType<typeof strike>>>,
  { before, after }: States,
): Promise<void> {
  const { world, outcome } = struck;
  const failed = typeof outcome === 'object';
  if (UNNOTICED.has(kind)) expect(outcome).toBe('there');
  const now = await seen(struck.tab);
  const decided = operation.background !== true && outcome !== 'either' && !UNDECIDED.has(kind);
  if (outcome === 'there' && operation.background !== true) expect(now).toBe(after);
  else if (failed && decided) expect(now).toBe(before);
  else expect([before, after]).toContain(now);
  const again = await reopened(world, struck.tab);
  expect(await seen(again)).toBe(now);
  if (now !== after) {
    expect(await fails(() => operation.run(again, world))).toBe(false);
    await settle(again);
    expect(await seen(again)).toBe(after);
  }
  await again.core.close();
}

describe.each(OPERATIONS)('$name', (operation) => {
  test.each(FAULT_KINDS)('%s', (kind) => sweep(operation, kind));
});

describe('opening', () => {
  test.each(FAULT_KINDS)('%s', async (kind) => {
    const [{ before = furnish } = {}] = OPERATIONS;
    const from = await prepared({ name: 'opening', run: async () => {}, before });
    const { before: state } = await faultless({ name: 'opening', run: async () => {} }, from);
    for (let at = 1; at < MOST_REQUESTS; at++) {
      const world = new World(await copyOf(from.disk));
      world.plan.arm(kind, at);
      const opening = world.open();
      const failed = await opening.then(
        () => false,
        async (error: unknown) => {
          if (!(error instanceof Died)) expect(await fails(() => opening)).toBe(true);
          return true;
        },
      );
      const { struck } = world.plan;
      world.plan.disarm();
      if (UNNOTICED.has(kind)) expect(failed).toBe(false);
      const tab = failed ? await world.open() : await opening;
      expect(await seen(tab)).toBe(state);
      await tab.core.close();
      if (struck === null) return expect(at).toBeGreaterThan(1);
      strikes += 1;
    }
  });
});
