/** One fault of several tabs at a time, at the moment where it hurts; tabs.test.ts has them all together. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CollectionRecord, LogRecord } from '../../../workers/index/records.ts';
import { MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import { answerOf, findCall } from '../../../workers/index/tabs/call-log.ts';
import { parseHeard, sealed, type TabMessage } from '../../../workers/index/tabs/message.ts';
import { type SimTab, World } from './tab-world.ts';

const NAME = 'm';
const field = (fieldName: string, dataType: string, more = {}) => ({
  fieldName,
  dataType,
  ...more,
});
const VECTOR = field('vec', 'FloatVector', { elementTypeParams: { dim: 16 } });
const TEXT = field('text', 'VarChar', { elementTypeParams: { max_length: 99 } });
const create = (collectionName: string, autoID: boolean) =>
  ({
    collectionName,
    schema: {
      autoID,
      fields: [field('id', 'Int64', { isPrimary: true }), field('n', 'Int32'), TEXT, VECTOR],
      functions: [
        { name: 'f', type: 'TextEmbedding', inputFieldNames: ['text'], outputFieldNames: ['vec'] },
      ],
    },
    indexParams: [{ fieldName: 'vec', metricType: 'IP', indexType: 'FLAT' }],
  }) as never;
const row = (id: number, n = id) => ({ id, n, text: `row ${id}` });

interface Setting {
  readonly world: World;
  readonly leader: SimTab;
  readonly follower: SimTab;
  sequence(): Promise<number>;
}

async function setting(seed: number, more = {}): Promise<Setting> {
  const disk = new MemoryDisk();
  const world = new World({ seed, disk, ...more });
  const leader = await world.open();
  await world.until(leader.milvus.createCollection(create(NAME, false)));
  await world.until(leader.milvus.createCollection(create('auto', true)));
  const data = [row(1), row(2), row(3)];
  await world.until(leader.milvus.insert({ collectionName: NAME, data }));
  const follower = await world.open();
  const look = new MemoryStorage(disk);
  const sequence = async () => {
    const head = await look.read(['head'], (tx) => tx.get('head', 'head'));
    return (head as { readonly sequence: number }).sequence;
  };
  return { world, leader, follower, sequence };
}

/** Lets things happen until the next commit, and no further. */
async function untilCommit({ world, sequence }: Setting): Promise<void> {
  const before = await sequence();
  while ((await sequence()) === before) expect(await world.step()).toBe(true);
}

type Ask = (tab: SimTab) => Promise<unknown>;

const CALLS: readonly (readonly [string, Ask, unknown])[] = [
  [
    'insert with keys of its own',
    ({ milvus }) => milvus.insert({ collectionName: NAME, data: [row(7), row(5)] }),
    { insertCount: 2, insertIds: ['7', '5'] },
  ],
  [
    'insert with generated keys',
    ({ milvus }) =>
      milvus.insert({ collectionName: 'auto', data: [7, 5].map((n) => ({ n, text: 'x' })) }),
    { insertCount: 2, insertIds: [expect.any(String), expect.any(String)] },
  ],
  [
    'upsert',
    ({ milvus }) => milvus.upsert({ collectionName: NAME, data: row(2, 9) }),
    { upsertCount: 1, upsertIds: ['2'] },
  ],
  [
    'delete by keys, one of which is not there',
    ({ milvus }) => milvus.delete({ collectionName: NAME, filter: 'id in [1, 8]' }),
    { deleteCount: 2 },
  ],
  [
    'delete by a filter',
    ({ milvus }) => milvus.delete({ collectionName: NAME, filter: 'n > 1' }),
    { deleteCount: 2 },
  ],
  ['create', ({ milvus }) => milvus.createCollection(create('new', false)), {}],
  ['release', ({ milvus }) => milvus.releaseCollection({ collectionName: NAME }), {}],
  ['drop', ({ milvus }) => milvus.dropCollection({ collectionName: NAME }), {}],
];

describe('F19 a leader that dies after the commit and before its answer', () => {
  test.each(CALLS)('%s: answered by the next one, made once', async (_what, ask, answer) => {
    for (const seed of [1, 2, 3]) {
      const at = await setting(seed);
      const { world, leader, follower } = at;
      const before = await at.sequence();
      const asked = ask(follower);
      await untilCommit(at);
      world.crash(leader);
      expect(await world.until(asked)).toEqual(answer);
      expect(await at.sequence()).toBe(before + 1);
      expect(follower.opened.status().role).toBe('leader');
    }
  });

  test('generated keys that are answered later are those of the rows', async () => {
    const at = await setting(4);
    const [, ask] = CALLS[1] ?? [];
    const asked = ask?.(at.follower) as Promise<{ readonly insertIds: readonly string[] }>;
    await untilCommit(at);
    at.world.crash(at.leader);
    const { insertIds } = await at.world.until(asked);
    const rows = await at.world.until(
      at.follower.milvus.query({ collectionName: 'auto', filter: '', outputFields: ['n'] }),
    );
    expect(rows).toEqual([
      { id: insertIds[0], n: 7 },
      { id: insertIds[1], n: 5 },
    ]);
  });

  test('the next one leads, and has answered, within a second', async () => {
    for (const seed of [1, 2, 3]) {
      const { world, leader, follower } = await setting(seed);
      const asked = follower.milvus.insert({ collectionName: NAME, data: [row(9)] });
      await world.steps(seed * 2);
      const from = world.now;
      world.crash(leader);
      await world.until(asked);
      expect(world.now - from).toBeLessThan(1_000);
    }
  });
});

describe('F20 a leader that is frozen', () => {
  test('two that miss it at the same time: one leads in the end, each change is made once', async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { world, leader, follower } = await setting(seed);
      const third = await world.open();
      world.freeze(leader);
      const asked = [follower, third].flatMap((tab, i) =>
        [10, 20].map((id) =>
          tab.milvus.insert({ collectionName: 'auto', data: [{ n: id + i, text: 'x' }] }),
        ),
      );
      await world.until(Promise.all(asked));
      world.thaw(leader);
      await world.steps(200);
      expect(world.leaders.length, `seed ${seed}`).toBe(1);
      expect(world.leaders[0]).not.toBe(leader);
      const read = leader.milvus.query({ collectionName: 'auto', filter: '', outputFields: ['n'] });
      const rows = await world.until(read);
      expect(rows.map(({ n }) => n).sort()).toEqual([10, 11, 20, 21]);
    }
  });

  test('its own change that was under way goes to the new leader, whole and once', async () => {
    const { world, leader, follower } = await setting(6);
    let open = (): void => {};
    leader.embedder.gate = new Promise((resolve) => {
      open = resolve;
    });
    const own = leader.milvus.insert({ collectionName: 'auto', data: [{ n: 1, text: 'own' }] });
    await world.steps(10);
    world.freeze(leader);
    await world.until(follower.milvus.delete({ collectionName: NAME, filter: 'id in [1]' }));
    open();
    world.thaw(leader);
    expect(await world.until(own)).toMatchObject({ insertCount: 1 });
    expect(leader.opened.status().role).toBe('follower');
    expect(world.history.filter(({ put }) => [...put.values()].includes(1)).length).toBe(2);
  });

  test('F40 sleep is not silence: whoever wakes asks before anybody is replaced', async () => {
    for (const seed of [1, 2, 3]) {
      const { world, leader, follower } = await setting(seed);
      let open = (): void => {};
      follower.embedder.gate = new Promise((resolve) => {
        open = resolve;
      });
      const asked = follower.milvus.insert({ collectionName: NAME, data: [row(30)] });
      for (let i = 0; i < 20; i++) {
        await world.steps(7);
        world.sleep(600_000);
      }
      expect(world.leaders).toEqual([leader]);
      open();
      await world.until(asked);
      expect(world.leaders).toEqual([leader]);
    }
  });
});

const RECORD = { id: 1 } as CollectionRecord;
const ENTRY: LogRecord = {
  sequence: 3,
  epoch: 1,
  at: 0,
  kind: 'insert',
  collection: 1,
  added: 2,
  removed: 0,
  call: 'tab-one-x:4',
  lastAutoId: 9_007_199_254_740_995n,
};

describe('what the log says of a call', () => {
  async function storageWith(sequence: number, entries: readonly LogRecord[]) {
    const storage = new MemoryStorage();
    await storage.write(['head', 'log'], async (tx) => {
      const head = { format: 2, epoch: 1, sequence, nextCollection: 2, lastAutoId: 0n };
      tx.put('head', 'head', head);
      for (const entry of entries) tx.put('log', entry.sequence, entry);
    });
    return storage;
  }
  const entry = (sequence: number, call?: string): LogRecord => {
    const { call: _call, ...rest } = ENTRY;
    return { ...rest, sequence, ...(call === undefined ? {} : { call }) };
  };

  test('made, not made, or not to be told', async () => {
    const storage = await storageWith(4, [entry(2), entry(3, 'a'), entry(4)]);
    expect(await findCall(storage, 'a', 2)).toMatchObject({ sequence: 3 });
    expect(await findCall(storage, 'b', 2)).toBe('absent');
    expect(await findCall(storage, 'b', 4)).toBe('absent');
    // Found although the beginning is gone; not found, nobody can tell.
    expect(await findCall(storage, 'a', 0)).toMatchObject({ sequence: 3 });
    expect(await findCall(storage, 'b', 0)).toBe('cut');
    // The storage came back from an older copy.
    expect(await findCall(storage, 'a', 9)).toBe('cut');
  });

  test('generated keys beyond 2^53 are a run that ends where the log says', () => {
    const { data } = answerOf({ endpoint: 'entities/insert', body: {} }, ENTRY, RECORD);
    const insertIds = ['9007199254740994', '9007199254740995'];
    expect(data).toEqual({ insertCount: 2, insertIds });
  });

  test('of a collection that was dropped since: that it was made, and no more', () => {
    const { call: _call, lastAutoId: _last, ...rest } = ENTRY;
    const ask = { endpoint: 'entities/insert', body: {} };
    expect(() => answerOf(ask, rest, undefined)).toThrow(
      expect.objectContaining({
        code: 'outcome_unknown',
        message: expect.stringMatching(/dropped/),
      }),
    );
  });
});

describe('messages', () => {
  const tab = 'tab-of-another';
  const samples: readonly TabMessage[] = [
    { kind: 'seek' },
    { kind: 'leading', epoch: 3 },
    { kind: 'ping', epoch: 3, floor: 1, numbers: [1, 2] },
    { kind: 'call', epoch: 3, number: 1, floor: 1, since: 0, endpoint: 'entities/insert', body: 1 },
    { kind: 'embed', id: 1, texts: ['a'], priority: 'bulk' },
    {
      kind: 'embedded',
      id: 1,
      vectors: new Float32Array(2),
      dimension: 2,
      fingerprint: 'f',
      tokens: 1,
    },
  ];

  test('are read as they were written', () => {
    for (const message of samples) {
      expect(parseHeard(structuredClone(sealed(tab, message)))).toEqual({ from: tab, message });
    }
  });

  test('of another protocol, of nobody, or with a part that is wrong are ignored', () => {
    for (const message of samples) {
      const whole = sealed(tab, message) as Record<string, unknown>;
      expect(parseHeard({ ...whole, whorl: 2 })).toBeNull();
      expect(parseHeard({ ...whole, from: '<b>' })).toBeNull();
      for (const key of Object.keys(message)) {
        if (key === 'body') continue;
        const { [key]: _left, ...rest } = whole;
        expect(parseHeard(rest), key).toBeNull();
        expect(parseHeard({ ...whole, [key]: { toString: 1 } }), key).toBeNull();
      }
    }
    expect(parseHeard({ ...sealed(tab, { kind: 'seek' }), kind: 'constructor' })).toBeNull();
  });

  test('of any shape do no harm, and errors stay short', async () => {
    const { world, leader, follower } = await setting(1);
    const shaken = fc.record(
      {
        whorl: fc.constantFrom(1, 2, '1'),
        from: fc.constantFrom(tab, follower.name, leader.name, 7),
        kind: fc.oneof(
          fc.constantFrom(...samples.map(({ kind }) => kind), 'failure', 'answer'),
          fc.string(),
        ),
        epoch: fc.oneof(fc.nat(9), fc.anything()),
        number: fc.oneof(fc.nat(9), fc.anything()),
        floor: fc.nat(3),
        numbers: fc.anything(),
        error: fc.anything(),
        envelope: fc.anything(),
        endpoint: fc.string(),
        id: fc.nat(3),
        texts: fc.anything(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(shaken, fc.anything()), (message) => {
        leader.hear(message);
        follower.hear(message);
      }),
      { numRuns: 2_000 },
    );
    const error = { code: 'x'.repeat(99), message: 'y'.repeat(99_999), retryable: 1, cause: {} };
    const failed = { whorl: 1, from: tab, kind: 'failure', epoch: 1, number: 1 };
    const errorOf = (raw: unknown) =>
      (parseHeard({ ...failed, error: raw }) as { message: { error: { message: string } } }).message
        .error;
    expect(errorOf({ message: { toString: 1 } }).message).toBe('');
    const parsed = errorOf(error);
    expect(parsed).toMatchObject({ code: 'internal', retryable: false });
    expect(parsed.message.length).toBe(10_000);
    const asked = follower.milvus.insert({ collectionName: NAME, data: [row(50)] });
    expect(await world.until(asked)).toMatchObject({ insertCount: 1 });
  });
});
