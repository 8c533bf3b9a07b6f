/**
 * What may stand in the way of opening a database, and what becomes of one that is open: F06, F13, F14,
 * F15. The same over a fake IndexedDB in Node and over the real one in Chromium.
 */
import { expect, test } from 'vitest';
import { WhorlError } from '../../src/shared/errors.ts';
import { deleteDatabase, type OpenFacts } from '../../workers/index/storage/idb-open.ts';
import { IdbStorage } from '../../workers/index/storage/idb-storage.ts';
import { FORMAT_VERSION, type Upgrade } from '../../workers/index/storage/migrate.ts';
import { STORE_NAMES } from '../../workers/index/storage/storage.ts';
import { FaultyIdb, type ForceClose } from '../fakes/faulty-idb.ts';

const SEEDS = [1, 2, 3] as const;
const LATER = FORMAT_VERSION + 1;
const fresh = (): string => `open-${crypto.randomUUID()}`;

function raw(name: string, version?: number): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version);
    request.onupgradeneeded = () => {
      for (const store of STORE_NAMES) {
        if (!request.result.objectStoreNames.contains(store)) {
          request.result.createObjectStore(store);
        }
      }
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function filled(name: string, rows: number): Promise<void> {
  const storage = await IdbStorage.open({ name });
  await storage.write(['rows'], async (tx) => {
    for (let i = 0; i < rows; i++) tx.put('rows', i, { n: i });
  });
  storage.close();
}

async function rowsOf(name: string, version = FORMAT_VERSION): Promise<number> {
  const storage = await IdbStorage.open({ name, version });
  const rows = await storage.read(['rows'], (tx) => tx.scan('rows', null));
  storage.close();
  return rows.length;
}

export function openTests(forceClose: ForceClose): void {
  test('an opening says whether it made the database', async () => {
    const name = fresh();
    const facts: OpenFacts[] = [];
    const onOpened = (each: OpenFacts) => facts.push(each);
    for (let i = 0; i < 2; i++) (await IdbStorage.open({ name, onOpened })).close();
    expect(facts).toEqual([
      { created: true, dataLoss: 'none' },
      { created: false, dataLoss: 'none' },
    ]);
  });

  test.each(SEEDS)(
    'F06 a database that is deleted under us is not made anew, seed %i',
    async (seed) => {
      const name = fresh();
      const faulty = new FaultyIdb(forceClose);
      const told: string[] = [];
      const facts: OpenFacts[] = [];
      const storage = await IdbStorage.open({
        name,
        factory: faulty.factory,
        onOpened: (each) => facts.push(each),
        onVanished: (why) => told.push(`vanished ${why.code}`),
        onRetired: () => told.push('retired'),
      });
      for (let i = 0; i < seed; i++)
        await storage.write(['head'], async (tx) => tx.put('head', i, i));
      const [connection] = faulty.opened;
      if (connection) forceClose(connection);
      await deleteDatabase(name);
      const calls = Array.from({ length: seed }, (_, i) =>
        i % 2 === 0
          ? storage.write(['head'], async (tx) => tx.put('head', 'x', 1))
          : storage.read(['head'], (tx) => tx.get('head', 0)),
      );
      for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'storage_lost' });
      expect(told).toEqual(['vanished storage_lost']);
      // Nothing was left behind that could be taken for the old database.
      const again = await IdbStorage.open({ name, onOpened: (each) => facts.push(each) });
      expect(facts.map(({ created }) => created)).toEqual([true, true]);
      again.close();
    },
  );

  test.each(SEEDS)(
    'F13 an older tab holds the database: said after a second, seed %i',
    async (seed) => {
      const name = fresh();
      await filled(name, seed);
      const stubborn = await raw(name);
      const upgrade: Upgrade = () => {};
      const start = performance.now();
      await expect(IdbStorage.open({ name, version: LATER, upgrade })).rejects.toMatchObject({
        code: 'storage_blocked',
        retryable: true,
      });
      expect(performance.now() - start).toBeGreaterThan(900);
      // It lets go while the second attempt waits: that one goes on.
      const second = IdbStorage.open({ name, version: LATER, upgrade });
      setTimeout(() => stubborn.close(), 100 * seed);
      (await second).close();
      expect(await rowsOf(name, LATER)).toBe(seed);
    },
  );

  test('F13 a tab of ours lets go at once, and says why', async () => {
    const name = fresh();
    const told: WhorlError[] = [];
    const old = await IdbStorage.open({ name, onRetired: (why) => told.push(why) });
    const running = old.write(['rows'], async (tx) => {
      for (let i = 0; i < 200; i++) tx.put('rows', i, i);
      await tx.get('rows', 0);
    });
    const next = await IdbStorage.open({ name, version: LATER, upgrade: () => {} });
    // What ran already came to its end.
    await running;
    expect((await next.read(['rows'], (tx) => tx.scan('rows', null))).length).toBe(200);
    expect(told.map((why) => why.message)).toEqual([expect.stringContaining('upgraded')]);
    await expect(old.read(['rows'], (tx) => tx.get('rows', 1))).rejects.toBe(told[0]);
    next.close();
  });

  test('a database that is deleted by another tab: the sentence says so', async () => {
    const name = fresh();
    const told: WhorlError[] = [];
    await IdbStorage.open({ name, onRetired: (why) => told.push(why) });
    await deleteDatabase(name);
    expect(told.map((why) => why.message)).toEqual([expect.stringContaining('deleted')]);
  });

  test('deleting reports a tab that does not let go', async () => {
    const name = fresh();
    const stubborn = await raw(name, 1);
    await expect(deleteDatabase(name)).rejects.toMatchObject({ code: 'storage_blocked' });
    stubborn.close();
    await deleteDatabase(name);
  });

  test.each(SEEDS)('F14 a later version is refused and left as it is, seed %i', async (seed) => {
    const name = fresh();
    const later = await raw(name, FORMAT_VERSION + seed);
    const write = later.transaction('rows', 'readwrite');
    for (let i = 0; i < 10 * seed; i++) write.objectStore('rows').put({ n: i }, i);
    await new Promise((resolve) => {
      write.oncomplete = resolve;
    });
    later.close();
    for (let i = 0; i < 2; i++) {
      await expect(IdbStorage.open({ name })).rejects.toMatchObject({
        code: 'storage_too_new',
        retryable: false,
      });
    }
    expect(await rowsOf(name, FORMAT_VERSION + seed)).toBe(10 * seed);
  });

  /** Rewrites all rows and gives up on the way, at a point that the seed chooses. */
  const halfWay =
    (seed: number, how: 'throws' | 'rejects' | 'aborts'): Upgrade =>
    async ({ transaction }) => {
      const rows = transaction.objectStore('rows');
      transaction.objectStore('head').put('half-way', 'head');
      for (let i = 0; i < seed * 7; i++) rows.put({ n: -1 }, i);
      if (how === 'throws') throw new Error('no further');
      await new Promise((resolve) => {
        rows.get(0).onsuccess = resolve;
      });
      rows.clear();
      if (how === 'rejects') throw new Error('no further');
      transaction.abort();
    };

  test.each(
    SEEDS.flatMap((seed) =>
      (['throws', 'rejects', 'aborts'] as const).map((how) => [how, seed] as const),
    ),
  )('F15 a migration that %s half-way leaves all as it was, seed %i', async (how, seed) => {
    const name = fresh();
    await filled(name, 40);
    const wait = async (): Promise<void> => {};
    const attempt = IdbStorage.open({ name, version: LATER, upgrade: halfWay(seed, how), wait });
    await expect(attempt).rejects.toMatchObject(
      how === 'aborts'
        ? { code: 'storage_lost' }
        : { code: 'internal', message: expect.stringMatching(/no further.*left as it was/) },
    );
    // Still of the former version, with all rows as they were.
    const storage = await IdbStorage.open({ name });
    const rows = await storage.read(['rows'], (tx) => tx.scan('rows', null));
    expect(rows.map(({ value }) => (value as { n: number }).n)).toEqual(
      Array.from({ length: 40 }, (_, i) => i),
    );
    storage.close();
    // And the migration can be made again.
    (await IdbStorage.open({ name, version: LATER, upgrade: () => {} })).close();
    expect(await rowsOf(name, LATER)).toBe(40);
  });

  test('F15 a migration that is typed by itself keeps its words', async () => {
    const upgrade: Upgrade = () => {
      throw new WhorlError('storage_full', 'no room for the new format', { retryable: true });
    };
    await expect(IdbStorage.open({ name: fresh(), upgrade })).rejects.toMatchObject({
      code: 'storage_full',
      message: 'no room for the new format',
    });
  });
}
