/** One database, the tabs that have it open, and the moments at which they die. */
import type { MilvusClient } from '../../src/shared/milvus-types.ts';
import type { IndexCore } from '../../workers/index/core.ts';
import { MemoryDisk, MemoryStorage } from '../../workers/index/storage/memory-storage.ts';
import { STORE_NAMES } from '../../workers/index/storage/storage.ts';
import { Seeded } from '../faults/harness/random.ts';
import { LetterEmbedder, openCore } from '../unit/index/core-fixture.ts';
import { SimBus } from './sim-channel.ts';
import { SimLock } from './sim-lock.ts';
import { FaultPlan, SimStorage, turn } from './sim-storage.ts';
import { VirtualTime } from './virtual-time.ts';

const EPOCH = 1_700_000_000_000;

export const NAME = 'rows';

export const CREATE = {
  collectionName: NAME,
  schema: {
    fields: [
      { fieldName: 'id', dataType: 'Int64', isPrimary: true },
      { fieldName: 'n', dataType: 'Int32' },
      { fieldName: 'vec', dataType: 'FloatVector', elementTypeParams: { dim: 2 } },
    ],
  },
  indexParams: [{ fieldName: 'vec', metricType: 'L2', indexType: 'HNSW' }],
} as const;

export interface Tab {
  readonly core: IndexCore;
  readonly milvus: MilvusClient;
  readonly storage: SimStorage;
  /** Resolves when a fault kills the tab. */
  readonly died: Promise<void>;
}

export class World {
  readonly disk: MemoryDisk;
  readonly plan = new FaultPlan();
  readonly lock = new SimLock();
  /** Of all tabs; a test changes its model. */
  readonly embedder = new LetterEmbedder();
  readonly time = new VirtualTime();
  readonly #bus = new SimBus();
  readonly #random = new Seeded(1);
  #opened = 0;

  constructor(disk: MemoryDisk = new MemoryDisk()) {
    this.disk = disk;
  }

  /** Opens a tab; it leads where nobody else does. Rejects as `IndexCore.open` does. */
  async open(): Promise<Tab> {
    let die = (): void => {};
    const died = new Promise<void>((resolve) => {
      die = resolve;
    });
    const storage: SimStorage = new SimStorage(this.disk, this.plan, () => {
      this.bury({ storage });
      die();
    });
    this.#opened += 1;
    const opening = openCore({
      openStorage: async () => storage,
      lock: this.lock.seenBy(storage),
      clock: { now: () => EPOCH + this.time.now, monotonic: () => this.time.now },
      pause: turn,
      tabs: {
        tab: `tab-${this.#opened}-of-this-world`,
        channel: this.#bus.seenBy(storage),
        wait: this.time.wait,
        random: () => this.#random.next(),
      },
      embedder: this.embedder,
    });
    const opened = await Promise.race([
      opening.catch((error: unknown) => {
        // An opening that failed has let go of all that it held; one that died has not.
        this.lock.bury(storage);
        this.#bus.bury(storage);
        throw error;
      }),
      died.then(() => null),
    ]);
    if (opened === null) {
      this.bury({ storage });
      throw new Died();
    }
    return { core: opened.core, milvus: opened.milvus, storage, died };
  }

  /** The process of a tab ends: nothing is told, its lock passes on. */
  bury({ storage }: { readonly storage: SimStorage }): void {
    storage.die();
    this.#bus.bury(storage);
    this.lock.bury(storage);
  }

  /** The disk as it is, past all faults. */
  storage(): MemoryStorage {
    return new MemoryStorage(this.disk);
  }

  leads({ storage }: Tab): boolean {
    return this.lock.holds(storage);
  }
}

/** The process died while it was opening the store. */
export class Died extends Error {}

/** Another disk with the same entries. */
export async function copyOf(disk: MemoryDisk): Promise<MemoryDisk> {
  const copy = new MemoryDisk();
  const from = new MemoryStorage(disk);
  const to = new MemoryStorage(copy);
  for (const store of STORE_NAMES) {
    const entries = await from.read([store], (tx) => tx.scan(store, null));
    await to.write([store], async (tx) => {
      for (const { key, value } of entries) tx.put(store, key, value);
    });
  }
  return copy;
}
