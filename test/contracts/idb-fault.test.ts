import 'fake-indexeddb/auto';
import { forceCloseDatabase } from 'fake-indexeddb';
import type { ForceClose } from '../fakes/faulty-idb.ts';
import { seededTests, sweepTests } from './idb-fault-suite.ts';

/** The types of the package take a connection's class for a connection. */
const forceClose = forceCloseDatabase as unknown as ForceClose;

sweepTests(forceClose);
seededTests(forceClose, [1, 2, 3], 60);
