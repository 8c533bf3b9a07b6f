import { describeSnapshots } from '../unit/kernel/snapshot-suite.ts';
import { describeVectorIndex } from '../unit/kernel/suite.ts';

describeVectorIndex();
describeSnapshots(500);
