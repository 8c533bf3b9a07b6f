/** What a search should find, worked out by comparing everything. */
import { type RowVersion, vectorOf } from './rows.ts';

/** Keys of the rows nearest to each query by L2, best first. */
export function exactNearest(
  rows: readonly RowVersion[],
  queries: readonly RowVersion[],
  dimension: number,
  limit: number,
): readonly (readonly number[])[] {
  const vectors = rows.map((row) => vectorOf(row, dimension));
  return queries.map((query) => {
    const wanted = vectorOf(query, dimension);
    const scores = vectors.map((vector) => distance(vector, wanted));
    return rows
      .map(([id], i) => ({ id, score: scores[i] ?? 0 }))
      .sort((a, b) => a.score - b.score)
      .slice(0, limit)
      .map(({ id }) => id);
  });
}

function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] ?? 0) - (b[i] ?? 0)) ** 2;
  return sum;
}

/** Share of the wanted keys that was found, over all queries. */
export function recallOf(
  found: readonly (readonly number[])[],
  wanted: readonly (readonly number[])[],
): number {
  const hits = wanted.flatMap((ids, i) => ids.filter((id) => found[i]?.includes(id)));
  return hits.length / wanted.flat().length;
}
