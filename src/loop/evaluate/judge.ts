import type { Sentence } from '../sentences.ts';
import type { Citation, SentenceVerdict } from '../types.ts';
import { type Alignment, align } from './align.ts';
import { withoutMarks } from './citations.ts';
import { type Claim, readClaim, type Word } from './english-words.ts';
import { type Evidence, isVerbatim } from './evidence.ts';
import { isEnglish } from './fold.ts';
import { type Framing, framingOf, withoutFraming, withoutQuotationOpening } from './framing.ts';
import {
  contradiction,
  type GateSettings,
  missingWords,
  type Recall,
  recallOf,
  STRICT,
  shortfall,
} from './gate.ts';
import { type EmbedTexts, embedAll, type Vectors } from './vectors.ts';

/** Sentences of an answer that are judged by vectors; the gate abstains on those behind. */
export const MOST_CLAIMS = 64;
/** Words that are embedded for one answer; the gate abstains where they do not suffice. */
export const MOST_WORDS = 600;

/** The reason of a sentence that a source has word for word. */
export const VERBATIM = 'verbatim';

/** A sentence on its way to a verdict. */
interface Draft {
  readonly sentence: Sentence;
  /** Without marks and framing. */
  readonly bare: string;
  readonly english: boolean;
  readonly framing: Framing;
  readonly verbatim: boolean;
  readonly claim: Claim;
  /** Source sentences that it may rest on: of the sources it cites, or of all. */
  readonly candidates: readonly number[];
}

export interface Judged {
  readonly verdict: SentenceVerdict;
  readonly framing: Framing;
  readonly english: boolean;
}

/** Reads a sentence of the answer; the citations are those inside it. */
export function draftOf(
  sentence: Sentence,
  citations: readonly Citation[],
  evidence: Evidence,
): Draft {
  const unmarked = withoutMarks(sentence.text);
  const bare = withoutFraming(unmarked);
  const cited = new Set(
    citations
      .filter((one) => one.id !== null && one.start >= sentence.start && one.end <= sentence.end)
      .map((one) => one.number),
  );
  const numbers = cited.size > 0 ? [...cited] : [...evidence.folded.keys()];
  const forms = new Set([unmarked, bare, withoutQuotationOpening(unmarked)]);
  const verbatim = [...forms].some((form) => isVerbatim(form, evidence, numbers));
  return {
    sentence,
    bare,
    english: isEnglish(bare),
    framing: verbatim ? null : framingOf(unmarked),
    verbatim,
    claim: readClaim(bare),
    candidates: [...evidence.sentences.keys()].filter((at) =>
      numbers.includes(evidence.sentences[at]?.number ?? -1),
    ),
  };
}

interface JudgeOptions {
  readonly settings?: GateSettings;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A verdict for each sentence. Two calls to the embedder at most: sentences, then the words that the
 * source lacks with the words that they are held against.
 * @param further Texts that are embedded in the same call; found in the vectors that come back.
 */
export async function judge(
  drafts: readonly Draft[],
  evidence: Evidence,
  embed: EmbedTexts | null,
  further: readonly string[],
  { settings = STRICT, signal }: JudgeOptions = {},
): Promise<{ judged: Judged[]; vectors: Vectors | null }> {
  if (embed === null) {
    const judged = drafts.map((draft) => settled(draft) ?? abstain(draft, 'no model was ready'));
    return { judged, vectors: null };
  }
  const open = drafts.filter((draft) => settled(draft) === null).slice(0, MOST_CLAIMS);
  const used = new Set(open.flatMap((draft) => draft.candidates));
  const texts = [...used].map((at) => evidence.sentences[at]?.text ?? '');
  const vectors = await embedAll(
    [...further, ...open.map(({ bare }) => bare), ...texts],
    embed,
    signal,
  );
  const aligned = new Map(open.map((draft) => [draft, alignDraft(draft, evidence, vectors)]));
  const words = await embedAll(wordsToEmbed(aligned), embed, signal);
  const judged = drafts.map((draft) => {
    const known = settled(draft);
    if (known !== null) return known;
    const alignment = aligned.get(draft);
    if (alignment === undefined) {
      return abstain(draft, `only the first ${MOST_CLAIMS} sentences of an answer are judged`);
    }
    return decided({ draft, alignment, evidence, vectors, words, settings });
  });
  return { judged, vectors };
}

/** The verdict that needs no vectors, or null. */
function settled(draft: Draft): Judged | null {
  const { framing, verbatim, english, candidates } = draft;
  if (verbatim) return verdictOf(draft, 'grounded', VERBATIM);
  if (framing !== null)
    return verdictOf(draft, 'framing', 'it states nothing that a source could back');
  if (!english) return abstain(draft, 'the rules are English and do not judge this language');
  if (candidates.length === 0) return verdictOf(draft, 'unsupported', 'no source was sent');
  return null;
}

function alignDraft(draft: Draft, evidence: Evidence, vectors: Vectors): Alignment {
  return align(draft.claim, evidence, draft.candidates, (at) =>
    vectors.cosine(draft.bare, evidence.sentences[at]?.text ?? ''),
  );
}

/** Missing words and the words they are held against, in order of the sentences, up to the cap. */
function wordsToEmbed(aligned: ReadonlyMap<Draft, Alignment>): Set<string> {
  const words = new Set<string>();
  for (const [{ claim }, alignment] of aligned) {
    if (contradiction(claim, alignment) !== null) continue;
    const missing = missingWords(claim, alignment);
    if (missing.length === 0) continue;
    const wanted = [...missing, ...alignment.words].map((word) => word.text);
    const added = wanted.filter((word) => !words.has(word));
    if (words.size + new Set(added).size > MOST_WORDS) continue;
    for (const word of added) words.add(word);
  }
  return words;
}

interface Case {
  readonly draft: Draft;
  readonly alignment: Alignment;
  readonly evidence: Evidence;
  /** Of the sentences. */
  readonly vectors: Vectors;
  /** Of the words that differ. */
  readonly words: Vectors;
  readonly settings: GateSettings;
}

function decided({ draft, alignment, evidence, vectors, words, settings }: Case): Judged {
  const { claim } = draft;
  const cosine = bestCosine(draft, evidence, vectors);
  const denied = contradiction(claim, alignment);
  if (denied !== null) return verdictOf(draft, 'unsupported', denied, cosine);
  if (claim.words.length === 0)
    return verdictOf(draft, 'unsupported', 'it has no word to check', cosine);
  if (missingWords(claim, alignment).some((word) => words.of(word.text) === null)) {
    return abstain(draft, `only ${MOST_WORDS} words of an answer are compared`);
  }
  // A name is like other names, which says nothing: it vouches only for itself.
  const common = alignment.words.filter((word) => !word.exact);
  const near = (word: Word): number =>
    Math.max(0, ...common.map((other) => words.cosine(word.text, other.text)));
  const recall = recallOf(claim, alignment, evidence.idf, near);
  const short = shortfall(cosine, recall, settings);
  if (short !== null) return verdictOf(draft, 'unsupported', short, cosine, recall);
  const numbers = [...new Set(alignment.at.map((at) => evidence.sentences[at]?.number))].join(', ');
  return verdictOf(draft, 'grounded', `source ${numbers} says so`, cosine, recall);
}

function bestCosine(draft: Draft, evidence: Evidence, vectors: Vectors): number {
  return draft.candidates.reduce(
    (best, at) => Math.max(best, vectors.cosine(draft.bare, evidence.sentences[at]?.text ?? '')),
    -1,
  );
}

function abstain(draft: Draft, reason: string): Judged {
  return verdictOf(draft, 'abstained', reason);
}

function verdictOf(
  draft: Draft,
  state: SentenceVerdict['state'],
  reason: string,
  cosine: number | null = null,
  recall: Recall | null = null,
): Judged {
  const { start, end, text } = draft.sentence;
  return {
    verdict: { start, end, text, state, cosine, recall: recall?.soft ?? null, reason },
    framing: draft.framing,
    english: draft.english,
  };
}
