/** The whole suite of the vector index. */
import { describeBulk } from './bulk-suite.ts';
import { describeCodesOnly } from './codes-suite.ts';
import { describeCompaction } from './compact-suite.ts';
import { describeExactScan } from './exact-suite.ts';
import { describeExtremes } from './extremes-suite.ts';
import { describeFilters, describeGraph, describeTrial } from './graph-suite.ts';
import { describeHamming } from './hamming-suite.ts';
import { describeRows } from './rows-suite.ts';
import { describeSift } from './sift-suite.ts';
import { describeSnapshots } from './snapshot-suite.ts';

/** @param mutants mutilated snapshots to try */
export function describeVectorIndex(mutants: number): void {
  describeExactScan();
  describeGraph();
  describeBulk();
  describeCodesOnly();
  describeHamming();
  describeExtremes();
  describeSift();
  describeCompaction();
  describeTrial();
  describeFilters();
  describeRows();
  describeSnapshots(mutants);
}
