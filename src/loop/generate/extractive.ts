/**
 * An answer without a language model: sentences of the sources, in their own words, with citations.
 * Deterministic, offline, and it says what it is in its first words.
 *
 * A sentence is worth the share of the question's words that it holds, weighted by how rare they are
 * among the sentences at hand, plus a little for the rank of its source: retrieval has looked at
 * meaning, which words alone do not see.
 */
import { throwIfAborted } from '../../shared/errors.ts';
import { sentencesOf } from '../sentences.ts';
import type { GenerateOptions, Generation, Generator, Prompt, PromptSource } from '../types.ts';
import { languageOf, PHRASES, type Phrases } from './phrases.ts';
import { termsOf } from './text-units.ts';

const SENTENCES = 3;
const RANK_WEIGHT = 0.25;
/** A sentence counts as an answer when it holds at least this share of the question's words, by rarity. */
const ENOUGH = 0.2;
/** A further sentence must be worth this much of the best one. */
const NEAR_BEST = 0.5;
/** Share of equal words from which two sentences say the same. */
const SAME = 0.8;

/** The offline generator. */
export function extractive(): Generator {
  return { name: 'extractive', extractive: true, generate };
}

async function generate(prompt: Prompt, options: GenerateOptions = {}): Promise<Generation> {
  throwIfAborted(options.signal);
  const parts = answerParts(prompt);
  for (const part of parts) {
    options.onToken?.(part);
    // Whoever is told a part may have heard enough.
    throwIfAborted(options.signal);
  }
  return {
    text: parts.join(''),
    model: 'extractive',
    stopReason: 'end_turn',
    usage: { inputTokens: 0, outputTokens: 0 },
    extractive: true,
  };
}

interface Sentence {
  readonly text: string;
  readonly number: number;
  readonly position: number;
  readonly terms: ReadonlySet<string>;
  readonly overlap: number;
  readonly worth: number;
}

function answerParts(prompt: Prompt): string[] {
  const phrases = PHRASES[languageOf(prompt.question)];
  const scored = scoreSentences(prompt);
  const best = choose(scored);
  if (best.length === 0) return [phrases.nothing];
  const answers = best.some((sentence) => sentence.overlap >= ENOUGH);
  const lead = answers ? phrases.lead : phrases.closest;
  return [lead, ...best.map((sentence, i) => quoted(sentence, i > 0, phrases))];
}

function quoted({ text, number }: Sentence, more: boolean, phrases: Phrases): string {
  return `${more ? phrases.space : ''}${text} [${number}]`;
}

function scoreSentences(prompt: Prompt): Sentence[] {
  const question = new Set(termsOf(prompt.question));
  const found = prompt.sources.flatMap((source) => sentencesOfSource(source));
  const rarity = rarityOf(found.map(({ terms }) => terms));
  const whole = sum(question, rarity);
  return found.map((sentence) => {
    const shared = [...question].filter((term) => sentence.terms.has(term));
    const overlap = whole > 0 ? sum(shared, rarity) / whole : 0;
    return { ...sentence, overlap, worth: overlap + RANK_WEIGHT / sentence.number };
  });
}

function sentencesOfSource(source: PromptSource): Omit<Sentence, 'overlap' | 'worth'>[] {
  const heading = new Set(termsOf(source.heading ?? ''));
  const body = source.text.slice(source.heading?.length ?? 0);
  const sentences = sentencesOf(body.trim() === '' ? source.text : body);
  return sentences.map((sentence, position) => {
    // A source may break its lines inside a sentence.
    const text = sentence.text.replace(/\s+/g, ' ');
    // The heading names what the first sentence is about: "name: Green Dragon".
    const own = termsOf(text);
    const terms = new Set(position === 0 ? [...own, ...heading] : own);
    return { text, number: source.number, position, terms };
  });
}

/** Smoothed inverse frequency of a term among the sentences. */
function rarityOf(sets: readonly ReadonlySet<string>[]): (term: string) => number {
  const counts = new Map<string, number>();
  for (const terms of sets) for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  return (term) => Math.log(1 + sets.length / ((counts.get(term) ?? 0) + 0.5));
}

function sum(terms: Iterable<string>, rarity: (term: string) => number): number {
  let total = 0;
  for (const term of terms) total += rarity(term);
  return total;
}

/** The best few that do not repeat each other, in the order of their sources. */
function choose(scored: readonly Sentence[]): Sentence[] {
  const order = [...scored].sort(
    (a, b) => b.worth - a.worth || a.number - b.number || a.position - b.position,
  );
  const first = order[0];
  if (!first) return [];
  const chosen: Sentence[] = [];
  for (const sentence of order) {
    if (chosen.length === SENTENCES || sentence.worth < first.worth * NEAR_BEST) break;
    if (!chosen.some((other) => saysTheSame(other, sentence))) chosen.push(sentence);
  }
  const lead = chosen[0]?.number ?? 0;
  const place = (sentence: Sentence) => (sentence.number === lead ? 0 : sentence.number);
  return chosen.sort((a, b) => place(a) - place(b) || a.position - b.position);
}

function saysTheSame(a: Sentence, b: Sentence): boolean {
  if (a.text === b.text) return true;
  const shared = [...a.terms].filter((term) => b.terms.has(term)).length;
  const all = a.terms.size + b.terms.size - shared;
  return all > 0 && shared / all >= SAME;
}
