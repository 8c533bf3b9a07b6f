import { IdbStorage } from '../../workers/index/storage/idb-storage.ts';
import { type Place, storeSuite } from './store-suite.ts';

const run = crypto.randomUUID();
let places = 0;

function idbPlace(): Place {
  const name = `store-${run}-${places++}`;
  return { durable: true, open: () => IdbStorage.open({ name }) };
}

storeSuite('IndexedDB', idbPlace);
