/** How a test builds an index and measures what it finds. */
import { isWhorlError } from '../../../src/shared/errors.ts';
import type { MetricType } from '../../../src/shared/milvus-types.ts';
import {
  VectorIndex,
  type VectorIndexOptions,
  type VectorSearchOptions,
} from '../../../workers/index/kernel/vector-index.ts';
import { type Clusters, clustered, rowOf } from './vectors.ts';

export const METRICS: readonly MetricType[] = ['IP', 'COSINE', 'L2'];
export const now = () => performance.now();

/** An index with its graph complete. */
export async function built(
  vectors: Float32Array,
  options: Partial<VectorIndexOptions> & { dimension: number },
): Promise<VectorIndex> {
  const index = await VectorIndex.create({ metric: 'IP', indexType: 'HNSW', M: 16, ...options });
  index.append(vectors);
  while (!index.build(50, now));
  return index;
}

/** Share of the true best ten that a search finds; equal scores count as found. */
export function recall(
  index: VectorIndex,
  metric: MetricType,
  queries: readonly Float32Array[],
  options: Omit<VectorSearchOptions, 'limit'>,
): number {
  let found = 0;
  let wanted = 0;
  for (const query of queries) {
    const truth = index.search(query, { ...options, limit: 10, exact: true }).scores;
    const worst = truth.at(-1)!;
    const hits = index.search(query, { ...options, limit: 10 }).scores;
    found += hits.filter((score) => (metric === 'L2' ? score <= worst : score >= worst)).length;
    wanted += truth.length;
  }
  return found / wanted;
}

/** Rows whose own vector does not lead to anything as good as themselves; of those that a filter allows. */
export function unreachable(
  index: VectorIndex,
  metric: MetricType,
  ef: number,
  every = 1,
  live: Pick<VectorSearchOptions, 'allowed' | 'allowedCount'> = {},
): number {
  let lost = 0;
  for (let row = 0; row < index.count; row += every) {
    if (live.allowed && !((live.allowed[row >>> 5]! >>> (row & 31)) & 1)) continue;
    const own = index.vector(row);
    const hit = index.search(own, { ...live, limit: 1, ef, walk: true }).scores[0]!;
    const self = index.score(own, Uint32Array.of(row))[0]!;
    const slack = 1e-5 * Math.max(1, Math.abs(self));
    if (metric === 'L2' ? hit > self + slack : hit < self - slack) lost++;
  }
  return lost;
}

/** Rows, and queries of the same clusters. */
export function split(o: Clusters, queries: number) {
  const all = clustered({ ...o, rows: o.rows + queries });
  const rows = Array.from({ length: queries }, (_, i) => rowOf(all, o.dimension, o.rows + i));
  return { vectors: all.slice(0, o.rows * o.dimension), queries: rows };
}

/** The code of what a call throws. */
export function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isWhorlError(error)) return error.milvusCode ? `milvus ${error.milvusCode}` : error.code;
    throw error;
  }
  return 'nothing thrown';
}
