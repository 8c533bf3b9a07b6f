/**
 * How a search is answered: by comparing all rows that may be returned, or by walking the graph. A
 * pure function of counts and measured constants; either way scores are those of the float32 vectors.
 */

/** What the choice depends on. */
export interface SearchFacts {
  /** Rows of the index. */
  readonly rows: number;
  /** Rows `0 .. inserted - 1` are in the graph; 0 where there is none. */
  readonly inserted: number;
  /** Whether the graph has shown that it finds what an exact scan finds; see `trial.ts`. */
  readonly trusted: boolean;
  /** Rows that the filter allows; `rows` without a filter. */
  readonly allowed: number;
  /** Hits asked for. */
  readonly limit: number;
  /** Nodes that a walk keeps, at least. */
  readonly ef: number;
  /** At most so many rows are compared one by one without a thought of the graph. */
  readonly exactBelow: number;
  /** The caller wants the exact answer. */
  readonly exact: boolean;
  /** The caller wants a walk even where comparing is cheaper. */
  readonly walk: boolean;
}

export type SearchPlan =
  | { readonly kind: 'exact' }
  /** Walk with that breadth, then compare the rows that are not in the graph yet. */
  | { readonly kind: 'graph'; readonly breadth: number };

/** Default of `exactBelow`: an exact scan of so many MiniLM vectors takes about as long as a walk. */
export const EXACT_BELOW = 10_000;
/** Rows up to which {@link LEAST_EF} is the default of `ef`. */
const FEW_ROWS = 20_000;
/** Default of `ef` among few rows: recall@10 of .995 on 20,000 of the test vectors at M 48. */
export const LEAST_EF = 384;
/** What each doubling of the rows adds: recall@10 stays above .99 to 93,150 rows. */
const EF_A_DOUBLING = 80;
/**
 * A walk takes as long as comparing so many rows in order, for each node that it keeps: 44 measured among
 * 93,150 rows, 56 among 20,000 (384 dimensions, M 48). It compares fewer, but each is a cache miss.
 */
export const ROWS_A_NODE = 50;

/** Nodes that a walk among so many rows keeps when nobody says how many. */
export function defaultEf(rows: number): number {
  return LEAST_EF + Math.round(EF_A_DOUBLING * Math.log2(Math.max(1, rows / FEW_ROWS)));
}

/** Rows in order that a walk of that breadth costs, when a share of the nodes may be returned. */
export function walkCost(breadth: number, share: number): number {
  return (breadth / share) * ROWS_A_NODE;
}

/** Chooses; see {@link SearchFacts}. */
export function planSearch(facts: SearchFacts): SearchPlan {
  const { rows, inserted, allowed, limit, exactBelow } = facts;
  const breadth = Math.max(facts.ef, limit);
  if (facts.exact || inserted === 0) return { kind: 'exact' };
  if (facts.walk) return { kind: 'graph', breadth };
  if (!facts.trusted || allowed <= exactBelow) return { kind: 'exact' };
  const share = allowed / rows;
  const pending = (rows - inserted) * share;
  if (walkCost(breadth, share) + pending >= allowed) return { kind: 'exact' };
  return { kind: 'graph', breadth };
}
