/**
 * The groundedness gate of loop.md section 4. Similarity of vectors cannot see a swapped number, a
 * denial or an antonym, so hard rules on words come first; vectors then decide how far the other
 * words may differ.
 */
import type { Alignment } from './align.ts';
import { findFlip } from './antonyms.ts';
import type { Claim, Denial, Word } from './english-words.ts';

export interface GateSettings {
  /** Least cosine to a source sentence. */
  readonly cosine: number;
  /** Least soft recall. */
  readonly softRecall: number;
  /** Least plain recall. */
  readonly plainRecall: number;
}

/** The default. Measured in bench/loop/groundedness.ts. */
export const STRICT: GateSettings = {
  cosine: 0.55,
  softRecall: 0.95,
  plainRecall: 0.7,
};
/** Passes more synonyms and twice as many untruths. */
export const LENIENT: GateSettings = { cosine: 0.55, softRecall: 0.9, plainRecall: 0 };

/** A cosine between words of this counts nothing; of NO_WORD + WORD_SPAN as much as the word itself. */
const NO_WORD = 0.3;
const WORD_SPAN = 0.3;

/** Why words alone forbid a claim, in words, or null. */
export function contradiction(claim: Claim, source: Alignment): string | null {
  const number = claim.numbers.find((value) => !source.numbers.has(value));
  if (number !== undefined) return `the number ${number} is not in the source`;
  const name = claim.words.find((word) => word.exact && !source.stems.has(word.stem));
  if (name !== undefined) return `"${name.text}" is not in the source`;
  const denial = denialMismatch(claim, source);
  if (denial !== null) return denial;
  const flip = findFlip(claim.run, source.runs);
  if (flip === null) return null;
  const said = claim.words.find((word) => word.stem === flip.said)?.text ?? flip.said;
  const opposite = source.words.find((word) => word.stem === flip.opposite)?.text;
  return `it says "${said}" where the source says "${opposite ?? flip.opposite}"`;
}

/**
 * What one side denies the other must deny: a denial without a fellow on the other side counts, unless
 * the claim leaves out what is denied.
 */
function denialMismatch(claim: Claim, source: Alignment): string | null {
  const left = [...source.denials];
  for (const denial of claim.denials) {
    const fellow = left.findIndex((other) => meet(denial, other));
    if (fellow < 0) return 'it denies what the source does not deny';
    left.splice(fellow, 1);
  }
  const said = new Set(claim.words.map((word) => word.stem));
  const dropped = left.some(({ scope: [nearest] }) => nearest !== undefined && said.has(nearest));
  return dropped ? 'the source denies this' : null;
}

function meet(a: Denial, b: Denial): boolean {
  if (a.scope.length === 0 || b.scope.length === 0) return a.scope.length === b.scope.length;
  return a.scope.some((stem) => b.scope.includes(stem));
}

/** The words of a claim that the source has no form of; each stem once. */
export function missingWords(claim: Claim, source: Alignment): Word[] {
  const missing = new Map<string, Word>();
  for (const word of claim.words) if (!source.stems.has(word.stem)) missing.set(word.stem, word);
  return [...missing.values()];
}

export interface Recall {
  readonly plain: number;
  readonly soft: number;
}

/**
 * IDF-weighted share of the claim's words that the source has. In the soft share a missing word counts
 * clip((best cosine to a word of the source - .3) / .3, 0, 1).
 */
export function recallOf(
  claim: Claim,
  source: Alignment,
  idf: (stem: string) => number,
  bestCosine: (word: Word) => number,
): Recall {
  let total = 0;
  let plain = 0;
  let soft = 0;
  const words = new Map(claim.words.map((word) => [word.stem, word]));
  for (const [stem, word] of words) {
    const weight = idf(stem);
    total += weight;
    if (source.stems.has(stem)) plain += weight;
    else soft += weight * clip((bestCosine(word) - NO_WORD) / WORD_SPAN);
  }
  const whole = Math.max(total, Number.MIN_VALUE);
  return { plain: plain / whole, soft: (plain + soft) / whole };
}

/** Why the shares or the cosine are too small, in words, or null. */
export function shortfall(cosine: number, recall: Recall, settings: GateSettings): string | null {
  if (cosine < settings.cosine) {
    return `no source sentence is near enough in meaning (${cosine.toFixed(2)} of ${settings.cosine})`;
  }
  if (recall.plain < settings.plainRecall) {
    return `${percent(recall.plain)} of its words stand in the source, ${percent(settings.plainRecall)} are asked for`;
  }
  if (recall.soft < settings.softRecall) {
    return `${percent(recall.soft)} of its words have a like in the source, ${percent(settings.softRecall)} are asked for`;
  }
  return null;
}

function percent(share: number): string {
  return `${Math.floor(share * 100)}%`;
}

function clip(value: number): number {
  return Math.min(1, Math.max(0, value));
}
