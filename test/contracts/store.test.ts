import 'fake-indexeddb/auto';
import { IdbStorage } from '../../workers/index/storage/idb-storage.ts';
import { MemoryDisk, MemoryStorage } from '../../workers/index/storage/memory-storage.ts';
import type { Storage } from '../../workers/index/storage/storage.ts';
import { type Place, storeSuite } from './store-suite.ts';

/** A disk that stays while storages over it come and go. */
function memoryPlace(): Place {
  const disk = new MemoryDisk();
  return {
    durable: true,
    open: async () => {
      const storage = new MemoryStorage(disk);
      // Between two tabs of one process the disk outlives each of them.
      return Object.defineProperty(storage, 'durable', { value: true }) as Storage;
    },
  };
}

let places = 0;
function idbPlace(): Place {
  const name = `store-${places++}`;
  return { durable: true, open: () => IdbStorage.open({ name }) };
}

storeSuite('memory', memoryPlace);
storeSuite('a fake IndexedDB', idbPlace);
