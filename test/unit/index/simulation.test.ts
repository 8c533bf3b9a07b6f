/** The store against a plain Map: random sequences with crashes, and every single storage operation failing once. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isWhorlError } from '../../../src/shared/errors.ts';
import { MemoryDisk } from '../../../workers/index/storage/memory-storage.ts';
import { openCore, SharedLock, type TestCore } from './core-fixture.ts';
import { type FaultKind, Faults, FaultyStorage } from './faulty-storage.ts';

const NAME = 'm';
const CREATE = {
  collectionName: NAME,
  schema: {
    enableDynamicField: false,
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      { fieldName: 'n', dataType: 'Int32' },
      { fieldName: 'vec', dataType: 'FloatVector', elementTypeParams: { dim: 2 } },
    ],
  },
  indexParams: [{ fieldName: 'vec', metricType: 'L2', indexType: 'HNSW' }],
} as const;

type Model = ReadonlyMap<number, number>;

const row = (id: number, n: number) => ({ id, n, vec: [id, n] });

/** Everything that can be seen of the collection: rows in key order, and the nearest row of each row. */
async function observe({ milvus }: TestCore): Promise<Model> {
  const rows = await milvus.query({ collectionName: NAME, filter: '', outputFields: ['n', 'vec'] });
  const seen = new Map<number, number>();
  for (const each of rows) {
    seen.set(Number(each.id), Number(each.n));
    expect([...(each.vec as Float32Array)]).toEqual([Number(each.id), each.n]);
    const [nearest] = await milvus.search({
      collectionName: NAME,
      data: [[Number(each.id), Number(each.n)]],
      limit: 1,
    });
    expect(nearest).toEqual({ id: each.id, distance: 0 });
  }
  return seen;
}

type Action =
  | { readonly kind: 'upsert' | 'insert'; readonly rows: readonly (readonly [number, number])[] }
  | { readonly kind: 'delete'; readonly ids: readonly number[] }
  | { readonly kind: 'deleteBelow'; readonly n: number }
  | { readonly kind: 'reopen' | 'crash' | 'release' | 'look' };

function after(model: Model, action: Action): Model {
  const next = new Map(model);
  if (action.kind === 'insert' || action.kind === 'upsert') {
    for (const [id, n] of action.rows) next.set(id, n);
  }
  if (action.kind === 'delete') for (const id of action.ids) next.delete(id);
  if (action.kind === 'deleteBelow') {
    for (const [id, n] of model) if (n < action.n) next.delete(id);
  }
  return next;
}

async function perform({ milvus }: TestCore, action: Action): Promise<void> {
  const collectionName = NAME;
  switch (action.kind) {
    case 'insert':
    case 'upsert':
      await milvus[action.kind]({ collectionName, data: action.rows.map(([id, n]) => row(id, n)) });
      return;
    case 'delete':
      await milvus.delete({ collectionName, filter: `id in [${action.ids.join(', ')}]` });
      return;
    case 'deleteBelow':
      await milvus.delete({ collectionName, filter: `n < ${action.n}` });
      return;
    case 'release':
      await milvus.releaseCollection({ collectionName });
      await milvus.loadCollection({ collectionName });
      return;
    default:
  }
}

const id = fc.integer({ min: -3, max: 6 });
const n = fc.integer({ min: 0, max: 5 });
const rows = fc.array(fc.tuple(id, n), { minLength: 1, maxLength: 4 });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('insert', 'upsert'), rows }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('delete'),
      ids: fc.array(id, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteBelow'), n }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('reopen', 'crash', 'release', 'look') }),
  },
) as fc.Arbitrary<Action>;

describe('the store beside a Map', () => {
  test('random sequences with reopenings and crashes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 12 }), async (actions) => {
        const disk = new MemoryDisk();
        const lock = new SharedLock();
        const open = () =>
          openCore({
            openStorage: async () => new FaultyStorage(disk, new Faults(-1, 'refused')),
            lock,
          });
        let opened = await open();
        await opened.milvus.createCollection(CREATE);
        let model: Model = new Map();
        for (const each of actions) {
          if (each.kind === 'reopen') {
            await opened.core.close();
            opened = await open();
          } else if (each.kind === 'crash') {
            // Nothing is told: the old core just is not asked any more.
            lock.seize();
            opened = await open();
          } else await perform(opened, each);
          model = after(model, each);
          if (each.kind === 'look') expect(sorted(await observe(opened))).toEqual(sorted(model));
        }
        expect(sorted(await observe(opened))).toEqual(sorted(model));
        await opened.core.close();
      }),
      { numRuns: 400 },
    );
  });

  test.each<FaultKind>(['refused', 'unknown'])(
    'each storage operation fails once (%s): what was acknowledged stays, the rest is whole or absent',
    async (kind) => {
      const script: readonly Action[] = [
        {
          kind: 'insert',
          rows: [
            [1, 1],
            [2, 2],
            [3, 3],
          ],
        },
        {
          kind: 'upsert',
          rows: [
            [2, 5],
            [4, 4],
          ],
        },
        { kind: 'delete', ids: [1, 9] },
        { kind: 'release' },
        { kind: 'deleteBelow', n: 4 },
        { kind: 'insert', rows: [[7, 0]] },
      ];
      let failures = 0;
      for (let failAt = 1; ; failAt++) {
        const disk = new MemoryDisk();
        const faults = new Faults(failAt, kind);
        const struck = await runScript(disk, faults, script);
        failures += struck ? 1 : 0;
        if (!faults.struck) break;
        expect(failAt).toBeLessThan(1_000);
      }
      // A commit whose answer was lost is looked for: most such calls succeed.
      expect(failures).toBeGreaterThan(kind === 'refused' ? 50 : 10);
    },
  );
});

/** Runs the script over a disk; after the fault the same core must go on, and agree with the disk. */
async function runScript(
  disk: MemoryDisk,
  faults: Faults,
  script: readonly Action[],
): Promise<boolean> {
  const opened = await openOnce(disk, faults);
  if (opened === null) return true;
  let struck = !(await succeeds(() => opened.milvus.createCollection(CREATE)));
  if (struck) await opened.milvus.createCollection(CREATE);
  let model: Model = new Map();
  for (const each of script) {
    const next = after(model, each);
    const done = await succeeds(() => perform(opened, each));
    struck ||= !done;
    // The fault may strike here, too: a read that failed works when it is made again.
    const look = async () => {
      await opened.milvus.loadCollection({ collectionName: NAME });
      return observe(opened);
    };
    let seen: Model = new Map();
    if (
      !(await succeeds(async () => {
        seen = await look();
      }))
    )
      seen = await look();
    const expected = done ? [next] : [model, next];
    expect(expected.map(sorted)).toContainEqual(sorted(seen));
    model = seen;
  }
  await opened.core.close();
  const again = await openCore({
    openStorage: async () => new FaultyStorage(disk, new Faults(-1, 'refused')),
  });
  expect(sorted(await observe(again))).toEqual(sorted(model));
  await again.core.close();
  return struck;
}

/** Opening may fail typed; then opening again works. */
async function openOnce(disk: MemoryDisk, faults: Faults): Promise<TestCore | null> {
  const options = { openStorage: async () => new FaultyStorage(disk, faults) };
  try {
    return await openCore(options);
  } catch (error) {
    expect(isWhorlError(error)).toBe(true);
    await (await openCore(options)).core.close();
    return null;
  }
}

async function succeeds(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    expect(isWhorlError(error), String(error)).toBe(true);
    return false;
  }
}

function sorted(model: Model): readonly (readonly [number, number])[] {
  return [...model].sort(([a], [b]) => a - b);
}
