import { throwIfAborted, WhorlError } from '../../shared/errors.ts';
import { sentencesOf } from '../sentences.ts';
import type { Citation, Prompt, StopReason, Verdict } from '../types.ts';
import { parseCitations, withoutMarks } from './citations.ts';
import { decide } from './decide.ts';
import { findRepeat, type KnownText, likeness } from './duplicates.ts';
import { readEvidence } from './evidence.ts';
import { type GateSettings, LENIENT, STRICT } from './gate.ts';
import { draftOf, judge } from './judge.ts';
import type { EmbedTexts, Vectors } from './vectors.ts';

export interface EvaluateInput {
  readonly question: string;
  readonly answer: string;
  readonly prompt: Prompt;
  /** The answer was selected from the sources; then word for word is required, in any language. */
  readonly extractive: boolean;
  readonly stopReason: StopReason;
  /** Generated texts that the answer may repeat. */
  readonly recent?: readonly KnownText[];
}

export interface Evaluation {
  readonly citations: Citation[];
  readonly verdict: Verdict;
  /** Unit vector of the answer without its marks; null where no model was ready or the answer is empty. */
  readonly answerVector: Float32Array | null;
}

export interface EvaluateOptions {
  readonly signal?: AbortSignal;
  /** How far words may differ from the source. Default `strict`. */
  readonly gate?: 'strict' | 'lenient';
}

/**
 * Judges an answer against the sources it was given. Pure but for `embed`, which is called twice at
 * most, with at most 64 sentences of the answer, 400 of the sources and 600 words.
 *
 * - `admitted`: ended by itself, every sentence that claims something is backed by a source, every
 *   citation names a source that was sent, nothing stored says the same.
 * - `dropped`: empty, a refusal, or the same text is stored already.
 * - `quarantined`: anything else, each doubt included. The rules are English: in other languages only
 *   an extractive answer is admitted.
 *
 * @param embed Null when no model is ready: what needs vectors is then left open and the answer
 *   quarantined.
 * @throws WhorlError `invalid_option`; `aborted`; `backend_wrong` when the embedder's answer has another shape; what
 *   `embed` throws.
 */
export async function evaluate(
  input: EvaluateInput,
  embed: EmbedTexts | null,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { signal } = options;
  const settings = settingsOf(options);
  throwIfAborted(signal);
  const { answer, prompt, recent = [] } = input;
  const citations = parseCitations(answer, prompt.sources);
  const evidence = readEvidence(prompt.sources);
  const drafts = sentencesOf(answer)
    .filter((sentence) => /[\p{L}\p{N}]/u.test(withoutMarks(sentence.text)))
    .map((sentence) => draftOf(sentence, citations, evidence));
  const bare = withoutMarks(answer);
  const copied = input.extractive ? [] : prompt.sources.map((source) => source.text);
  const further = drafts.length === 0 ? [] : [bare, ...copied];
  const { judged, vectors } = await judge(drafts, evidence, embed, further, {
    settings,
    signal,
  });
  const answerVector = vectors?.of(bare) ?? null;
  const verdict = decide({
    judged,
    citations,
    repeat: drafts.length === 0 ? null : findRepeat(bare, answerVector, recent),
    copyOf: input.extractive ? null : copyOf(bare, prompt, vectors),
    extractive: input.extractive,
    stopReason: input.stopReason,
    measured: vectors !== null,
    unread: evidence.unread,
  });
  return { citations, verdict, answerVector };
}

function settingsOf(options: EvaluateOptions): GateSettings {
  for (const name of Object.keys(options)) {
    if (name !== 'signal' && name !== 'gate') {
      throw new WhorlError('invalid_option', `There is no option "${name}" of evaluate.`);
    }
  }
  const { gate = 'strict' } = options;
  if (gate === 'strict') return STRICT;
  if (gate === 'lenient') return LENIENT;
  throw new WhorlError('invalid_option', `The gate is "strict" or "lenient", not "${gate}".`);
}

/** The record that the answer as a whole repeats. */
function copyOf(answer: string, prompt: Prompt, vectors: Vectors | null): string | null {
  const same = prompt.sources.find((source) => {
    const kind = likeness(answer, source.text, vectors?.cosine(answer, source.text) ?? 0);
    return kind === 'exact' || kind === 'near';
  });
  return same?.id ?? null;
}
