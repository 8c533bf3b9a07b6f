/** In the page: one index of many synthetic rows, codes only; how long it takes to build and to search. */
import { VectorIndex } from '../../workers/index/kernel/vector-index.ts';
import { quantile, recallOf, type Search } from './measures.ts';
import type { ScaleMeasures, ScaleSettings } from './scale-settings.ts';
import { EF_CONSTRUCTION, LIMIT, M } from './settings.ts';
import { SyntheticRows } from './synthetic.ts';

/** Milliseconds of building between two looks at the clock. */
const BUDGET = 20;
const CHUNK = 4096;
const now = () => performance.now();

function timesOf(search: Search, queries: readonly Float32Array[]): number[] {
  return queries.map((query) => {
    const start = now();
    search(query);
    return now() - start;
  });
}

/** Builds while the page breathes; the milliseconds that building took. */
async function build(index: VectorIndex): Promise<number> {
  let spent = 0;
  for (let done = false; !done; ) {
    const start = now();
    done = index.build(BUDGET, now);
    spent += now() - start;
    await new Promise((resolve) => setTimeout(resolve));
  }
  return spent;
}

function measureSearch(search: Search, queries: readonly Float32Array[], truth: Int32Array) {
  const recall = recallOf(search, queries, truth, LIMIT);
  const times = timesOf(search, queries);
  return { recall, p50_ms: quantile(times, 0.5), p95_ms: quantile(times, 0.95) };
}

/** Appends, builds and searches; recall is against comparing all codes, since nothing else is kept. */
export async function measureScale({
  n,
  dimension,
  seed,
  queries: count,
}: ScaleSettings): Promise<ScaleMeasures> {
  const source = new SyntheticRows(dimension, seed);
  const queries = Array.from({ length: count }, () => source.take(1));
  const shape = { dimension, metric: 'IP', indexType: 'HNSW', codesOnly: true } as const;
  const index = await VectorIndex.create({ ...shape, M, efConstruction: EF_CONSTRUCTION });
  for (let from = 0; from < n; from += CHUNK) index.append(source.take(Math.min(CHUNK, n - from)));
  const build_ms = await build(index);
  const exact: Search = (query) => index.search(query, { limit: LIMIT, exact: true }).rows;
  const truth = Int32Array.from(queries.flatMap((query) => Array.from(exact(query))));
  const ways = {
    by_default: (query: Float32Array) => index.search(query, { limit: LIMIT }).rows,
    walk: (query: Float32Array) => index.search(query, { limit: LIMIT, walk: true }).rows,
    signs: (query: Float32Array) => index.search(query, { limit: LIMIT, sift: true }).rows,
    exact,
  };
  const measures = {
    n,
    build_ms,
    bytes_a_row: index.bytes / n,
    by_default: measureSearch(ways.by_default, queries, truth),
    walk: measureSearch(ways.walk, queries, truth),
    signs: measureSearch(ways.signs, queries, truth),
    exact: measureSearch(ways.exact, queries, truth),
  };
  index.close();
  return measures;
}
