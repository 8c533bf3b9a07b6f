/** Gains of judged documents by query and document; what is not judged counts 0. */
export type Judgments = ReadonlyMap<string, ReadonlyMap<string, number>>;
/** Retrieved documents by query and document: the score by which they are ordered. */
export type Run = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** A qrels file: `query iteration document gain` in each line. */
export function parseJudgments(text: string): Judgments {
  return table(text, (fields) => [fields[0], fields[2], fields[3]]);
}

/** A run file: `query Q0 document rank score name` in each line; like trec_eval, the rank is ignored. */
export function parseRun(text: string): Run {
  return table(text, (fields) => [fields[0], fields[2], fields[4]]);
}

type Field = string | undefined;

function table(text: string, pick: (fields: string[]) => [Field, Field, Field]) {
  const byQuery = new Map<string, Map<string, number>>();
  for (const line of text.split('\n')) {
    const [query, document, value] = pick(line.trim().split(/\s+/));
    if (query === undefined || document === undefined || value === undefined) continue;
    const row = byQuery.get(query) ?? new Map<string, number>();
    byQuery.set(query, row.set(document, Number(value)));
  }
  return byQuery;
}

/**
 * Mean nDCG over the queries that have judgments and results, as trec_eval computes it: gain over
 * log2(rank + 1), negative gains as 0, the ideal order from all judged documents, equal scores by
 * descending document id.
 * @param cut Ranks that count; all by default.
 */
export function ndcg(judgments: Judgments, run: Run, cut = Number.POSITIVE_INFINITY): number {
  const values: number[] = [];
  for (const [query, scores] of run) {
    const gains = judgments.get(query);
    if (gains !== undefined) values.push(ndcgOfQuery(gains, scores, cut));
  }
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** nDCG of one query; 0 when nothing is relevant. */
export function ndcgOfQuery(
  gains: ReadonlyMap<string, number>,
  scores: ReadonlyMap<string, number>,
  cut: number,
): number {
  const ranked = [...scores].sort(([a, x], [b, y]) => y - x || (a < b ? 1 : a > b ? -1 : 0));
  const got = discounted(
    ranked.map(([document]) => gains.get(document) ?? 0),
    cut,
  );
  const ideal = discounted(
    [...gains.values()].sort((a, b) => b - a),
    cut,
  );
  return ideal === 0 ? 0 : got / ideal;
}

function discounted(gains: readonly number[], cut: number): number {
  let sum = 0;
  for (let i = 0; i < Math.min(gains.length, cut); i++) {
    sum += Math.max(0, gains[i] ?? 0) / Math.log2(i + 2);
  }
  return sum;
}
