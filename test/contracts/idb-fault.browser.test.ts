import { dispatchClose } from '../fakes/faulty-idb.ts';
import { seededTests } from './idb-fault-suite.ts';

seededTests(dispatchClose, [1, 2, 3], 40);
