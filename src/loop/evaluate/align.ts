import type { Claim, Denial, Word } from './english-words.ts';
import type { Evidence, SourceSentence } from './evidence.ts';

/** The source sentences that a claim is held against, taken together. */
export interface Alignment {
  /** Position among the sentences of the evidence, best first; one or two. */
  readonly at: readonly number[];
  readonly stems: ReadonlySet<string>;
  readonly words: readonly Word[];
  /** Stems of each sentence, in order. */
  readonly runs: readonly (readonly string[])[];
  readonly numbers: ReadonlySet<number>;
  readonly denials: readonly Denial[];
}

/** How much the cosine of a sentence counts beside its share of the claim's words. */
const COSINE_WEIGHT = 0.5;

/**
 * The two best aligned source sentences: the first by words and cosine, the second by the words that
 * the first lacks. A heading speaks for every sentence of its source and is added to them.
 * @param candidates Positions of the sentences that may be used.
 * @param cosineOf Cosine of the claim to the sentence at a position.
 */
export function align(
  claim: Claim,
  evidence: Evidence,
  candidates: readonly number[],
  cosineOf: (at: number) => number,
): Alignment {
  const weight = (stem: string): number => evidence.idf(stem);
  const wanted = new Set(claim.words.map((word) => word.stem));
  const total = sum(wanted, weight);
  const first = bestOf(candidates, (at) => {
    const shared = sharedWeight(wanted, evidence.sentences[at], weight);
    return (total > 0 ? shared / total : 0) + COSINE_WEIGHT * cosineOf(at);
  });
  if (first === null) return joined([], evidence);
  const known = withHeading(first, evidence);
  const left = new Set([...wanted].filter((stem) => !known.has(stem)));
  const others = candidates.filter((at) => at !== first);
  const second = bestOf(others, (at) => sharedWeight(left, evidence.sentences[at], weight));
  const helps = second !== null && sharedWeight(left, evidence.sentences[second], weight) > 0;
  return joined(helps ? [first, second] : [first], evidence);
}

function withHeading(at: number, evidence: Evidence): Set<string> {
  const sentence = evidence.sentences[at];
  if (sentence === undefined) return new Set();
  const heading = evidence.headings.get(sentence.number)?.words ?? [];
  return new Set([...sentence.stems, ...heading.map((word) => word.stem)]);
}

function joined(at: readonly number[], evidence: Evidence): Alignment {
  const sentences = at.flatMap((position) => evidence.sentences[position] ?? []);
  const numbers = new Set(sentences.map((sentence) => sentence.number));
  const headings = [...numbers].flatMap((number) => evidence.headings.get(number) ?? []);
  const claims = [...sentences.map((sentence) => sentence.claim), ...headings];
  const words = claims.flatMap((claim) => claim.words);
  return {
    at,
    words,
    runs: claims.map((claim) => claim.run),
    stems: new Set(words.map((word) => word.stem)),
    numbers: new Set(claims.flatMap((claim) => claim.numbers)),
    denials: claims.flatMap((claim) => claim.denials),
  };
}

function sharedWeight(
  wanted: ReadonlySet<string>,
  sentence: SourceSentence | undefined,
  weight: (stem: string) => number,
): number {
  let shared = 0;
  for (const stem of wanted) if (sentence?.stems.has(stem)) shared += weight(stem);
  return shared;
}

function bestOf(candidates: readonly number[], worth: (at: number) => number): number | null {
  let best: number | null = null;
  let most = Number.NEGATIVE_INFINITY;
  for (const at of candidates) {
    const value = worth(at);
    if (value > most) [best, most] = [at, value];
  }
  return best;
}

function sum(stems: Iterable<string>, weight: (stem: string) => number): number {
  let total = 0;
  for (const stem of stems) total += weight(stem);
  return total;
}
