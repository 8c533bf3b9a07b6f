/** What `--scale` measures: passed between Node and the page. */

export interface ScaleSettings {
  /** Rows. */
  readonly n: number;
  readonly dimension: number;
  /** Draws rows and queries. */
  readonly seed: number;
  readonly queries: number;
}

export interface ScaleSearch {
  readonly recall: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
}

export interface ScaleMeasures {
  readonly n: number;
  /** All rows known, until nothing is left to do. */
  readonly build_ms: number;
  readonly bytes_a_row: number;
  /** As the index sees fit. */
  readonly by_default: ScaleSearch;
  readonly walk: ScaleSearch;
  readonly signs: ScaleSearch;
  readonly exact: ScaleSearch;
}

/** All sizes. */
export const SCALE_ROWS: readonly number[] = [1_000, 10_000, 93_150, 500_000];
export const SCALE_SEED = 11;
export const SCALE_QUERIES = 200;

/** Reads `--scale [rows]`: the sizes up to so many rows, all without; null where it is not asked for. */
export function readScale(args: readonly string[]): number[] | null {
  if (args[0] !== '--scale') return null;
  const most = args[1] === undefined ? Number.POSITIVE_INFINITY : Number(args[1]);
  const sizes = SCALE_ROWS.filter((rows) => rows <= most);
  if (sizes.length > 0 && args.length < 3) return sizes;
  throw new Error(
    `--scale takes a number of rows from ${SCALE_ROWS[0]} up and nothing else, but was given "${args.slice(1).join(' ')}".`,
  );
}
