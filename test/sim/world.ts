/** One database, the tabs that have it open, and the moments at which they die. */
import type { MilvusClient } from '../../src/shared/milvus-types.ts';
import type { IndexCore } from '../../workers/index/core.ts';
import { MemoryDisk, MemoryStorage } from '../../workers/index/storage/memory-storage.ts';
import { STORE_NAMES } from '../../workers/index/storage/storage.ts';
import { LetterEmbedder, openCore } from '../unit/index/core-fixture.ts';
import { SimLock } from './sim-lock.ts';
import { FaultPlan, SimStorage, turn } from './sim-storage.ts';

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
  #time = 1_700_000_000_000;

  constructor(disk: MemoryDisk = new MemoryDisk()) {
    this.disk = disk;
  }

  /** Opens a tab; it leads where nobody else does. Rejects as `IndexCore.open` does. */
  async open(): Promise<Tab> {
    let die = (): void => {};
    const died = new Promise<void>((resolve) => {
      die = resolve;
    });
    const storage = new SimStorage(this.disk, this.plan, die);
    const opening = openCore({
      openStorage: async () => storage,
      lock: this.lock.seenBy(storage),
      clock: { now: () => this.#time++, monotonic: () => this.#time++ },
      pause: turn,
      embedder: this.embedder,
    });
    const opened = await Promise.race([
      opening.catch((error: unknown) => {
        // An opening that failed has let go of all that it held; one that died has not.
        this.lock.bury(storage);
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
