/** What the index benchmark says: a table, a file, and a last line. */
import {
  type AllMeasures,
  BAR,
  EF_CONSTRUCTION,
  type IndexSettings,
  LIMIT,
  M,
  type SearchMeasures,
} from './settings.ts';

/** The last line. Ratios say how many times the peer takes as long as we do; recalls are those of the searches compared. */
export interface IndexLine {
  readonly suite: 'index';
  readonly n: number;
  readonly build_ratio: number;
  readonly search_p50_ratio: number;
  readonly search_p95_ratio: number;
  readonly recall: number;
  readonly peer_recall: number;
  readonly open_ratio: number;
  readonly exact10k_ms: number;
  readonly kernel_gzip: number;
}

export function lineOf(n: number, measures: AllMeasures): IndexLine {
  const { ours, peer, open, kernel_gzip } = measures;
  return {
    suite: 'index',
    n,
    build_ratio: rounded(peer.build_ms / ours.build_ms, 2),
    search_p50_ratio: rounded(peer.search.p50_ms / ours.search.p50_ms, 2),
    search_p95_ratio: rounded(peer.search.p95_ms / ours.search.p95_ms, 2),
    recall: rounded(ours.search.recall, 4),
    peer_recall: rounded(peer.search.recall, 4),
    open_ratio: rounded(open.peer_ms / open.ours_ms, 2),
    exact10k_ms: rounded(ours.exact10k.p50_ms, 4),
    kernel_gzip,
  };
}

/** Where and when it was measured. */
export interface Circumstances {
  readonly date: string;
  readonly peer_version: string;
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

/** The text of `bench/results/index-<n>.json`, as Biome formats it. */
export function fileOf(
  settings: IndexSettings,
  queries: number,
  measures: AllMeasures,
  circumstances: Circumstances,
): string {
  const content = {
    ...lineOf(settings.n, measures),
    ...circumstances,
    settings: { ...settings, queries, limit: LIMIT, M, ef_construction: EF_CONSTRUCTION, bar: BAR },
    ...measures,
  };
  const short = (_: string, value: unknown) =>
    typeof value === 'number' ? rounded(value, 4) : value;
  return `${JSON.stringify(content, short, 2)}\n`;
}

/** The table, one row a line. */
export function tableOf(n: number, measures: AllMeasures): string[] {
  const { ours, peer, open } = measures;
  const line = lineOf(n, measures);
  const steps = [...ours.recall_at_ef, ...peer.recall_at_ef].map(({ ef }) => ef);
  const efs = [...new Set(steps)].sort((a, b) => a - b);
  const at = (side: 'ours' | 'peer', ef: number) =>
    measures[side].recall_at_ef.find((step) => step.ef === ef)?.recall.toFixed(4) ?? '';
  return aligned([
    [`n ${n}`, 'whorl', 'hnswlib-wasm', 'ratio'],
    ['build', seconds(ours.build_ms), seconds(peer.build_ms), `${line.build_ratio}`],
    [
      'one by one',
      seconds(ours.one_by_one.build_ms),
      '',
      `${rounded(peer.build_ms / ours.one_by_one.build_ms, 2)}`,
    ],
    [`  ef for ${BAR}`, `${ours.one_by_one.ef}`, '', ''],
    ['open, first search', seconds(open.ours_ms), seconds(open.peer_ms), `${line.open_ratio}`],
    ...efs.map((ef) => [`recall@${LIMIT}, ef ${ef}`, at('ours', ef), at('peer', ef), '']),
    [`smallest ef for ${BAR}`, `${ours.ef}`, `${peer.ef}`, ''],
    ['  recall', ours.search.recall.toFixed(4), peer.search.recall.toFixed(4), ''],
    ['  search p50', ms(ours.search.p50_ms), ms(peer.search.p50_ms), `${line.search_p50_ratio}`],
    ['  search p95', ms(ours.search.p95_ms), ms(peer.search.p95_ms), `${line.search_p95_ratio}`],
    ['  p50 by round', spread(ours.search), spread(peer.search), ''],
    ['default search p50', ms(ours.by_default.p50_ms), '', ''],
    ['  recall', ours.by_default.recall.toFixed(4), '', ''],
    ['sifted by signs p50', ms(ours.by_signs.p50_ms), '', ''],
    ['  recall', ours.by_signs.recall.toFixed(4), '', ''],
    ['exact scan p50', ms(ours.exact.p50_ms), '', ''],
    ['  recall', ours.exact.recall.toFixed(4), '', ''],
    ['exact scan of 10k', ms(ours.exact10k.p50_ms), '', ''],
    ['kernel, gzip', `${measures.kernel_gzip}`, '', ''],
    ['bytes a row', ours.bytes_a_row.toFixed(0), '', ''],
  ]);
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => row[at]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function seconds(value: number): string {
  return `${(value / 1000).toFixed(2)} s`;
}

function ms(value: number): string {
  return `${value.toFixed(3)} ms`;
}

function spread({ quickest_round_ms: least, slowest_round_ms: most }: SearchMeasures): string {
  return `${least.toFixed(3)}-${most.toFixed(3)} ms`;
}
