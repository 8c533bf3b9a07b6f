/**
 * What was learnt from feedback, keyed by past questions. Pure.
 *
 * A vote says something about a record *for this kind of question*; a global popularity of records is
 * measured harmful. With unit vectors, `m_j` past questions and `q` the present one:
 *
 * ```
 * w_j  = max(0, (cos(q, m_j) - .60) / .40)
 * exam = 1 / rank                                    a shown rank that was examined
 * C    = sum w_j click     X = sum w_j exam          by record
 * vote: X += 1.5 w_j, and C += 1.5 w_j when it is up
 * p0   = (all C + .05) / (all X + .25)               over the questions recalled
 * u_d  = (C + p0) / (X + 1) - p0                     0 where X = 0
 * q'   = norm(q + lambda sum u+_d E_d / (sum u+_d + .5))
 * ```
 *
 * `lambda` is the honesty of the memory: each shown list is a prediction `u`, and the clicks that
 * follow say how much it was worth. With `A = sum u (click - p0 exam)` and `B = sum u^2 exam` over the
 * lists that got feedback, `lambda = clip(((A + 1) / (B + 1)) / .4, 0, 1)`: when clicks follow the
 * predictions it goes to 1, when they do not it goes to 0 and the memory is not used.
 *
 * A list that nobody touched says nothing: it is not known that anybody looked.
 */
import type { Learnt, LearntRecord, Vote } from './types.ts';

/** Cosine from which a past question counts; .60 to .65 is a plateau, .50 harms other needs. */
export const SIMILAR_FROM = 0.6;
/** Weight of a vote, in examinations. */
export const VOTE_WEIGHT = 1.5;
/** Slope of the calibration that earns full trust. */
const FULL_TRUST = 0.4;
/** Damping of the shift of the question. */
const SHIFT_DAMPING = 0.5;

/** A record in a shown list. */
export interface Shown {
  readonly id: string;
  /** From 1. */
  readonly rank: number;
  /** What the memory said of the record when the list was shown; 0 when it knew nothing. */
  readonly u: number;
}

/** What was shown for a question, and what people said of it. */
export interface Feedback {
  readonly shown: readonly Shown[];
  /** `p0` when the list was shown. */
  readonly p0: number;
  /** Records that the answer cites. */
  readonly cited: readonly string[];
  readonly vote: Vote;
  readonly hitVotes: { readonly [id: string]: Vote };
  readonly opened: readonly string[];
}

/** A past question, near the present one. */
export interface PastTurn {
  readonly turnId: string;
  readonly question: string;
  /** Cosine to the present question. */
  readonly similarity: number;
  readonly feedback: Feedback;
}

/** Sums over lists that got feedback. */
export interface Calibration {
  readonly a: number;
  readonly b: number;
}

export const UNCALIBRATED: Calibration = { a: 0, b: 0 };

/** Clicks and examinations of one record in one list. */
export interface Evidence {
  readonly clicks: number;
  readonly exam: number;
}

/** Whether anybody said anything about this list. */
export function isTouched(feedback: Feedback): boolean {
  return (
    feedback.vote !== null ||
    feedback.opened.length > 0 ||
    Object.values(feedback.hitVotes).some((vote) => vote !== null)
  );
}

/**
 * Evidence by record id; empty for an untouched list. A vote on the answer is a vote on each record
 * that it cites, or, when it cites none, on each shown record weighted by 1 / rank; a vote on the
 * record itself takes its place.
 */
export function evidenceOf(feedback: Feedback): Map<string, Evidence> {
  const evidence = new Map<string, Evidence>();
  if (!isTouched(feedback)) return evidence;
  const opened = new Set(feedback.opened);
  for (const { id, rank } of feedback.shown) {
    const [vote, weight] = voteOn(id, rank, feedback);
    const voted = vote === null ? 0 : VOTE_WEIGHT * weight;
    const clicks = (opened.has(id) ? 1 : 0) + (vote === 'up' ? voted : 0);
    evidence.set(id, { clicks, exam: 1 / rank + voted });
  }
  return evidence;
}

function voteOn(id: string, rank: number, feedback: Feedback): [Vote, number] {
  const own = Object.hasOwn(feedback.hitVotes, id) ? feedback.hitVotes[id] : null;
  if (own) return [own, 1];
  if (feedback.cited.length === 0) return [feedback.vote, 1 / rank];
  return feedback.cited.includes(id) ? [feedback.vote, 1] : [null, 0];
}

/** What one list adds to the calibration; zero for an untouched one. */
export function bookingOf(feedback: Feedback): Calibration {
  const evidence = evidenceOf(feedback);
  let a = 0;
  let b = 0;
  for (const { id, u } of feedback.shown) {
    const found = evidence.get(id);
    if (!found) continue;
    a += u * (found.clicks - feedback.p0 * found.exam);
    b += u * u * found.exam;
  }
  return { a, b };
}

/** Trust of the memory in itself, 0..1; 1 before anything was booked. */
export function trust({ a, b }: Calibration): number {
  const slope = (a + 1) / (Math.max(0, b) + 1) / FULL_TRUST;
  return Math.min(1, Math.max(0, slope));
}

/** Weight of a past question for the present one, 0..1. */
export function weightOf(similarity: number): number {
  return Math.min(1, Math.max(0, (similarity - SIMILAR_FROM) / (1 - SIMILAR_FROM)));
}

/**
 * Clicks for one examination before anything is known, and for how many examinations that is believed.
 * Without it a record that alone was shown and liked is its own expectation, and nothing is learnt.
 */
export interface Expectation {
  readonly p0: number;
  readonly weight: number;
}

export const PRIOR: Expectation = { p0: 0.2, weight: 0.25 };

interface Sum {
  clicks: number;
  exam: number;
  readonly from: { readonly past: PastTurn; readonly clicks: number; readonly exam: number }[];
}

/** What similar past questions say, or null when none of them says anything. */
export function learn(
  past: readonly PastTurn[],
  calibration: Calibration,
  prior: Expectation = PRIOR,
): Learnt | null {
  const sums = sumUp(past);
  if (sums.size === 0) return null;
  let clicks = 0;
  let exam = 0;
  for (const sum of sums.values()) {
    clicks += sum.clicks;
    exam += sum.exam;
  }
  const p0 = (clicks + prior.p0 * prior.weight) / (exam + prior.weight);
  const records = new Map<string, LearntRecord>();
  for (const [id, sum] of sums) {
    const u = (sum.clicks + p0) / (sum.exam + 1) - p0;
    records.set(id, { u, why: strongest(sum, u, p0) });
  }
  return { lambda: trust(calibration), p0, records };
}

function sumUp(past: readonly PastTurn[]): Map<string, Sum> {
  const sums = new Map<string, Sum>();
  for (const one of past) {
    const weight = weightOf(one.similarity);
    if (weight === 0) continue;
    for (const [id, { clicks, exam }] of evidenceOf(one.feedback)) {
      const sum = sums.get(id) ?? { clicks: 0, exam: 0, from: [] };
      sum.clicks += weight * clicks;
      sum.exam += weight * exam;
      sum.from.push({ past: one, clicks: weight * clicks, exam: weight * exam });
      sums.set(id, sum);
    }
  }
  return sums;
}

/** The past question that pulled hardest in the direction in which the record went. */
function strongest(sum: Sum, u: number, p0: number): LearntRecord['why'] {
  const liked = u >= 0;
  const pull = (one: Sum['from'][number]) => (one.clicks - p0 * one.exam) * (liked ? 1 : -1);
  const best = sum.from.reduce((a, b) => (pull(b) > pull(a) ? b : a));
  const { question, turnId, similarity } = best.past;
  return { question, turnId, similarity, liked };
}

/** Ids of the records that pull the question toward them, strongest first. */
export function pullingIds(learnt: Learnt, limit: number): string[] {
  return [...learnt.records]
    .filter(([, { u }]) => u > 0)
    .sort((x, y) => y[1].u - x[1].u || (x[0] < y[0] ? -1 : 1))
    .slice(0, limit)
    .map(([id]) => id);
}

/**
 * The question moved toward what was liked for its kind: unit length, a new array. Vectors by record
 * id, unit length; a record without one does not pull. Null when nothing pulls.
 */
export function shiftQuestion(
  question: Float32Array,
  learnt: Learnt,
  vectors: ReadonlyMap<string, Float32Array>,
): Float32Array | null {
  const sum = new Float64Array(question.length);
  let total = 0;
  for (const [id, vector] of vectors) {
    const u = learnt.records.get(id)?.u ?? 0;
    if (u <= 0 || vector.length !== question.length) continue;
    total += u;
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + u * (vector[i] ?? 0);
  }
  if (total === 0 || learnt.lambda === 0) return null;
  const share = learnt.lambda / (total + SHIFT_DAMPING);
  return unit(question.map((value, i) => value + share * (sum[i] ?? 0)));
}

/** A copy of unit length; null for a vector without direction. */
export function unit(vector: Float32Array): Float32Array | null {
  const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return norm > 0 && Number.isFinite(norm) ? vector.map((value) => value / norm) : null;
}
