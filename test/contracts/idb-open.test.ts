import 'fake-indexeddb/auto';
import { forceCloseDatabase } from 'fake-indexeddb';
import type { ForceClose } from '../fakes/faulty-idb.ts';
import { openTests } from './idb-open-suite.ts';

/** The types of the package take a connection's class for a connection. */
openTests(forceCloseDatabase as unknown as ForceClose);
