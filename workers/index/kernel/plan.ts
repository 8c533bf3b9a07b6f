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
/** Default of `ef`: recall@10 of .992 on the 93,150 test vectors at M 48, efConstruction 200. */
export const DEFAULT_EF = 384;
/** A walk compares about so many rows for each node that it keeps (M 48). */
export const COMPARED_PER_NODE = 30;
/** A row at random costs about so many rows in order: a cache miss. */
export const RANDOM_COST = 2.5;

/** Rows in order that a walk of that breadth costs, when a share of the nodes may be returned. */
export function walkCost(breadth: number, share: number): number {
  return (breadth / share) * COMPARED_PER_NODE * RANDOM_COST;
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
