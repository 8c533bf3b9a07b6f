import { dispatchClose } from '../fakes/faulty-idb.ts';
import { openTests } from './idb-open-suite.ts';

openTests(dispatchClose);
