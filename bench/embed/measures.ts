/** What was measured: what the report is made of. */
import type { KernelSizes } from './kernel-size.ts';
import type { BulkWork, LatencyTimes } from './latency.ts';
import type { Times } from './rounds.ts';
import type { PathName, SideName, WorkloadName } from './settings.ts';
import type { StartTimes } from './start.ts';
import type { TokenizerTimes } from './tokenizer-times.ts';

/** Sides on one workload. */
export interface Comparison {
  /** Of all texts, special tokens included. */
  readonly tokens: number;
  readonly texts: number;
  readonly times: Times;
  /** Texts in a padded batch of each peer, the quickest of those that were tried. */
  readonly batches: Readonly<Partial<Record<SideName, number>>>;
}

/** Cosine to the float32 vectors of the golden texts. */
export interface Likeness {
  readonly mean: number;
  readonly min: number;
}

export interface Quality extends Likeness {
  /** Spearman's correlation on STS-B dev. */
  readonly stsb: number;
}

/** A side's start, from the browser's caches or from files that are already in memory. */
export type StartName = SideName | `${'ours' | 'ort_fp32' | 'ort_int8'}_in_memory`;
export type Starts = Partial<Record<StartName, StartTimes[]>>;

export interface Latency extends LatencyTimes {
  readonly workers: number;
  readonly work: BulkWork;
}

export interface EmbedMeasures {
  readonly compared: Partial<Record<WorkloadName, Comparison>>;
  /** B where the page is isolated and the peer has two threads; no bar is set on it. */
  readonly twoThreads?: Comparison;
  /** The engine's vectors. */
  readonly quality?: Quality;
  readonly peers: Partial<Record<SideName, Likeness>>;
  readonly paths: Partial<Record<PathName, Quality>>;
  /** The kernel's paths beside the engine, one thread. */
  readonly pathTimes: Partial<Record<WorkloadName, Comparison>>;
  readonly starts?: Starts;
  readonly latency: readonly Latency[];
  readonly tokenizer?: TokenizerTimes;
  /** Bytes of a page on which a side has embedded D. */
  readonly memory: Readonly<Record<string, number>>;
  readonly kernels: KernelSizes;
}
