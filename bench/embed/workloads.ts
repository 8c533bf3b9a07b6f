/**
 * The texts of the workloads, from `../shared/data`. Each takes what it needs evenly from all there is, so
 * that no corner of a collection (STS-B begins with picture captions) stands for the whole.
 */
import { cranfield, med } from '../loop/smart.ts';
import type { WorkloadName } from './settings.ts';
import { readPairs } from './sts.ts';

export type Texts = Readonly<Record<WorkloadName, readonly string[]>>;

/** Texts of B by kind: short sentences above all, with questions and abstracts among them. */
export const MIXED = { sentences: 1_445, queries: 255, abstracts: 300 } as const;

const COUNTS = { Q: 64, D: 64, S: 200 } as const;

/** Q: queries; D: abstracts; S: sentences; B: all kinds in turns. Deterministic. */
export function readWorkloads(): Texts {
  const questions = [...cranfield().queries.values()];
  const abstracts = [...cranfield().documents.values()].map(withoutTitle);
  const sentences = [...new Set(readPairs().flatMap(({ a, b }) => [a, b]))];
  return {
    Q: evenly(questions, COUNTS.Q),
    D: evenly(abstracts, COUNTS.D),
    S: evenly(sentences, COUNTS.S),
    B: mixed([
      evenly(sentences, MIXED.sentences),
      evenly([...questions, ...med().queries.values()], MIXED.queries),
      evenly([...abstracts, ...med().documents.values()], MIXED.abstracts),
    ]),
  };
}

/** The abstracts of Cranfield open with their title, which the collection puts before them once more. */
export function withoutTitle(text: string): string {
  for (let at = text.indexOf(' '); at > 0 && at < text.length / 2; at = text.indexOf(' ', at + 1)) {
    if (text.startsWith(text.slice(0, at + 1), at + 1)) return text.slice(at + 1);
  }
  return text;
}

/** `count` of all texts that hold anything, at even distances, in their order. */
export function evenly(all: readonly string[], count: number): string[] {
  const texts = all.filter((text) => text.trim() !== '');
  if (texts.length < count)
    throw new Error(`${count} texts are wanted, but there are ${texts.length}.`);
  return Array.from(
    { length: count },
    (_, at) => texts[Math.floor((at * texts.length) / count)] as string,
  );
}

/** All texts of all kinds, each kind spread over the whole length. */
export function mixed(kinds: readonly (readonly string[])[]): string[] {
  const placed = kinds.flatMap((texts) =>
    texts.map((text, at) => ({ text, at: (at + 0.5) / texts.length })),
  );
  // A stable sort: where two stand at one place, the kind that is named first goes first.
  return placed.sort((a, b) => a.at - b.at).map(({ text }) => text);
}
