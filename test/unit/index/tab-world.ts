/**
 * Tabs of one browser in virtual time: a lock, a storage and a channel that they share, each answer of which
 * comes late, and messages that get lost, doubled and out of order. Tabs crash, freeze and thaw at any moment.
 * All chance comes from one seed; nothing waits for the clock on the wall.
 */
import { createMilvusClient } from '../../../src/milvus/client.ts';
import type { MilvusClient } from '../../../src/shared/milvus-types.ts';
import { IndexCore } from '../../../workers/index/core.ts';
import { keyFromBytes } from '../../../workers/index/keys.ts';
import type { AcquireOptions, LeaderLock, LockHold } from '../../../workers/index/leader.ts';
import type { RowRecord } from '../../../workers/index/records.ts';
import { type MemoryDisk, MemoryStorage } from '../../../workers/index/storage/memory-storage.ts';
import type { Storage, WriteTransaction } from '../../../workers/index/storage/storage.ts';
import type { TabChannel } from '../../../workers/index/tabs/channel.ts';
import { LetterEmbedder } from './core-fixture.ts';

/** Mulberry32: small, seeded, good enough to choose faults with. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Happening {
  readonly at: number;
  readonly tab: SimTab;
  readonly run: () => void;
}

/** Rows that one transaction put (with their `n`) and removed, by `collection/key`. */
export interface Commit {
  readonly put: ReadonlyMap<string, number>;
  readonly removed: ReadonlySet<string>;
}

export interface WorldOptions {
  readonly seed: number;
  readonly disk: MemoryDisk;
  /** Share of messages that are lost, and that are delivered twice. */
  readonly loss?: number;
  readonly twice?: number;
  /** Longest delay of a message, in virtual milliseconds. */
  readonly delayMs?: number;
}

export class SimTab {
  readonly name: string;
  readonly world: World;
  readonly embedder = new LetterEmbedder();
  readonly held: (() => void)[] = [];
  state: 'alive' | 'frozen' | 'dead' = 'alive';
  wasFrozen = false;
  hear: (message: unknown) => void = () => {};
  core: IndexCore | null = null;

  constructor(name: string, world: World) {
    this.name = name;
    this.world = world;
  }

  get opened(): IndexCore {
    if (this.core === null) throw new Error(`${this.name} is not open`);
    return this.core;
  }

  get milvus(): MilvusClient {
    return createMilvusClient((endpoint, body, { signal, onProgress } = {}) =>
      this.opened.milvus(endpoint, body, { signal, report: onProgress }),
    );
  }
}

export class World {
  readonly random: () => number;
  readonly tabs: SimTab[] = [];
  /** What was committed, in order. */
  readonly history: Commit[] = [];
  readonly #options: WorldOptions;
  readonly #locks = new SimLocks(this);
  #happenings: Happening[] = [];
  now = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.random = randomOf(options.seed);
  }

  /** Something that happens to a tab: not while it is frozen, and never when it is dead. */
  later(tab: SimTab, ms: number, run: () => void): void {
    this.#happenings.push({ at: this.now + ms, tab, run });
  }

  wait(tab: SimTab, ms: number): Promise<void> {
    return new Promise((resolve) => this.later(tab, ms, resolve));
  }

  /** Lets the next thing happen; false where nothing is left. */
  async step(): Promise<boolean> {
    let next: Happening | undefined;
    for (const each of this.#happenings) if (next === undefined || each.at < next.at) next = each;
    if (next === undefined) return false;
    const { at, tab, run } = next;
    this.#happenings = this.#happenings.filter((each) => each !== next);
    this.now = Math.max(this.now, at);
    if (tab.state === 'frozen') tab.held.push(run);
    else if (tab.state === 'alive') run();
    await settled();
    return true;
  }

  async steps(count: number): Promise<void> {
    for (let i = 0; i < count && (await this.step()); i++);
  }

  /** Lets things happen until the promise settles; fails after so many virtual milliseconds. */
  async until<T>(promise: Promise<T>, ms = 120_000): Promise<T> {
    let done = false;
    const end = this.now + ms;
    const watched = promise.finally(() => {
      done = true;
    });
    watched.catch(() => {});
    await settled();
    while (!done) {
      if (this.now > end) throw new Error(`nothing came of it in ${ms} virtual milliseconds`);
      if (!(await this.step())) throw new Error('nothing happens any more');
    }
    return watched;
  }

  async open(): Promise<SimTab> {
    const tab = new SimTab(`tab-${this.tabs.length}-${'x'.repeat(8)}`, this);
    this.tabs.push(tab);
    await this.until(this.#open(tab));
    return tab;
  }

  async #open(tab: SimTab): Promise<void> {
    tab.core = await IndexCore.open({
      name: 'world',
      openStorage: async () => new SimStorage(tab, this.#options.disk),
      lock: this.#locks.of(tab),
      clock: { now: () => 1_700_000_000_000 + this.now, monotonic: () => this.now },
      embedder: tab.embedder,
      pause: () => this.wait(tab, 0),
      tabs: {
        tab: tab.name,
        channel: this.#channel(tab),
        wait: (ms) => this.wait(tab, ms),
        random: this.random,
      },
    });
  }

  #channel(tab: SimTab): TabChannel {
    const { loss = 0, twice = 0, delayMs = 20 } = this.#options;
    return {
      post: (message, to) => {
        for (const other of this.tabs) {
          if (other === tab || other.state === 'dead' || (to !== null && to !== other.name))
            continue;
          if (this.random() < loss) continue;
          const times = this.random() < twice ? 2 : 1;
          for (let i = 0; i < times; i++) {
            const copy = structuredClone(message);
            this.later(other, this.random() * delayMs, () => other.hear(copy));
          }
        }
      },
      listen: (_tab, hear) => {
        tab.hear = hear;
      },
      close: () => {
        tab.hear = () => {};
      },
    };
  }

  /** The tab is gone at once; what it had asked the storage for may have been done. */
  crash(tab: SimTab): void {
    tab.state = 'dead';
    this.#locks.gone(tab);
  }

  freeze(tab: SimTab): void {
    if (tab.state !== 'alive') return;
    tab.state = 'frozen';
    tab.wasFrozen = true;
  }

  thaw(tab: SimTab): void {
    if (tab.state !== 'frozen') return;
    tab.state = 'alive';
    for (const run of tab.held.splice(0)) this.later(tab, 0, run);
  }

  /** All tabs sleep as long, as when the lid is closed: no timer fires meanwhile, and then all at once. */
  sleep(ms: number): void {
    this.now += ms;
  }

  get leaders(): readonly SimTab[] {
    return this.tabs.filter(
      ({ state, core }) => state === 'alive' && core?.status().role === 'leader',
    );
  }
}

/** Everything that follows from what happened has happened. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The storage as one tab has it: each transaction begins late and is known to be over late. */
class SimStorage implements Storage {
  readonly kind = 'indexeddb';
  readonly durable = true;
  readonly #tab: SimTab;
  readonly #inner: MemoryStorage;

  constructor(tab: SimTab, disk: MemoryDisk) {
    this.#tab = tab;
    this.#inner = new MemoryStorage(disk);
  }

  async #latency(): Promise<void> {
    const { world } = this.#tab;
    await world.wait(this.#tab, world.random() * 3);
  }

  read: Storage['read'] = async (stores, body) => {
    await this.#latency();
    const result = await this.#inner.read(stores, body);
    await this.#latency();
    return result;
  };

  write: Storage['write'] = async (stores, body) => {
    await this.#latency();
    const { value, commit } = await this.#inner.write(stores, async (tx) => {
      const commit: Draft = { put: new Map(), removed: new Set() };
      return { value: await body(recording(tx, commit)), commit };
    });
    if (commit.put.size + commit.removed.size > 0) this.#tab.world.history.push(commit);
    await this.#latency();
    return value;
  };

  close(): void {
    this.#inner.close();
  }
}

interface Draft {
  readonly put: Map<string, number>;
  readonly removed: Set<string>;
}

function rowName(key: unknown): string {
  const [collection, bytes] = key as readonly [number, Uint8Array];
  return `${collection}/${keyFromBytes(bytes, 'Int64')}`;
}

/** The transaction, telling of the rows that it writes. */
function recording(tx: WriteTransaction, commit: Draft): WriteTransaction {
  return {
    get: (store, key) => tx.get(store, key),
    scan: (store, range, limit) => tx.scan(store, range, limit),
    put: (store, key, value) => {
      if (store === 'rows') commit.put.set(rowName(key), Number((value as RowRecord).values.n));
      tx.put(store, key, value);
    },
    delete: (store, key) => {
      if (store === 'rows') commit.removed.add(rowName(key));
      tx.delete(store, key);
    },
    deleteRange: (store, range) => tx.deleteRange(store, range),
  };
}

interface Place {
  readonly tab: SimTab;
  /** Takes the lock away; the holder hears of it when it can. */
  readonly lose: () => void;
}

interface Queued {
  readonly tab: SimTab;
  readonly grant: (hold: LockHold) => void;
}

/** One lock as a browser keeps it: a frozen tab holds it and waits for it, a dead one does neither. */
class SimLocks {
  readonly #world: World;
  #holder: Place | null = null;
  #queue: Queued[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  of(tab: SimTab): LeaderLock {
    return { acquire: (_name, options) => this.#acquire(tab, options) };
  }

  #acquire(tab: SimTab, options: AcquireOptions): Promise<LockHold | null> {
    return new Promise((resolve, reject) => {
      const grant = (hold: LockHold | null): void =>
        this.#world.later(tab, this.#world.random() * 2, () => resolve(hold));
      if (options.steal === true) {
        this.#holder?.lose();
        grant(this.#seat(tab));
      } else if (this.#holder === null) grant(this.#seat(tab));
      else if (!options.wait) grant(null);
      else {
        const queued: Queued = { tab, grant };
        this.#queue.push(queued);
        options.signal.addEventListener('abort', () => {
          this.#queue = this.#queue.filter((each) => each !== queued);
          reject(options.signal.reason as Error);
        });
      }
    });
  }

  #seat(tab: SimTab): LockHold {
    let lose = (): void => {};
    const lost = new Promise<void>((resolve) => {
      lose = () => this.#world.later(tab, this.#world.random() * 2, resolve);
    });
    const place: Place = { tab, lose };
    this.#holder = place;
    return {
      lost,
      release: () => {
        if (this.#holder === place) this.#next();
      },
    };
  }

  #next(): void {
    this.#holder = null;
    const next = this.#queue.shift();
    next?.grant(this.#seat(next.tab));
  }

  /** A tab died: it holds nothing and waits for nothing. */
  gone(tab: SimTab): void {
    this.#queue = this.#queue.filter((each) => each.tab !== tab);
    if (this.#holder?.tab === tab) this.#next();
  }
}
