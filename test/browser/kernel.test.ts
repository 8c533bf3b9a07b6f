import { describeVectorIndex } from '../unit/kernel/suite.ts';

describeVectorIndex(500);
