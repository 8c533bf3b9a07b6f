/**
 * Candidates to hits: the base score, what was learnt, and why a hit stands where it stands.
 *
 * ```
 * S0(d) = cos(q, d) + .3 bm25 / max bm25
 * score = S0 + cos(q', d) - cos(q, d) + lambda .3 u_d
 * ```
 *
 * `q'` is the question after what was learnt, `u_d` what feedback says of the record. Both come in from
 * outside; without them the score is the base.
 */
import type { MilvusRow } from '../shared/milvus-types.ts';
import type { Candidate, CandidatesResult } from '../shared/types.ts';
import type { Hit, Learnt, ScoreParts, Why } from './types.ts';

/** Weight of the words beside the cosine; measured on four corpora with one setting. */
export const WORDS_WEIGHT = 0.3;
/** Weight of `u_d`, before the trust of the memory in itself. */
export const LEARNT_WEIGHT = 0.3;

/** Below this a record without feedback of its own counts as not moved by what was learnt. */
const NOTICEABLE = 0.002;

export interface RankOptions {
  readonly textField: string;
  readonly limit: number;
  /** Null: nothing was learnt, or the turn is lexical. */
  readonly learnt: Learnt | null;
}

interface Scored {
  readonly candidate: Candidate;
  readonly parts: ScoreParts;
  readonly base: number;
  readonly score: number;
}

/** The best `limit` candidates, best first; equal scores in the order of their ids. */
export function rankCandidates(result: CandidatesResult, options: RankOptions): Hit[] {
  const scored = result.candidates.map((candidate) =>
    scoreOf(candidate, result.maxBm25, options.learnt),
  );
  const byBase = [...scored].sort((a, b) => b.base - a.base || byId(a, b));
  const baseRank = new Map(byBase.map((one, i) => [one.candidate.id, i + 1]));
  const byScore = scored.sort((a, b) => b.score - a.score || byId(a, b));
  return byScore.slice(0, options.limit).map((one, i) => {
    const places = (baseRank.get(one.candidate.id) ?? i + 1) - (i + 1);
    return hitOf(one, i + 1, places, options);
  });
}

function byId(a: Scored, b: Scored): number {
  return a.candidate.id < b.candidate.id ? -1 : 1;
}

function scoreOf(candidate: Candidate, maxBm25: number, learnt: Learnt | null): Scored {
  const similarity = candidate.cosine ?? 0;
  const words = maxBm25 > 0 ? (WORDS_WEIGHT * candidate.bm25) / maxBm25 : 0;
  const shift =
    candidate.shifted === null || candidate.cosine === null
      ? 0
      : candidate.shifted - candidate.cosine;
  const u = learnt?.records.get(candidate.id)?.u ?? 0;
  const parts = { similarity, words, learnt: shift + (learnt?.lambda ?? 0) * LEARNT_WEIGHT * u };
  const base = similarity + words;
  return { candidate, parts, base, score: base + parts.learnt };
}

function hitOf(one: Scored, rank: number, places: number, options: RankOptions): Hit {
  const { candidate, parts, score } = one;
  const text = candidate.row[options.textField];
  return {
    id: candidate.id,
    rank,
    score,
    parts,
    row: withoutVectors(candidate.row),
    text: typeof text === 'string' ? text : '',
    why: whyOf(one, places, options.learnt),
  };
}

/**
 * A record with feedback of its own names the past question that weighed most, where that is what moved
 * it: one that was passed over and still rose, rose for another reason. A record that rose because it is
 * close to what was liked names the question behind the strongest liked record. One that only made room
 * for others has no reason of its own.
 */
function whyOf(one: Scored, places: number, learnt: Learnt | null): Why | null {
  if (learnt === null || learnt.lambda === 0) return null;
  const own = learnt.records.get(one.candidate.id);
  const isOwn = own !== undefined && own.u * one.parts.learnt > 0;
  if (isOwn) return { places, ...own.why };
  if (places <= 0 || one.parts.learnt < NOTICEABLE) return null;
  const strongest = strongestLiked(learnt);
  return strongest ? { places, ...strongest } : null;
}

function strongestLiked(learnt: Learnt): Omit<Why, 'places'> | null {
  let best: Omit<Why, 'places'> | null = null;
  let bestU = 0;
  for (const { u, why } of learnt.records.values()) {
    if (u > bestU) {
      bestU = u;
      best = why;
    }
  }
  return best;
}

function withoutVectors(row: MilvusRow): MilvusRow {
  const scalars = Object.entries(row).filter(([, value]) => !(value instanceof Float32Array));
  return Object.fromEntries(scalars);
}
