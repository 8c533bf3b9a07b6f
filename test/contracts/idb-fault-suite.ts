/**
 * F06 and its kin: an IndexedDB whose connection is lost at any point, for a moment or for good. The same
 * over a fake one in Node and over the real one in Chromium.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isWhorlError } from '../../src/shared/errors.ts';
import { IdbStorage } from '../../workers/index/storage/idb-storage.ts';
import {
  FAULT_POINTS,
  type FaultPoint,
  FaultyIdb,
  type ForceClose,
  type IdbFault,
  LOST_TEXTS,
} from '../fakes/faulty-idb.ts';
import { openCore, type TestCore } from '../unit/index/core-fixture.ts';

const collectionName = 'c';
const OPERATIONS = ['insert', 'upsert', 'delete', 'query', 'drop'] as const;
type Operation = (typeof OPERATIONS)[number];

/** No pause, but a turn of the event loop. */
const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** A storage tries five times; the first finds the connection dead. */
const PASSING = 3;
const FOR_GOOD = Number.POSITIVE_INFINITY;

export interface FaultCase {
  readonly operation: Operation;
  readonly point: FaultPoint;
  readonly at: number;
  readonly times: number;
  readonly text: number;
  readonly closes: boolean;
}

const row = (id: number, by = 0) => ({ id, vector: [id, by] });

/** Ids of all rows; null: no such collection. */
type Seen = readonly string[] | null;

const BEFORE: Seen = ['1', '2', '3'];
const AFTER: { readonly [operation in Operation]: Seen } = {
  insert: ['1', '2', '3', '4', '5'],
  upsert: ['1', '2', '3'],
  delete: ['1', '3'],
  query: ['1', '2', '3'],
  drop: null,
};

async function perform({ milvus }: TestCore, operation: Operation): Promise<void> {
  if (operation === 'insert') await milvus.insert({ collectionName, data: [row(4), row(5)] });
  if (operation === 'upsert') await milvus.upsert({ collectionName, data: [row(2, 9)] });
  if (operation === 'delete') await milvus.delete({ collectionName, filter: 'id in [2]' });
  if (operation === 'drop') await milvus.dropCollection({ collectionName });
  if (operation === 'query') {
    await milvus.releaseCollection({ collectionName });
    await milvus.loadCollection({ collectionName });
    await milvus.query({ collectionName, filter: '' });
  }
}

async function look({ milvus }: TestCore): Promise<Seen> {
  if (!(await milvus.hasCollection({ collectionName })).has) return null;
  // The fault may have come between releasing and loading.
  await milvus.loadCollection({ collectionName });
  const rows = await milvus.query({ collectionName, filter: '' });
  for (const { id, vector } of rows as { id: string; vector: Float32Array }[]) {
    expect(vector[0], 'a row has the vector of another one').toBe(Number(id));
  }
  return rows.map(({ id }) => String(id));
}

/** Number of committed changes. */
async function sequence(name: string): Promise<number> {
  const storage = await IdbStorage.open({ name });
  const head = await storage.read(['head'], (tx) => tx.get('head', 'head'));
  storage.close();
  return (head as { sequence: number }).sequence;
}

export class FaultBench {
  readonly #forceClose: ForceClose;
  #made = 0;

  constructor(forceClose: ForceClose) {
    this.#forceClose = forceClose;
  }

  /** Runs one case; true where the fault struck. */
  async run(each: FaultCase): Promise<boolean> {
    const name = `fault-${crypto.randomUUID()}-${this.#made++}`;
    const faulty = new FaultyIdb(this.#forceClose);
    const { factory } = faulty;
    const openStorage = () => IdbStorage.open({ name, factory, wait });
    const opened = await openCore({ openStorage });
    await opened.milvus.createCollection({ collectionName, dimension: 2, metricType: 'L2' });
    await opened.milvus.insert({ collectionName, data: [row(1), row(2), row(3)] });
    const before = await sequence(name);
    faulty.arm(faultOf(each));
    // Opening happens again only where the connection is gone.
    const current = faulty.opened.at(-1);
    if (each.point === 'open' && current !== undefined) this.#forceClose(current);
    const failure = await this.#attempt(opened, each);
    const struck = faulty.struck > 0;
    faulty.arm(null);
    const steps = (await sequence(name)) - before;
    if (failure === null) expect(steps, 'changes made').toBe(each.operation === 'query' ? 2 : 1);
    await check(opened, each, failure);
    // After the fault all goes on, on the same engine.
    await opened.milvus.createCollection({ collectionName: 'after', dimension: 2 });
    await opened.core.close();
    await discard(name);
    return struck;
  }

  async #attempt(opened: TestCore, each: FaultCase): Promise<unknown> {
    const start = performance.now();
    const failure = await perform(opened, each.operation).then(
      () => null,
      (error: unknown) => error,
    );
    expect(performance.now() - start).toBeLessThan(2_000);
    return failure;
  }
}

function faultOf({ point, at, times, text, closes }: FaultCase): IdbFault {
  const error = LOST_TEXTS[text] ?? LOST_TEXTS[0];
  return { point, at, times, error, closes };
}

async function check(opened: TestCore, each: FaultCase, failure: unknown): Promise<void> {
  const seen = await look(opened);
  const after = AFTER[each.operation];
  if (failure === null) {
    expect(seen).toEqual(after);
    return;
  }
  expect(each.times, `a passing fault was noticed: ${String(failure)}`).toBe(FOR_GOOD);
  expect(isWhorlError(failure), String(failure)).toBe(true);
  expect(failure).toMatchObject({
    code: expect.stringMatching(/^(storage_lost|outcome_unknown|storage_unavailable)$/),
  });
  const { code } = failure as { code: string };
  // Only where the answer could not be had may it be either; all else says that nothing was kept.
  if (code === 'outcome_unknown') expect([BEFORE, after]).toContainEqual(seen);
  else if (each.operation !== 'query') expect(seen).toEqual(BEFORE);
}

function discard(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
  });
}

/** The n-th occurrence of each point fails for n = 1, 2, 3 .. until none is left. */
export function sweepTests(forceClose: ForceClose): void {
  const bench = new FaultBench(forceClose);
  for (const point of FAULT_POINTS) {
    for (const times of [1, PASSING, FOR_GOOD]) {
      const label = times === FOR_GOOD ? 'for good' : `${times} times`;
      test(`F06 the connection is lost at each ${point}, ${label}`, {
        timeout: 120_000,
      }, async () => {
        let struck = 0;
        for (const [turn, operation] of OPERATIONS.entries()) {
          for (let at = 1; ; at++) {
            const text = (at + turn) % LOST_TEXTS.length;
            const closes = (at + times) % 2 === 0;
            if (!(await bench.run({ operation, point, at, times, text, closes }))) break;
            struck += 1;
            expect(at).toBeLessThan(200);
          }
        }
        expect(struck).toBeGreaterThanOrEqual(OPERATIONS.length);
      });
    }
  }
}

const cases: fc.Arbitrary<FaultCase> = fc.record({
  operation: fc.constantFrom(...OPERATIONS),
  point: fc.constantFrom(...FAULT_POINTS),
  at: fc.integer({ min: 1, max: 6 }),
  times: fc.constantFrom(1, 2, PASSING, FOR_GOOD),
  text: fc.integer({ min: 0, max: LOST_TEXTS.length - 1 }),
  closes: fc.boolean(),
});

/** Cases drawn by seeds. */
export function seededTests(forceClose: ForceClose, seeds: readonly number[], runs: number): void {
  const bench = new FaultBench(forceClose);
  test.each(seeds)('F06 the connection is lost anywhere, seed %i', async (seed) => {
    let struck = 0;
    for (const each of fc.sample(cases, { seed, numRuns: runs })) {
      struck += (await bench.run(each)) ? 1 : 0;
    }
    expect(struck).toBeGreaterThan(runs / 4);
  });
}
