/** The mirror beside its database: what was lost comes back, whatever failed on the way. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MirroredStorage } from '../../../workers/index/mirror/mirrored-storage.ts';
import { MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import {
  STORE_NAMES,
  type StoreName,
  under,
  type WriteTransaction,
} from '../../../workers/index/storage/storage.ts';
import {
  atSequence,
  type Content,
  contentOf,
  MirrorWorld,
  sequenceOf,
  settle,
  shut,
  type WriteFault,
} from './mirror-world.ts';

const JUMP = 2 ** 20;

type Step =
  | { readonly kind: 'put'; readonly store: StoreName; readonly key: number; readonly size: number }
  | { readonly kind: 'delete'; readonly store: StoreName; readonly key: number }
  | { readonly kind: 'deleteRange'; readonly store: StoreName; readonly key: number };

function perform(tx: WriteTransaction, step: Step, salt: number): void {
  const key =
    step.store === 'rows' ? [step.key % 2, Uint8Array.of(step.key)] : [step.key % 2, step.key];
  if (step.kind === 'put') {
    const data = new Float32Array(step.size).fill(salt).buffer;
    tx.put(step.store, key, { salt, big: BigInt(salt), data, text: 'x'.repeat(step.size % 50) });
  } else if (step.kind === 'delete') tx.delete(step.store, key);
  else tx.deleteRange(step.store, under(step.key % 2));
}

/** One change as the store makes it: whatever it does, the head moves on. */
function commit(storage: MirroredStorage, steps: readonly Step[], salt: number): Promise<void> {
  return storage.write(STORE_NAMES, async (tx) => {
    const head = (await tx.get('head', 'head')) as { sequence: number } | undefined;
    const sequence = (head?.sequence ?? 0) + 1;
    for (const step of steps) perform(tx, step, salt);
    tx.put('log', sequence, { sequence, kind: 'insert', at: salt });
    tx.put('head', 'head', { format: 2, epoch: 1, sequence });
  });
}

const store = fc.constantFrom<StoreName>('rows', 'rows', 'vectors', 'collections', 'snapshots');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      store,
      key: fc.nat(9),
      size: fc.constantFrom(0, 1, 40, 40, 3_000, 3_000, 40_000, 300_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('delete' as const), store, key: fc.nat(9) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('deleteRange' as const), store, key: fc.nat(1) }),
  },
);

type Action =
  | { readonly kind: 'commit'; readonly steps: readonly Step[]; readonly fault: WriteFault }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'scrub' | 'reopen' | 'vanish' }
  | { readonly kind: 'crash'; readonly keep: number };

const commits = fc.record({
  kind: fc.constant('commit' as const),
  steps: fc.array(step, { maxLength: 5 }),
  fault: fc.oneof(
    { weight: 4, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom<WriteFault>('twice', 'unknown', 'refused') },
  ),
});
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: commits },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 30, 1_500) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('scrub' as const, 'reopen' as const, 'vanish' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), keep: fc.nat(100) }) },
);

/** Runs actions over a world; resolves with the storage that leads at the end. */
async function run(world: MirrorWorld, actions: readonly Action[]): Promise<MirroredStorage> {
  let storage = await world.lead();
  let follows = false;
  for (const [at, each] of actions.entries()) {
    if (each.kind === 'commit') {
      world.fault = each.fault;
      const made = commit(storage, each.steps, at);
      const code = await made.then(
        () => null,
        (error: { code?: string }) => error.code,
      );
      const expected = { unknown: 'outcome_unknown', refused: 'storage_full' };
      expect(code).toBe(
        each.fault === null || each.fault === 'twice' ? null : expected[each.fault],
      );
      world.fault = null;
      // As the ledger does: before anybody is told, what became of it is read.
      if (code === 'outcome_unknown') await storage.read(['head'], async () => {});
    } else if (each.kind === 'pass') await world.pass(each.ms);
    else if (each.kind === 'scrub') {
      const scrubbed = storage.scrub();
      await world.pass(0);
      await scrubbed;
    } else if (each.kind === 'reopen') {
      await shut(storage);
      storage = await world.lead();
    } else if (each.kind === 'crash') {
      world.crash((length) => Math.floor((length * each.keep) / 100));
      storage = await world.lead();
    } else await vanish(world, storage, follows);
    const { mirroredThrough } = storage;
    if (each.kind === 'reopen' || each.kind === 'crash') follows = false;
    follows ||= mirroredThrough === sequenceOf(await contentOf(world.disk));
  }
  return storage;
}

/**
 * The browser deletes the database in use: nothing that was committed is missing afterwards, where the
 * mirror had come so far once that it follows; else nothing before `mirroredThrough`.
 */
async function vanish(
  world: MirrorWorld,
  storage: MirroredStorage,
  follows: boolean,
): Promise<void> {
  const before = await contentOf(world.disk);
  const through = storage.mirroredThrough ?? 0;
  world.loseDatabase();
  await storage.read(['head'], async (tx) => tx.get('head', 'head'));
  const after = await contentOf(world.disk);
  if (follows) expect(after).toEqual(before);
  else expect(sequenceOf(after)).toBeGreaterThanOrEqual(through);
}

describe('restoring', () => {
  test('a database that was closed well comes back whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 15 }), async (actions) => {
        const world = new MirrorWorld();
        const storage = await run(world, actions);
        // A last one without a fault: what was in doubt is settled by it.
        await commit(storage, [], 99);
        await world.pass(5_000);
        await shut(storage);
        const before = await contentOf(world.disk);
        world.loseDatabase();
        await world.lead();
        const after = await contentOf(world.disk);
        expect(after).toEqual(atSequence(before, sequenceOf(before) + JUMP));
        expect(world.modes.get('restored')).toContain(`change ${sequenceOf(before)} (`);
      }),
      { numRuns: 200 },
    );
  });

  test('process and database die at any moment: a past state comes back, none before mirroredThrough', async () => {
    let restored = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 15 }), fc.nat(100), async (actions, keep) => {
        const world = new MirrorWorld();
        const states = new Map<number, Content>();
        const note = async (): Promise<void> => {
          const content = await contentOf(world.disk);
          states.set(sequenceOf(content), content);
        };
        let storage = await world.lead();
        for (const each of actions) {
          storage = await run1(world, storage, each);
          await note();
        }
        const through = storage.mirroredThrough ?? 0;
        world.crash((length) => Math.floor((length * keep) / 100));
        world.loseDatabase();
        await world.lead();
        const after = await contentOf(world.disk);
        const sequence = sequenceOf(after) === 0 ? 0 : sequenceOf(after) - JUMP;
        expect(sequence).toBeGreaterThanOrEqual(through);
        if (sequence > 0) {
          restored += 1;
          const then = states.get(sequence);
          expect(then).toBeDefined();
          expect(after).toEqual(atSequence(then ?? {}, sequence + JUMP));
        }
      }),
      { numRuns: 200 },
    );
    expect(restored).toBeGreaterThan(50);
  });
});

/** One action on a storage that leads already. */
async function run1(
  world: MirrorWorld,
  storage: MirroredStorage,
  each: Action,
): Promise<MirroredStorage> {
  if (each.kind === 'commit') {
    world.fault = each.fault;
    await commit(storage, each.steps, Math.floor(world.time % 1_000)).catch(() => {});
    world.fault = null;
  } else if (each.kind === 'pass') await world.pass(each.ms);
  else if (each.kind === 'scrub') await storage.scrub();
  else if (each.kind === 'reopen') {
    await shut(storage);
    return world.lead();
  }
  return storage;
}

function isTyped(error: unknown): void {
  const code: unknown = expect.stringMatching(/^storage_(blocked|unavailable)$/);
  expect(error).toMatchObject({ code, retryable: true });
}

async function some(world: MirrorWorld, changes: number): Promise<MirroredStorage> {
  const storage = await world.lead();
  for (let at = 1; at <= changes; at++) {
    await commit(storage, [{ kind: 'put', store: 'rows', key: at % 250, size: 10 }], at);
  }
  return storage;
}

async function copyOf(disk: MemoryDisk): Promise<MemoryDisk> {
  const copy = new MemoryDisk();
  const [from, to] = [new MemoryStorage(disk), new MemoryStorage(copy)];
  for (const name of STORE_NAMES) {
    const entries = await from.read([name], (tx) => tx.scan(name, null));
    await to.write([name], async (tx) => {
      for (const { key, value } of entries) tx.put(name, key, value);
    });
  }
  return copy;
}

describe('faults of the files', () => {
  test('each operation fails once: the database goes on, the mirror mends itself, nothing is lost', async () => {
    let unmirrored = 0;
    for (let failAt = 1; ; failAt++) {
      const world = new MirrorWorld();
      world.mirror.failAt = failAt;
      const storage = await world.lead();
      for (let at = 1; at <= 6; at++) {
        await commit(storage, [{ kind: 'put', store: 'rows', key: at, size: 10 }], at);
        await world.pass(30);
        if (world.modes.has('unmirrored')) unmirrored += 1;
        // It may be refused, typed, while the fault lasts.
        if (at === 3) await storage.scrub().catch(isTyped);
      }
      const struck = world.mirror.operations >= failAt;
      await world.pass(200_000);
      expect([...world.modes.keys()]).toEqual([]);
      expect(storage.mirroredThrough).toBe(6);
      expect(world.mirror.logs.length).toBe(1);
      await shut(storage);
      const before = await contentOf(world.disk);
      world.loseDatabase();
      await world.lead();
      expect(await contentOf(world.disk)).toEqual(atSequence(before, 6 + JUMP));
      if (!struck) break;
      expect(failAt).toBeLessThan(500);
    }
    expect(unmirrored).toBeGreaterThan(5);
  });

  test('F08 a disk without room: said so, tried again, and caught up when there is room', async () => {
    const world = new MirrorWorld();
    const storage = await some(world, 3);
    await world.pass(3_000);
    expect(storage.mirroredThrough).toBe(3);
    world.mirror.broken = true;
    await commit(storage, [], 4);
    await world.pass(10_000);
    expect(world.modes.get('unmirrored')).toMatch(
      /QuotaExceededError.*What was changed after change 3 .* lies in the database only/,
    );
    expect(storage.mirroredThrough).toBe(3);
    world.mirror.broken = false;
    await world.pass(120_000);
    expect(world.modes.size).toBe(0);
    expect(storage.mirroredThrough).toBe(4);
  });

  test('no files at all: said so, and what is written then is never mixed with an older mirror', async () => {
    const world = new MirrorWorld();
    const first = await some(world, 5);
    await world.pass(3_000);
    await shut(first);
    const old = await copyOf(world.disk);
    world.noFiles = true;
    const second = await some(world, 2);
    expect(world.modes.get('unmirrored')).toMatch(/no files of its own/);
    await shut(second);
    // The database falls back to where it was, and is written on by somebody who sees no mirror.
    world.disk = old;
    await shut(await some(world, 1));
    world.noFiles = false;
    const before = await contentOf(world.disk);
    const third = await world.lead();
    await world.pass(3_000);
    expect(await contentOf(world.disk)).toEqual(before);
    expect(third.mirroredThrough).toBe(sequenceOf(before));
  });

  test('a frozen tab holds the log: the next leader writes another, and removes the old one later', async () => {
    const world = new MirrorWorld();
    const frozen = await some(world, 4);
    await world.pass(3_000);
    const [held] = world.mirror.logs;
    const leader = await world.lead();
    await commit(leader, [], 5);
    await world.pass(3_000);
    expect(leader.mirroredThrough).toBe(5);
    expect(world.mirror.logs.length).toBe(2);
    await expect(leader.scrub()).rejects.toMatchObject({ code: 'storage_blocked' });
    await frozen.detach();
    await leader.scrub();
    expect(world.mirror.logs).not.toContain(held);
    expect(world.mirror.logs.length).toBe(1);
  });
});

describe('what is found', () => {
  test('F03 the database lost its newest changes: they come back', async () => {
    for (const seed of [1, 2, 3]) {
      const world = new MirrorWorld();
      const storage = await some(world, seed * 3);
      await world.pass(3_000);
      const torn = await copyOf(world.disk);
      for (let at = 0; at < 4 * seed; at++) {
        await commit(storage, [{ kind: 'put', store: 'vectors', key: at, size: 500_000 }], at);
      }
      await shut(storage);
      const before = await contentOf(world.disk);
      world.disk = torn;
      const again = await world.lead();
      expect(await contentOf(world.disk)).toEqual(before);
      expect(world.modes.get('restored')).toContain(`lost its ${4 * seed} newest changes`);
      await commit(again, [], 0);
      await world.pass(3_000);
      expect(again.mirroredThrough).toBe(sequenceOf(before) + 1);
    }
  });

  test('a first visit says nothing and leaves no file until something is stored', async () => {
    const world = new MirrorWorld();
    const storage = await world.lead();
    await world.pass(5_000);
    await shut(storage);
    expect(world.modes.size).toBe(0);
    expect(world.mirror.files.size).toBe(0);
  });

  test('F09 database and mirror are gone: nothing is made up; with the marker left, it is said', async () => {
    const world = new MirrorWorld();
    await shut(await some(world, 3));
    world.loseDatabase();
    for (const name of world.mirror.logs) world.mirror.files.delete(name);
    await shut(await world.lead());
    expect(world.modes.get('lost')).toMatch(/There were records here, up to change 3 \(20/);
    // It is said each time until something new is stored.
    const again = await world.lead();
    expect(world.modes.has('lost')).toBe(true);
    await commit(again, [], 1);
    await world.pass(3_000);
    await shut(again);
    await world.lead();
    expect(world.modes.size).toBe(0);
    world.mirror.files.clear();
    world.loseDatabase();
    await world.lead();
    expect(world.modes.size).toBe(0);
  });

  test('a mirror that is broken in its checkpoint is not believed', async () => {
    const world = new MirrorWorld();
    await shut(await some(world, 3));
    const [log] = world.mirror.logs;
    world.mirror.tamper(log ?? '', (bytes) => {
      bytes[100] = (bytes[100] ?? 0) ^ 4;
      return bytes;
    });
    world.loseDatabase();
    await world.lead();
    expect([...world.modes.keys()]).toEqual(['lost']);
    expect(await contentOf(world.disk)).toMatchObject({ rows: [], collections: [] });
  });

  test('a log that is cut or flipped anywhere gives a past state or none, never a wrong one', async () => {
    const world = new MirrorWorld();
    const storage = await world.lead();
    const states = new Map<number, Content>();
    for (let at = 1; at <= 8; at++) {
      await commit(storage, [{ kind: 'put', store: 'rows', key: at, size: 20 }], at);
      await world.pass(at === 2 ? 3_000 : 30);
      const content = await contentOf(world.disk);
      states.set(sequenceOf(content), content);
    }
    await shut(storage);
    const [name = ''] = world.mirror.logs;
    const sound = world.mirror.bytesOf(name).slice();
    const kinds = new Set<string>();
    for (let at = 0; at < sound.length; at += 7) {
      for (const cut of [true, false]) {
        world.mirror.tamper(name, () => {
          const bytes = sound.slice(0, cut ? at : sound.length);
          if (!cut) bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
          return bytes;
        });
        world.loseDatabase();
        const found = await world.lead();
        const after = await contentOf(world.disk);
        const sequence = sequenceOf(after);
        kinds.add(sequence === 0 ? 'none' : sequence === 8 + JUMP ? 'all' : 'past');
        if (sequence > 0) {
          expect(after).toEqual(atSequence(states.get(sequence - JUMP) ?? {}, sequence));
          expect(world.modes.has('restored')).toBe(true);
        } else expect(world.modes.has('lost')).toBe(true);
        found.close();
        world.crash();
        world.mirror.tamper(name, () => sound.slice());
        for (const other of world.mirror.logs) if (other !== name) world.mirror.files.delete(other);
      }
    }
    expect([...kinds].sort()).toEqual(['none', 'past']);
  });

  test('a restoring that is cut goes on where it was', async () => {
    const world = new MirrorWorld();
    const storage = await world.lead();
    for (let at = 0; at < 12; at++) {
      await commit(storage, [{ kind: 'put', store: 'vectors', key: at, size: 400_000 }], at);
    }
    await shut(storage);
    const before = await contentOf(world.disk);
    for (let failAt = 1; failAt < 6; failAt++) {
      world.loseDatabase();
      const cut = await world.open();
      let writes = 0;
      const { disk } = world;
      const original = MemoryStorage.prototype.write;
      MemoryStorage.prototype.write = function (stores, body) {
        if (stores.length === STORE_NAMES.length && ++writes === failAt) {
          return Promise.reject(new Error('killed'));
        }
        return original.call(this, stores, body) as never;
      };
      try {
        await cut.attach().catch(() => {});
      } finally {
        MemoryStorage.prototype.write = original;
      }
      // Nobody sees half of it.
      expect(sequenceOf(await contentOf(disk))).toBe(0);
      expect((await contentOf(disk)).collections).toEqual([]);
      world.crash();
      await world.lead();
      expect(await contentOf(world.disk)).toEqual(atSequence(before, 12 + JUMP));
      world.crash();
    }
  });

  test('a mirror of a later version is not touched, and a lost database waits for that version', async () => {
    const world = new MirrorWorld();
    world.format = 3;
    await shut(await some(world, 3));
    world.format = 2;
    const bytes = world.mirror.bytesOf(world.mirror.logs[0] ?? '').slice();
    await shut(await world.lead());
    expect(world.modes.get('unmirrored')).toMatch(/later version/);
    world.loseDatabase();
    const storage = await world.open();
    await expect(storage.attach()).rejects.toMatchObject({ code: 'storage_too_new' });
    expect(world.mirror.bytesOf(world.mirror.logs[0] ?? '')).toEqual(bytes);
  });

  test('without a copy there is a marker only, and it tells of a loss', async () => {
    const world = new MirrorWorld();
    await shut(await some(world, 3));
    expect(world.mirror.logs.length).toBe(1);
    world.copy = false;
    const storage = await some(world, 2);
    await world.pass(3_000);
    expect(world.mirror.logs).toEqual([]);
    expect(storage.mirroredThrough).toBeUndefined();
    expect(world.modes.size).toBe(0);
    await shut(storage);
    world.loseDatabase();
    await world.lead();
    expect(world.modes.get('lost')).toMatch(/up to change 5/);
  });
});

describe('what was deleted', () => {
  const canary = new TextEncoder().encode('CANARY-7f3a');
  const holds = (world: MirrorWorld): boolean =>
    [...world.mirror.files.values()].some(({ now }) =>
      Buffer.from(now).includes(Buffer.from(canary)),
    );
  const put = (storage: MirroredStorage) =>
    storage.write(STORE_NAMES, async (tx) => {
      tx.put('rows', [1, Uint8Array.of(1)], { text: 'CANARY-7f3a' });
      tx.put('head', 'head', { sequence: 1 });
    });

  test('is in the mirror before and not after a scrub; by itself it goes soon', async () => {
    for (const scrub of [true, false]) {
      const world = new MirrorWorld();
      const storage = await world.lead();
      await put(storage);
      await world.pass(3_000);
      expect(holds(world)).toBe(true);
      await storage.write(STORE_NAMES, async (tx) => {
        tx.delete('rows', [1, Uint8Array.of(1)]);
        tx.put('head', 'head', { sequence: 2 });
      });
      await world.pass(30);
      expect(holds(world)).toBe(true);
      if (scrub) await storage.scrub();
      else await world.pass(3_000);
      expect(holds(world)).toBe(false);
      await shut(storage);
    }
  });

  test('is gone also where no new log can be written', async () => {
    const world = new MirrorWorld();
    const storage = await world.lead();
    await put(storage);
    await world.pass(3_000);
    await storage.write(STORE_NAMES, async (tx) => tx.delete('rows', [1, Uint8Array.of(1)]));
    await world.pass(30);
    // The first bytes of the new log find no room; cutting and removing needs none.
    world.mirror.failAt = world.mirror.operations + 4;
    await storage.scrub();
    expect(holds(world)).toBe(false);
    await settle();
  });

  test('a mirror that cannot be reached: a scrub says so, and where there never is one it has nothing to do', async () => {
    const world = new MirrorWorld();
    world.mirror.broken = true;
    const storage = await world.lead();
    await put(storage);
    await expect(storage.scrub()).rejects.toMatchObject({ code: 'storage_unavailable' });
    world.mirror.broken = false;
    await world.pass(5_000);
    await storage.scrub();
    expect(storage.mirroredThrough).toBe(1);
    await shut(storage);
    await expect(storage.scrub()).rejects.toMatchObject({ code: 'not_leader' });
    const bare = new MirrorWorld();
    bare.noFiles = true;
    await (await bare.lead()).scrub();
  });

  test('wiping leaves no file', async () => {
    const world = new MirrorWorld();
    const storage = await world.lead();
    await put(storage);
    await world.pass(3_000);
    await storage.wipe();
    expect([...world.mirror.files.keys()]).toEqual([]);
  });
});
