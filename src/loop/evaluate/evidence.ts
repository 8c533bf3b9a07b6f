import { sentencesOf } from '../sentences.ts';
import type { PromptSource } from '../types.ts';
import { type Claim, readClaim, type Word } from './english-words.ts';
import { textKey } from './fold.ts';

/** One sentence of a source, read once. */
export interface SourceSentence {
  /** Number of its source. */
  readonly number: number;
  readonly text: string;
  readonly claim: Claim;
  readonly stems: ReadonlySet<string>;
}

/** What an answer may rest on. */
export interface Evidence {
  readonly sentences: readonly SourceSentence[];
  /** What the heading of a source says, by source number: true of each of its sentences. */
  readonly headings: ReadonlyMap<number, Claim>;
  /** Sources as runs of folded sentences, by source number. */
  readonly folded: ReadonlyMap<number, string>;
  /** Inverse document frequency of a stem. */
  readonly idf: (stem: string) => number;
  /** Source sentences beyond the cap, which were not read. */
  readonly unread: number;
}

/** Documents that hold a word, of how many; from a larger collection than the sources. */
export interface DocumentFrequency {
  readonly documents: number;
  readonly of: (stem: string) => number;
}

export const MOST_SOURCE_SENTENCES = 400;
const BORDER = '\u0001';

export function readEvidence(
  sources: readonly PromptSource[],
  frequency?: DocumentFrequency,
): Evidence {
  const all = sources.flatMap((source) =>
    sentencesOf(source.text).map(({ text }) => ({ number: source.number, text })),
  );
  const sentences = all.slice(0, MOST_SOURCE_SENTENCES).map(({ number, text }) => {
    const claim = readClaim(text);
    return { number, text, claim, stems: stemsOf(claim.words) };
  });
  const headings = sources.flatMap(({ number, heading }): [number, Claim][] =>
    heading === undefined ? [] : [[number, readClaim(heading)]],
  );
  return {
    sentences,
    headings: new Map(headings),
    folded: new Map(sources.map((source) => [source.number, foldedSentences(source.text)])),
    idf: inverseFrequency(sentences, frequency),
    unread: all.length - sentences.length,
  };
}

/** Whether a sentence is, word for word, one or several whole sentences of one of the sources. */
export function isVerbatim(
  sentence: string,
  evidence: Evidence,
  numbers: readonly number[],
): boolean {
  const own = foldedSentences(sentence);
  if (own === BORDER) return false;
  return numbers.some((number) => evidence.folded.get(number)?.includes(own) === true);
}

/** `BORDER first BORDER second BORDER`, folded, without the marks that end sentences. */
function foldedSentences(text: string): string {
  const parts = sentencesOf(text).map((sentence) => {
    const bare = textKey(sentence.text).replace(
      /^[\s\p{Pi}"'([{「『【]+|[\s.!?…。！？｡\p{Pf}"')\]}」』】]+$/gu,
      '',
    );
    return `${bare}${BORDER}`;
  });
  return BORDER + parts.join('');
}

/** ln(1 + (N - df + .5) / (df + .5)), over sentences or over the documents of a collection. */
function inverseFrequency(
  sentences: readonly SourceSentence[],
  frequency: DocumentFrequency | undefined,
): (stem: string) => number {
  if (frequency !== undefined) {
    return (stem) => rarity(frequency.documents, frequency.of(stem));
  }
  const counts = new Map<string, number>();
  for (const { stems } of sentences) {
    for (const stem of stems) counts.set(stem, (counts.get(stem) ?? 0) + 1);
  }
  return (stem) => rarity(sentences.length, counts.get(stem) ?? 0);
}

function rarity(documents: number, found: number): number {
  return Math.log(1 + (Math.max(documents, found) - found + 0.5) / (found + 0.5));
}

export function stemsOf(words: readonly Word[]): Set<string> {
  return new Set(words.map((word) => word.stem));
}
