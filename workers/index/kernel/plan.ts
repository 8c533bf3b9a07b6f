/**
 * How a search is answered: by comparing all rows that may be returned, by sifting them by their sign
 * bits first, or by walking the graph. A pure function of counts and measured constants; either way
 * scores are those of the float32 vectors.
 */

/** What the choice depends on. */
export interface SearchFacts {
  /** Rows of the index. */
  readonly rows: number;
  /** Rows `0 .. inserted - 1` are in the graph; 0 where there is none. */
  readonly inserted: number;
  /** Whether the graph has shown that it finds what an exact scan finds; see `trial.ts`. */
  readonly trusted: boolean;
  /** Whether rows have sign bits, and sifting by them has shown the same. */
  readonly sifts: boolean;
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
  /** The caller wants sifting, and there are sign bits. */
  readonly sift: boolean;
}

export type SearchPlan =
  | { readonly kind: 'exact' }
  /** Walk with that breadth, then compare the rows that are not in the graph yet. */
  | { readonly kind: 'graph'; readonly breadth: number }
  /** Compare the codes of about so many rows, those whose signs agree most with the query's. */
  | { readonly kind: 'signs'; readonly keep: number };

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

/** Rows in order that comparing the signs of one costs: 4 ns against 14 (20,000 rows) to 22 (93,150). */
export const SIGNS_A_ROW = 0.2;
/** Rows in order that comparing one costs that the signs let through: it lies anywhere. */
export const SIFTED_A_ROW = 2.5;
/** Times the square root of hits by rows: recall@10 and @100 of the test vectors from .998 up, 5,000 to 93,150 rows. */
const SIFT_BREADTH = 2;

/** Rows whose codes are compared when so many are sifted by their signs. */
export function siftBreadth(limit: number, rows: number): number {
  return Math.round(SIFT_BREADTH * Math.sqrt(limit * rows));
}

/** Rows in order that sifting `rows` costs, where `keep` are let through; all signs are compared, whatever a filter allows. */
export function siftCost(rows: number, keep: number): number {
  return rows * SIGNS_A_ROW + keep * SIFTED_A_ROW;
}

/** Rows in order that comparing those costs which a filter allows: the fewer, the farther apart they lie. */
export function exactCost(allowed: number, share: number): number {
  return allowed * (2 - share);
}

/** The walk, its cost with what has to be compared besides, in rows in order. */
function walkFor(facts: SearchFacts) {
  const { rows, inserted, allowed, limit } = facts;
  const breadth = Math.max(facts.ef, limit);
  const share = allowed / rows;
  const cost = walkCost(breadth, share) + (rows - inserted) * share;
  return { plan: { kind: 'graph', breadth }, cost } as const;
}

/** Sifting; who asks for a wider walk than usual gets more rows let through, too. */
function siftFor({ rows, allowed, limit, ef }: SearchFacts) {
  const wider = Math.max(1, ef / defaultEf(rows));
  const keep = Math.min(allowed, Math.round(siftBreadth(limit, allowed) * wider));
  return { plan: { kind: 'signs', keep }, cost: siftCost(rows, keep) } as const;
}

/** Chooses; see {@link SearchFacts}. */
export function planSearch(facts: SearchFacts): SearchPlan {
  const { allowed } = facts;
  if (facts.exact) return { kind: 'exact' };
  if (facts.walk && facts.inserted > 0) return walkFor(facts).plan;
  if (facts.sift) return siftFor(facts).plan;
  if (allowed <= facts.exactBelow) return { kind: 'exact' };
  const cost = exactCost(allowed, allowed / facts.rows);
  const ways: { plan: SearchPlan; cost: number }[] = [{ plan: { kind: 'exact' }, cost }];
  if (facts.sifts) ways.push(siftFor(facts));
  if (facts.trusted && facts.inserted > 0) ways.push(walkFor(facts));
  return ways.reduce((best, way) => (way.cost < best.cost ? way : best)).plan;
}
