/**
 * What every storage must do, and what the store on it promises: run over memory, over a fake IndexedDB
 * in Node and over the real one in Chromium.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LeaderLock } from '../../workers/index/leader.ts';
import type { Storage, StorageKey, WriteTransaction } from '../../workers/index/storage/storage.ts';
import { LetterEmbedder, openCore, SharedLock, type TestCore } from '../unit/index/core-fixture.ts';

/** One place where data stays between openings. */
export interface Place {
  open(): Promise<Storage>;
  /** False where nothing outlives the process; a core then never closes and opens again over it. */
  readonly durable: boolean;
}

const bytes = (...values: number[]): Uint8Array<ArrayBuffer> => new Uint8Array(values);

const INNS = {
  collectionName: 'inns',
  schema: {
    autoID: false,
    enableDynamicField: true,
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      { fieldName: 'text', dataType: 'VarChar', elementTypeParams: { max_length: 1_000 } },
      { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 16 } },
    ],
    functions: [
      {
        name: 'embed',
        type: 'TextEmbedding',
        inputFieldNames: ['text'],
        outputFieldNames: ['vector'],
      },
    ],
  },
  indexParams: [{ fieldName: 'vector', metricType: 'COSINE', indexType: 'HNSW' }],
} as const;

const ROWS = [
  { id: 1, text: 'The Prancing Pony in Bree', famous: 'Strider' },
  { id: '9007199254740993', text: 'The Green Dragon in Bywater', stars: 4 },
  { id: -5, text: '躍る小馬亭', famous: null },
];

export function storeSuite(name: string, makePlace: () => Place): void {
  describe(`storage: ${name}`, () => {
    storageTests(makePlace);
    atomicityTests(makePlace);
  });
  describe(`store on ${name}`, () => {
    storeTests(makePlace);
    tabTests(makePlace);
  });
}

function storageTests(makePlace: () => Place): void {
  test('keys order as numbers, strings, bytes, lists', async () => {
    const storage = await makePlace().open();
    const keys: StorageKey[] = [
      [1, bytes(0)],
      'b',
      bytes(1, 2),
      -1,
      [1],
      bytes(1),
      'a',
      [0, bytes(255)],
      2,
      bytes(255),
    ];
    await storage.write(['rows'], async (tx) => {
      for (const key of keys) tx.put('rows', key, 'x');
    });
    const found = await storage.read(['rows'], (tx) => tx.scan('rows', null));
    expect(found.map((entry) => entry.key)).toEqual([
      -1,
      2,
      'a',
      'b',
      bytes(1),
      bytes(1, 2),
      bytes(255),
      [0, bytes(255)],
      [1],
      [1, bytes(0)],
    ]);
    storage.close();
  });

  test('a write that fails leaves nothing, and the next one works', async () => {
    const storage = await makePlace().open();
    await storage.write(['rows', 'log'], async (tx) => tx.put('rows', [1, bytes(1)], 'before'));
    const failing = storage.write(['rows', 'log'], async (tx) => {
      tx.put('rows', [1, bytes(1)], 'after');
      tx.put('log', 1, 'x');
      tx.deleteRange('rows', { lower: [1], upper: [1, []] });
      await tx.get('rows', [1, bytes(1)]);
      throw new Error('half-way');
    });
    await expect(failing).rejects.toThrow('half-way');
    const left = await storage.read(['rows', 'log'], async (tx) => [
      await tx.get('rows', [1, bytes(1)]),
      await tx.get('log', 1),
    ]);
    expect(left).toEqual(['before', undefined]);
    storage.close();
  });

  test('a transaction sees its own changes; values are copied in and out', async () => {
    const storage = await makePlace().open();
    const value = { list: [1], data: bytes(1, 2), big: 2n ** 60n };
    const seen = await storage.write(['head'], async (tx) => {
      tx.put('head', 'a', value);
      value.list.push(2);
      return tx.get('head', 'a');
    });
    expect(seen).toEqual({ list: [1], data: bytes(1, 2), big: 2n ** 60n });
    (seen as typeof value).list.push(3);
    const again = await storage.read(['head'], (tx) => tx.get('head', 'a'));
    expect(again).toEqual({ list: [1], data: bytes(1, 2), big: 2n ** 60n });
    storage.close();
  });

  test('writes that read and add run one after the other', async () => {
    const storage = await makePlace().open();
    const add = () =>
      storage.write(['head'], async (tx) => {
        const before = ((await tx.get('head', 'n')) as number | undefined) ?? 0;
        await tx.get('head', 'other');
        tx.put('head', 'n', before + 1);
      });
    await Promise.all(Array.from({ length: 20 }, add));
    expect(await storage.read(['head'], (tx) => tx.get('head', 'n'))).toBe(20);
    storage.close();
  });

  test('scans take a range, an open lower end and a limit', async () => {
    const storage = await makePlace().open();
    await storage.write(['log'], async (tx) => {
      for (let n = 1; n <= 9; n++) tx.put('log', n, n);
      tx.delete('log', 5);
    });
    const scan = (lowerOpen: boolean, limit?: number) =>
      storage.read(['log'], async (tx) =>
        (await tx.scan('log', { lower: 3, upper: 8, lowerOpen }, limit)).map((e) => e.value),
      );
    expect(await scan(false)).toEqual([3, 4, 6, 7, 8]);
    expect(await scan(true, 3)).toEqual([4, 6, 7]);
    storage.close();
  });

  test('after close every call is refused', async () => {
    const storage = await makePlace().open();
    storage.close();
    await expect(storage.read(['head'], (tx) => tx.get('head', 'x'))).rejects.toMatchObject({
      code: 'closed',
    });
  });
}

function atomicityTests(makePlace: () => Place): void {
  test('a limit of 0 is none, and a range between keys is empty', async () => {
    const storage = await makePlace().open();
    await storage.write(['log'], async (tx) => {
      tx.put('log', 1, 'a');
      tx.put('log', 5, 'b');
      tx.deleteRange('log', { lower: 2, upper: 4 });
      tx.delete('log', 3);
    });
    const scan = (lower: number, upper: number, limit?: number) =>
      storage.read(['log'], (tx) => tx.scan('log', { lower, upper }, limit));
    expect(await scan(1, 5, 0)).toEqual([]);
    expect(await scan(2, 4)).toEqual([]);
    expect((await scan(1, 5)).length).toBe(2);
    storage.close();
  });

  test('what cannot be stored fails the whole write, and the next one works', async () => {
    const storage = await makePlace().open();
    const bad = storage.write(['rows', 'log'], async (tx) => {
      tx.put('log', 1, 'x');
      tx.put('rows', [1, bytes(1)], () => {});
    });
    await expect(bad).rejects.toBeInstanceOf(Error);
    expect(await storage.read(['log'], (tx) => tx.scan('log', null))).toEqual([]);
    await storage.write(['log'], async (tx) => tx.put('log', 1, 'y'));
    expect(await storage.read(['log'], (tx) => tx.get('log', 1))).toBe('y');
    storage.close();
  });

  test('reads and writes over a common store run in the order in which they were started', async () => {
    const storage = await makePlace().open();
    const seen: unknown[] = [];
    const all: Promise<unknown>[] = [];
    for (let n = 1; n <= 10; n++) {
      all.push(storage.write(['head', 'log'], async (tx) => tx.put('head', 'n', n)));
      all.push(storage.read(['head'], async (tx) => seen.push(await tx.get('head', 'n'))));
    }
    await Promise.all(all);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    storage.close();
  });

  test('a body that throws at once changes nothing and hurts nobody beside it', async () => {
    const storage = await makePlace().open();
    const bodies = Array.from({ length: 8 }, (_, n) =>
      storage.write(['log'], (tx) => {
        tx.put('log', n, n);
        if (n % 2 === 1) throw new Error(`no ${n}`);
        return Promise.resolve(n);
      }),
    );
    const ends = await Promise.allSettled(bodies);
    expect(ends.map((end) => end.status === 'fulfilled')).toEqual(
      Array.from({ length: 8 }, (_, n) => n % 2 === 0),
    );
    const left = await storage.read(['log'], (tx) => tx.scan('log', null));
    expect(left.map(({ key }) => key)).toEqual([0, 2, 4, 6]);
    storage.close();
  });

  test('a probe leaves nothing', async () => {
    const storage = await makePlace().open();
    await storage.probe?.(65_536);
    expect(await storage.read(['head'], (tx) => tx.scan('head', null))).toEqual([]);
    storage.close();
  });

  test('random transactions, some of them given up, come to what a sorted list says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { maxLength: 8 }), async (transactions) => {
        const storage = await makePlace().open();
        let model: Model = new Map();
        for (const { steps, fails } of transactions) {
          let next: Model = model;
          const write = storage.write(['rows'], async (tx) => {
            next = model;
            for (const each of steps) next = await applyStep(tx, each, next);
            if (fails) throw new Error('given up');
          });
          if (fails) await expect(write).rejects.toThrow('given up');
          else {
            await write;
            model = next;
          }
          const found = await storage.read(['rows'], (tx) => tx.scan('rows', null));
          expect(found.map(({ key, value }) => [key, value])).toEqual([...model].sort(byKey));
        }
        storage.close();
      }),
      { numRuns: 40, seed: 5 },
    );
  });
}

type Model = ReadonlyMap<number, number>;
type Step = KeyStep | RangeStep;
interface KeyStep {
  readonly kind: 'put' | 'delete';
  readonly key: number;
}
interface RangeStep {
  readonly kind: 'cut' | 'scan';
  readonly lower: number;
  readonly more: number;
  readonly open: boolean;
}

const small = fc.integer({ min: 0, max: 12 });
const transaction = fc.record({
  fails: fc.boolean(),
  steps: fc.array(
    fc.oneof(
      fc.record({ kind: fc.constantFrom('put' as const, 'delete' as const), key: small }),
      fc.record({
        kind: fc.constantFrom('cut' as const, 'scan' as const),
        lower: small,
        more: fc.integer({ min: 0, max: 5 }),
        open: fc.boolean(),
      }),
    ) as fc.Arbitrary<Step>,
    { maxLength: 10 },
  ),
});

const byKey = ([a]: readonly [number, number], [b]: readonly [number, number]): number => a - b;

async function applyStep(tx: WriteTransaction, step: Step, model: Model): Promise<Model> {
  const next = new Map(model);
  if ('lower' in step) {
    const range = { lower: step.lower, upper: step.lower + step.more, lowerOpen: step.open };
    const isIn = (key: number) =>
      key <= range.upper && (step.open ? key > range.lower : key >= range.lower);
    if (step.kind === 'cut') {
      tx.deleteRange('rows', range);
      for (const key of model.keys()) if (isIn(key)) next.delete(key);
    } else {
      const found = await tx.scan('rows', range, 3);
      const wanted = [...model].filter(([key]) => isIn(key)).sort(byKey);
      expect(found.map(({ key, value }) => [key, value])).toEqual(wanted.slice(0, 3));
    }
  } else if (step.kind === 'put') {
    tx.put('rows', step.key, next.size);
    next.set(step.key, next.size);
  } else {
    tx.delete('rows', step.key);
    next.delete(step.key);
  }
  return next;
}

function openAt(place: Place, lock: LeaderLock | null = null, embedder = new LetterEmbedder()) {
  return openCore({ openStorage: () => place.open(), lock, embedder });
}

async function texts({ milvus }: TestCore): Promise<readonly unknown[]> {
  const rows = await milvus.query({ collectionName: 'inns', filter: '', outputFields: ['text'] });
  return rows.map((row) => row.text);
}

function storeTests(makePlace: () => Place): void {
  test('what was acknowledged is there after reopening: rows, vectors, keys, dynamic fields', async () => {
    const place = makePlace();
    const first = await openAt(place);
    await first.milvus.createCollection(INNS);
    await first.milvus.insert({ collectionName: 'inns', data: ROWS });
    const before = await first.milvus.query({ collectionName: 'inns', filter: '' });
    await first.core.close();
    const second = await openAt(place);
    const after = await second.milvus.query({ collectionName: 'inns', filter: '' });
    expect(after).toEqual(before);
    expect(after.map((row) => row.id)).toEqual(['-5', '1', '9007199254740993']);
    expect(after[0]).toMatchObject({ text: '躍る小馬亭', famous: null });
    const hits = await second.milvus.search({
      collectionName: 'inns',
      data: ['The Green Dragon in Bywater'],
      limit: 1,
      outputFields: ['stars'],
    });
    expect(hits).toEqual([{ id: '9007199254740993', distance: expect.closeTo(1, 5), stars: 4 }]);
    await second.core.close();
  });

  test('an upsert replaces, a delete removes, and the text is gone from the storage', async () => {
    const place = makePlace();
    const first = await openAt(place);
    await first.milvus.createCollection(INNS);
    await first.milvus.insert({ collectionName: 'inns', data: ROWS });
    await first.milvus.upsert({
      collectionName: 'inns',
      data: [{ id: 1, text: 'The Pony, closed' }],
    });
    await first.milvus.delete({ collectionName: 'inns', filter: 'id in [-5]' });
    await first.core.close();
    const second = await openAt(place);
    expect(await texts(second)).toEqual(['The Pony, closed', 'The Green Dragon in Bywater']);
    await second.core.close();
    const storage = await place.open();
    const all = await storage.read(['head', 'collections', 'rows', 'log'], async (tx) => [
      ...(await tx.scan('rows', null)),
      ...(await tx.scan('log', null)),
      ...(await tx.scan('collections', null)),
    ]);
    const dump = JSON.stringify(all, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v));
    expect(dump).toContain('The Pony, closed');
    expect(dump).not.toContain('Prancing');
    expect(dump).not.toContain('躍る');
    storage.close();
  });

  test('a dropped collection leaves no row, vector or graph', async () => {
    const place = makePlace();
    const opened = await openAt(place);
    await opened.milvus.createCollection(INNS);
    await opened.milvus.insert({ collectionName: 'inns', data: ROWS });
    await opened.milvus.dropCollection({ collectionName: 'inns' });
    expect(await opened.milvus.hasCollection({ collectionName: 'inns' })).toEqual({ has: false });
    await opened.core.close();
    const storage = await place.open();
    const left = await storage.read(['collections', 'rows', 'vectors', 'snapshots'], async (tx) => [
      ...(await tx.scan('collections', null)),
      ...(await tx.scan('rows', null)),
      ...(await tx.scan('vectors', null)),
      ...(await tx.scan('snapshots', null)),
    ]);
    expect(left).toEqual([]);
    storage.close();
  });

  test('generated keys grow over reopenings', async () => {
    const place = makePlace();
    const schema = { ...INNS.schema, autoID: true };
    const seen: bigint[] = [];
    for (let round = 0; round < 3; round++) {
      const opened = await openCore({
        openStorage: () => place.open(),
        // The clock goes back with each opening.
        clock: { now: () => 1_000_000 - round * 1_000, monotonic: () => performance.now() },
      });
      await opened.milvus.createCollection({ ...INNS, schema });
      const data = [{ text: 'a' }, { text: 'b' }];
      const { insertIds } = await opened.milvus.insert({ collectionName: 'inns', data });
      seen.push(...insertIds.map(BigInt));
      await opened.core.close();
    }
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => (a < b ? -1 : 1)));
  });
}

function tabTests(makePlace: () => Place): void {
  test('a second tab reads what the first commits and is refused to write', async () => {
    const place = makePlace();
    const lock = new SharedLock();
    const first = await openAt(place, lockFor(place, lock));
    const second = await openAt(place, lockFor(place, lock));
    if (!place.durable) return;
    expect([first.core.status().role, second.core.status().role]).toEqual(['leader', 'follower']);
    await first.milvus.createCollection(INNS);
    await first.milvus.insert({ collectionName: 'inns', data: ROWS });
    expect((await texts(second)).length).toBe(3);
    await first.milvus.delete({ collectionName: 'inns', filter: 'id == 1' });
    expect((await texts(second)).length).toBe(2);
    await expect(
      second.milvus.insert({ collectionName: 'inns', data: [{ id: 7, text: 'x' }] }),
    ).rejects.toMatchObject({ code: 'not_leader', retryable: true });
    expect((await texts(first)).length).toBe(2);
    await first.core.close();
    await expect.poll(() => second.core.status().role).toBe('leader');
    await second.milvus.insert({ collectionName: 'inns', data: [{ id: 7, text: 'x' }] });
    expect((await texts(second)).length).toBe(3);
    await second.core.close();
  });

  test('a leader that lost the lock without noticing cannot write', async () => {
    const place = makePlace();
    if (!place.durable) return;
    const lock = new SharedLock();
    const frozen = await openAt(place, lock);
    await frozen.milvus.createCollection(INNS);
    lock.seize();
    const next = await openAt(place, lock);
    expect(next.core.status().role).toBe('leader');
    await next.milvus.insert({ collectionName: 'inns', data: ROWS });
    await expect(
      frozen.milvus.insert({ collectionName: 'inns', data: [{ id: 8, text: 'late' }] }),
    ).rejects.toMatchObject({ code: 'not_leader' });
    expect(frozen.core.status().role).toBe('follower');
    expect(await texts(frozen)).toEqual(await texts(next));
    expect((await texts(next)).length).toBe(3);
    await next.core.close();
    await expect.poll(() => frozen.core.status().role).toBe('leader');
    await frozen.core.close();
  });
}

function lockFor(place: Place, lock: SharedLock): SharedLock | null {
  return place.durable ? lock : null;
}
