/** What is measured, and what comes of it: passed between Node and the page. */
import type { RecallAtEf, SearchTimes } from './measures.ts';

export const LIMIT = 10;
export const M = 48;
/** Rows of the exact scan that stands in the last line. */
export const EXACT_ROWS = 10_000;
export const EF_CONSTRUCTION = 200;
/** The recall at which searches are compared. */
export const BAR = 0.99;
/** The values of ef that are tried first. */
export const EF_STEPS: readonly number[] = [16, 32, 64, 128, 256, 512, 1024, 2048];

export interface IndexSettings {
  /** Rows. */
  readonly n: number;
  readonly dimension: number;
  /** Rounds over all queries, after the searches for the right ef have warmed everything up. */
  readonly rounds: number;
}

export interface SearchMeasures extends SearchTimes {
  readonly recall: number;
}

export interface SideMeasures {
  /** From nothing but the loaded code to an index with nothing left to do. */
  readonly build_ms: number;
  readonly recall_at_ef: readonly RecallAtEf[];
  /** The smallest ef that reaches the bar. */
  readonly ef: number;
  /** Searches with that ef. */
  readonly search: SearchMeasures;
}

export interface OurMeasures extends SideMeasures {
  /** Searches that name no ef, answered as the index sees fit. */
  readonly by_default: SearchMeasures;
  /** Searches that sift by sign bits, without the graph. */
  readonly by_signs: SearchMeasures;
  readonly exact: SearchMeasures;
  /** Bytes of WASM memory a row: floats, codes and graph. */
  readonly bytes_a_row: number;
  /** The same rows one by one, each linked before the next comes. */
  readonly one_by_one: Omit<SideMeasures, 'search'>;
  /** Comparing the first {@link EXACT_ROWS} rows, or all where there are fewer. */
  readonly exact10k: SearchMeasures;
}

/** Milliseconds from saved vectors or a saved index to the answer of a first search, in a fresh page. */
export interface OpenMeasures {
  readonly ours_ms: number;
  readonly peer_ms: number;
}

export interface IndexMeasures {
  readonly ours: OurMeasures;
  readonly peer: SideMeasures;
}

/** All that a run measured. */
export interface AllMeasures extends IndexMeasures {
  readonly open: OpenMeasures;
  /** Bytes of our kernel, gzip level 9. */
  readonly kernel_gzip: number;
}
