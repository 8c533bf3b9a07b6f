/** What is computed from searches and clocks: recall, quantiles, the ef that a recall takes. */

/** Answers a query with row numbers. */
export type Search = (query: Float32Array) => ArrayLike<number>;

/** Share of the true rows that are found; `truth` has `count` row numbers for each query. */
export function recallOf(
  search: Search,
  queries: readonly Float32Array[],
  truth: Int32Array,
  count: number,
): number {
  let found = 0;
  for (const [at, query] of queries.entries()) {
    const wanted = new Set(truth.subarray(at * count, (at + 1) * count));
    for (const row of new Set(Array.from(search(query)).slice(0, count))) {
      if (wanted.has(row)) found++;
    }
  }
  return found / (queries.length * count);
}

/** The value that a share of all values does not exceed (nearest rank). */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new Error('There is no quantile of no values.');
  return value;
}

/**
 * Milliseconds a search. A query counts with its median over the rounds: on a busy machine the scheduler
 * interrupts some searches for milliseconds, the longer ones more often, and what it takes is no part of
 * either index. So p95 tells of queries that are hard, not of bad luck.
 */
export interface SearchTimes {
  readonly p50_ms: number;
  readonly p95_ms: number;
  /** The quickest and the slowest round, each by the median over its queries. */
  readonly quickest_round_ms: number;
  readonly slowest_round_ms: number;
}

/** @param rounds Milliseconds by round and query. */
export function searchTimes(rounds: readonly Float64Array[]): SearchTimes {
  const byQuery = Array.from(rounds[0] ?? [], (_, query) =>
    quantile(
      rounds.map((round) => round[query] as number),
      0.5,
    ),
  );
  const byRound = rounds.map((round) => quantile(round, 0.5));
  return {
    p50_ms: quantile(byQuery, 0.5),
    p95_ms: quantile(byQuery, 0.95),
    quickest_round_ms: Math.min(...byRound),
    slowest_round_ms: Math.max(...byRound),
  };
}

export interface RecallAtEf {
  readonly ef: number;
  readonly recall: number;
}

export interface EfSearch {
  /** The smallest that reaches the bar, to the unit, where recall grows with ef. */
  readonly reached: RecallAtEf;
  /** The steps of the ladder, up to the first that reaches the bar. */
  readonly ladder: readonly RecallAtEf[];
}

/**
 * Climbs the ladder to the first ef whose recall reaches the bar, then halves the last step down to the
 * unit.
 * @param side Whose recall it is, for the error when no step reaches the bar.
 */
export function smallestEf(
  side: string,
  recallAt: (ef: number) => number,
  bar: number,
  steps: readonly number[],
): EfSearch {
  const ladder: RecallAtEf[] = [];
  for (const ef of steps) {
    const step = { ef, recall: recallAt(ef) };
    ladder.push(step);
    if (step.recall < bar) continue;
    return { reached: halve(recallAt, bar, ladder.at(-2)?.ef ?? 0, step), ladder };
  }
  const last = ladder.at(-1);
  throw new Error(`${side}: recall is ${last?.recall} at ef ${last?.ef}, below ${bar}.`);
}

function halve(
  recallAt: (ef: number) => number,
  bar: number,
  below: number,
  above: RecallAtEf,
): RecallAtEf {
  if (above.ef - below <= 1) return above;
  const ef = (above.ef + below) >> 1;
  const middle = { ef, recall: recallAt(ef) };
  return middle.recall >= bar
    ? halve(recallAt, bar, below, middle)
    : halve(recallAt, bar, ef, above);
}
