/** What the embed benchmark says: tables, a file, and a last line. */
import { quantile } from '../index/measures.ts';
import type { Comparison, EmbedMeasures, Quality, StartName } from './measures.ts';
import { barsOf, verdictOf } from './musts.ts';
import type { Times } from './rounds.ts';
import { PEERS, type SideName, type WorkloadName } from './settings.ts';
import type { StartTimes } from './start.ts';
import { median } from './statistics.ts';

/** The last line. A ratio says how many times the peer takes as long as we do; null: not measured. */
export interface EmbedLine {
  readonly suite: 'embed';
  readonly ratios: Readonly<Record<string, number>>;
  readonly stsb_dev: number | null;
  readonly cos_mean: number | null;
  readonly cos_min: number | null;
  /** Bytes of both builds in one stream. */
  readonly kernel_gzip: number;
  /**
   * Start to first vector, files in memory: onnxruntime-web float32 over our kernel. Both compile, unpack, read
   * their tokenizer and embed one question.
   */
  readonly cold_ratio: number | null;
  /** `createEngine` to first vector, from the browser's caches: onnxruntime-web float32 over our engine. */
  readonly cold_ratio_engine: number | null;
  /** Navigation to first vector, likewise. */
  readonly cold_ratio_navigation: number | null;
  /** Longest p95 of a query during bulk work over its p95 when idle, whatever the pool and the work. */
  readonly query_p95_ratio: number | null;
  /** Of a query's time. */
  readonly tokenizer_share: number | null;
  readonly paths: Readonly<Record<string, PathLine>>;
}

export interface PathLine {
  readonly stsb_dev: number;
  readonly cos_mean: number;
  readonly cos_min: number;
}

/** Where and when it was measured. */
export interface Circumstances {
  readonly date: string;
  readonly peers: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly machine: {
    readonly cores: number;
    readonly model: string;
    readonly platform: string;
    readonly browser: string;
    /** Load average over the last minute. */
    readonly load_before: number;
    readonly load_after: number;
  };
}

export function lineOf(measures: EmbedMeasures): EmbedLine {
  const { quality, kernels } = measures;
  return {
    suite: 'embed',
    ratios: ratiosOf(measures),
    stsb_dev: quality ? rounded(quality.stsb, 5) : null,
    cos_mean: quality ? rounded(quality.mean, 5) : null,
    cos_min: quality ? rounded(quality.min, 5) : null,
    kernel_gzip: kernels.both,
    cold_ratio: startRatio(measures, 'ort_fp32_in_memory', 'start_ms'),
    cold_ratio_engine: startRatio(measures, 'ort_fp32', 'start_ms'),
    cold_ratio_navigation: startRatio(measures, 'ort_fp32', 'navigation_ms'),
    query_p95_ratio: worstLatency(measures),
    tokenizer_share: tokenizerShare(measures),
    paths: Object.fromEntries(
      Object.entries(measures.paths).map(([path, found]) => [path, pathLine(found)]),
    ),
  };
}

function pathLine({ stsb, mean, min }: Quality): PathLine {
  return { stsb_dev: rounded(stsb, 5), cos_mean: rounded(mean, 5), cos_min: rounded(min, 5) };
}

function ratiosOf({ compared, twoThreads }: EmbedMeasures): Record<string, number> {
  const ratios: Record<string, number> = {};
  for (const [workload, { times }] of Object.entries(compared)) {
    for (const peer of PEERS) {
      if (!times[peer]) continue;
      ratios[`${workload}_vs_${peer}`] = ratioOf(times, peer);
      if (times.kernel) ratios[`${workload}_engine_vs_${peer}`] = ratioOf(times, peer, 'ours');
    }
  }
  if (twoThreads) {
    ratios.B_vs_transformers_q8_two_threads = ratioOf(twoThreads.times, 'transformers_q8');
  }
  return ratios;
}

/** What the others are compared with: our kernel where it runs on the page's thread as they do, else the engine. */
function baseOf(times: Times): SideName {
  return times.kernel ? 'kernel' : 'ours';
}

/** Median time of a side over that of `base`. */
export function ratioOf(times: Times, side: SideName, base: SideName = baseOf(times)): number {
  return rounded(median(times[side] ?? []) / median(times[base] ?? []), 2);
}

function startRatio(
  { starts }: EmbedMeasures,
  peer: StartName,
  which: 'navigation_ms' | 'start_ms',
): number | null {
  const own = peer.endsWith('_in_memory') ? 'ours_in_memory' : 'ours';
  const [ours, theirs] = [starts?.[own], starts?.[peer]];
  if (!ours || !theirs) return null;
  const middle = (all: typeof ours) => median(all.map((times) => times[which]));
  return rounded(middle(theirs) / middle(ours), 2);
}

function worstLatency({ latency }: EmbedMeasures): number | null {
  if (latency.length === 0) return null;
  const ratios = latency.map(({ idle, busy }) => quantile(busy, 0.95) / quantile(idle, 0.95));
  return rounded(Math.max(...ratios), 2);
}

function tokenizerShare({ tokenizer, compared }: EmbedMeasures): number | null {
  const query = compared.Q?.times.ours;
  if (!tokenizer || !query) return null;
  return rounded(median(tokenizer.ours) / median(query), 4);
}

/** The text of `bench/results/embed.json`. */
export function fileOf(measures: EmbedMeasures, circumstances: Circumstances): string {
  const short = (_: string, value: unknown) =>
    typeof value === 'number' ? rounded(value, 5) : value;
  const content = { ...lineOf(measures), ...circumstances, measures };
  return `${JSON.stringify(content, short, 2)}\n`;
}

/** All tables, one row a line. */
export function tablesOf(measures: EmbedMeasures): string[] {
  return [
    ...Object.entries(measures.compared).flatMap(([name, found]) => comparisonTable(name, found)),
    ...(measures.twoThreads
      ? comparisonTable('B, isolated page, peer with two threads', measures.twoThreads)
      : []),
    ...Object.entries(measures.pathTimes).flatMap(([name, found]) =>
      comparisonTable(`${name}, the kernel's paths`, found),
    ),
    ...qualityTable(measures),
    ...startTable(measures),
    ...latencyTable(measures),
    ...tokenizerTable(measures),
    ...memoryTable(measures),
    ...kernelTable(measures),
    ...barTable(lineOf(measures)),
  ];
}

function comparisonTable(name: WorkloadName | string, comparison: Comparison): string[] {
  const { times, batches, tokens, texts } = comparison;
  const rows = (Object.entries(times) as [SideName, number[]][]).map(([side, each]) => [
    side,
    `${batches[side] ?? ''}`,
    `${median(each).toFixed(0)} ms`,
    `${((tokens / median(each)) * 1_000).toFixed(0)}`,
    side === baseOf(times) ? '' : `${ratioOf(times, side)}`,
    side === baseOf(times) ? '' : spreadOf(times, side),
  ]);
  const head = [`${name}: ${texts} texts, ${tokens} tokens`, 'batch', 'median', 'tokens/s'];
  return aligned([[...head, 'ratio', 'by round'], ...rows]);
}

/** Least and greatest ratio of one round. */
function spreadOf(times: Times, side: SideName): string {
  const base = times[baseOf(times)];
  const ratios = (times[side] ?? []).map((ms, round) => ms / (base?.[round] ?? Number.NaN));
  return `${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)}`;
}

function qualityTable({ quality, paths, peers }: EmbedMeasures): string[] {
  const own = { ...(quality ? { ours: quality } : {}), ...paths };
  const rows = [
    ...Object.entries<Quality>(own).map(([name, found]) => [
      name,
      found.mean.toFixed(5),
      found.min.toFixed(5),
      found.stsb.toFixed(5),
    ]),
    ...Object.entries(peers).map(([name, { mean, min }]) => [
      name,
      mean.toFixed(5),
      min.toFixed(5),
      '',
    ]),
  ];
  return titled(['cosine to float32', 'mean', 'least', 'STS-B dev'], rows);
}

function startTable(measures: EmbedMeasures): string[] {
  const starts = Object.entries(measures.starts ?? {}) as [StartName, StartTimes[]][];
  const rows = starts.map(([name, each]) => {
    const inMemory = name.endsWith('_in_memory');
    const cells = (which: keyof StartTimes) => [
      `${median(each.map((times) => times[which])).toFixed(0)} ms`,
      name.startsWith('ours') ? '' : `${startRatio(measures, name, which)}`,
    ];
    // What was read before the start is no part of it, and of a navigation it says nothing.
    return [name, ...(inMemory ? ['', ''] : cells('navigation_ms')), ...cells('start_ms')];
  });
  const head = ['first vector, warm cache', 'since navigation', 'ratio', 'since start', 'ratio'];
  return titled(head, rows);
}

function latencyTable({ latency }: EmbedMeasures): string[] {
  const rows = latency.map(({ workers, work, idle, busy }) => [
    `${workers} worker${workers > 1 ? 's' : ''}, bulk ${work}`,
    ...[idle, busy].flatMap((all) => [ms(quantile(all, 0.5)), ms(quantile(all, 0.95))]),
    (quantile(busy, 0.95) / quantile(idle, 0.95)).toFixed(2),
  ]);
  return titled(['query', 'idle p50', 'p95', 'busy p50', 'p95', 'ratio of p95'], rows);
}

function tokenizerTable(measures: EmbedMeasures): string[] {
  const { tokenizer, compared } = measures;
  if (!tokenizer) return [];
  const each = (all: readonly number[]) => ms(median(all) / (compared.Q?.texts ?? 64));
  const share = tokenizerShare(measures);
  return titled(
    ['tokenizer, a query', 'ms', 'share'],
    [
      ['ours', each(tokenizer.ours), share === null ? '' : `${(share * 100).toFixed(1)}%`],
      ['@huggingface/tokenizers', each(tokenizer.peer), ''],
    ],
  );
}

function memoryTable({ memory }: EmbedMeasures): string[] {
  const rows = Object.entries(memory).map(([name, bytes]) => [
    name,
    `${(bytes / 2 ** 20).toFixed(0)} MiB`,
  ]);
  return titled(['memory of the page after D', ''], rows);
}

function kernelTable({ kernels }: EmbedMeasures): string[] {
  const { plain, relaxed, both, inlined } = kernels;
  return titled(
    ['kernel, bytes of gzip', 'plain', 'relaxed', 'both', 'in the script'],
    [['', `${plain}`, `${relaxed}`, `${both}`, `${inlined}`]],
  );
}

function barTable(line: EmbedLine): string[] {
  const rows = barsOf(line).map((bar) => [
    bar.name,
    bar.value === null ? '' : `${bar.value}`,
    `${bar.better === 'more' ? '>=' : '<='} ${bar.must}`,
    bar.aim === null ? '' : `${bar.aim}`,
    verdictOf(bar),
  ]);
  return titled(['', 'measured', 'must', 'aim', 'reached'], rows);
}

function titled(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : aligned([head, ...rows]);
}

/** The first column to the left, all others to the right; an empty line at the end. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => row[at]?.length ?? 0)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return [...lines, ''];
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}
