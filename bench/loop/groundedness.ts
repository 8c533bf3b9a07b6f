/**
 * Measures the groundedness gate on Cranfield, MED and the English sample: how many honest rewrites
 * pass (TPR) and how many untrue sentences do (FPR). Real MiniLM vectors.
 *
 *     npx tsx bench/loop/groundedness.ts [sentences a collection, default 120] [seed, default 7] [--lenient] [--verbose]
 *
 * Each claim cites source 1 of five, which are the record and its nearest four by BM25. Last line: JSON.
 */
import { readFileSync } from 'node:fs';
import { evaluate } from '../../src/loop/evaluate/index.ts';
import { sentencesOf } from '../../src/loop/sentences.ts';
import type { Prompt } from '../../src/loop/types.ts';
import { LexicalIndex } from '../../workers/index/lexical/lexical-index.ts';
import { Minilm, modelMissing } from './minilm.ts';
import {
  contentWords,
  type Dice,
  dice,
  honest,
  pick,
  type Surroundings,
  untrue,
} from './perturb.ts';
import { cranfield, med, missing } from './smart.ts';

interface Corpus {
  readonly name: string;
  readonly texts: readonly string[];
  readonly headings: readonly string[];
  /** Names in each record. */
  readonly names: readonly (readonly string[])[];
}

interface Case {
  readonly corpus: string;
  readonly kind: string;
  readonly honest: boolean;
  readonly source: string;
  readonly text: string;
  readonly prompt: Prompt;
}

const model = new Minilm();

function corpora(): Corpus[] {
  const plain = (name: string, documents: ReadonlyMap<string, string>): Corpus => {
    const texts = [...documents.values()];
    return { name, texts, headings: texts.map(() => ''), names: texts.map(() => []) };
  };
  return [
    plain('cranfield', withoutTitles(cranfield().documents)),
    plain('med', med().documents),
    sample(),
  ];
}

/** The abstract alone: the title before it would be one sentence with its first. */
function withoutTitles(documents: ReadonlyMap<string, string>): Map<string, string> {
  return new Map(
    [...documents].map(([id, text]) => {
      const half = text.slice(0, Math.floor(text.length / 2));
      const title = /^(.{10,250}? \.) \1/.exec(`${half} `)?.[1] ?? '';
      return [id, text.slice(title.length).trim()];
    }),
  );
}

function sample(): Corpus {
  const path = new URL('../../src/app/sample/taverns.json', import.meta.url);
  const records = (JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>[]).filter(
    (record) => record.lang === 'en',
  );
  const names = records.map((record) => [
    record.name ?? '',
    ...(record.famous_visitor ?? '').split(',').slice(0, 1),
    ...(record.location ?? '').split(', '),
  ]);
  const headings = records.map(
    (r) => `name: ${r.name}\nlocation: ${r.location}\nfamous_visitor: ${r.famous_visitor}\n`,
  );
  return { name: 'taverns', texts: records.map((r) => r.description ?? ''), headings, names };
}

async function casesOf(corpus: Corpus, count: number, random: Dice): Promise<Case[]> {
  const index = new LexicalIndex();
  for (const [row, text] of corpus.texts.entries()) index.add(row, text);
  const vocabulary = [...new Set(corpus.texts.flatMap((t) => contentWords(t).map((w) => w.word)))];
  const cases: Case[] = [];
  for (const row of shuffled(corpus.texts.length, random).slice(0, count)) {
    const sentences = telling(corpus.texts[row] ?? '');
    const at = Math.floor(random() * (sentences.length - 1));
    const [source, next] = [sentences[at], sentences[at + 1]];
    if (source === undefined || next === undefined) continue;
    const near = [...index.search(corpus.texts[row] ?? '', 5).rows].filter(
      (other) => other !== row,
    );
    const around = await surroundings(corpus, row, near, source, vocabulary, random);
    const prompt = promptOf(corpus, [row, ...near.slice(0, 4)]);
    const add = (kind: string, text: string, isHonest: boolean): void => {
      cases.push({ corpus: corpus.name, kind, honest: isHonest, source, text, prompt });
    };
    for (const [kind, text] of honest(source, next, random)) add(kind, text, true);
    for (const [kind, text] of untrue(source, around, random)) add(kind, text, false);
  }
  return cases;
}

/** Sentences that claim something and are no fragment. */
function telling(text: string): string[] {
  return sentencesOf(text)
    .map((sentence) => sentence.text)
    .filter((sentence) => contentWords(sentence).length >= 5 && sentence.length <= 260);
}

async function surroundings(
  corpus: Corpus,
  row: number,
  near: readonly number[],
  sentence: string,
  vocabulary: readonly string[],
  random: Dice,
): Promise<Surroundings> {
  const far = shuffled(corpus.texts.length, random).filter((r) => r !== row && !near.includes(r));
  const elsewhere =
    far.map((r) => pick(telling(corpus.texts[r] ?? ''), random)).find(Boolean) ?? '';
  const rivals = telling(corpus.texts[near[0] ?? far[0] ?? 0] ?? '');
  const rows = await model.embed([sentence, ...rivals]);
  const size = rows.length / (rivals.length + 1);
  const cosine = (i: number) =>
    rows.subarray(0, size).reduce((sum, x, k) => sum + x * (rows[(i + 1) * size + k] ?? 0), 0);
  const order = rivals.map((_, i) => i).sort((a, b) => cosine(b) - cosine(a));
  return {
    elsewhere,
    nearest: rivals[order[0] ?? 0] ?? elsewhere,
    vocabulary,
    names: corpus.names[row] ?? [],
    otherNames: corpus.names.filter((_, other) => other !== row).flat(),
  };
}

function promptOf(corpus: Corpus, rows: readonly number[]): Prompt {
  const sources = rows.map((row, i) => {
    const heading = corpus.headings[row] ?? '';
    const text = heading + (corpus.texts[row] ?? '');
    return { number: i + 1, id: String(row), text, ...(heading === '' ? {} : { heading }) };
  });
  return { system: '', messages: [], sources, question: '', hash: '', tokens: 0 };
}

function shuffled(count: number, random: Dice): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}

interface Tally {
  passed: number;
  total: number;
}

async function measure(cases: readonly Case[], verbose: boolean): Promise<Map<string, Tally>> {
  const tallies = new Map<string, Tally>();
  for (const one of cases) {
    const { verdict } = await evaluate(
      {
        question: '',
        answer: `${one.text.replace(/\.$/, '')} [1].`,
        prompt: one.prompt,
        extractive: false,
        stopReason: 'end_turn',
      },
      (texts) => model.embed(texts),
      { gate: process.argv.includes('--lenient') ? 'lenient' : 'strict' },
    );
    const grounded = verdict.sentences.every((sentence) => sentence.state === 'grounded');
    for (const key of [
      `${one.corpus} ${one.honest ? '+' : '-'} ${one.kind}`,
      `all ${one.honest ? '+' : '-'} ${one.kind}`,
    ]) {
      const tally = tallies.get(key) ?? { passed: 0, total: 0 };
      tally.passed += grounded ? 1 : 0;
      tally.total += 1;
      tallies.set(key, tally);
    }
    if (verbose && grounded !== one.honest) {
      const why = verdict.sentences.map((s) => s.reason).join(' / ');
      console.error(
        `${one.corpus} ${one.kind}\n  source: ${one.source}\n  claim:  ${one.text}\n  ${why || verdict.reason}`,
      );
    }
  }
  return tallies;
}

/** Mean of the shares of the kinds, so that a kind that fits few sentences counts as much. */
function rate(tallies: ReadonlyMap<string, Tally>, prefix: string): number {
  const shares = [...tallies]
    .filter(([key]) => key.startsWith(prefix))
    .map(([, t]) => t.passed / t.total);
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

async function main(): Promise<void> {
  const reason = missing ?? modelMissing;
  if (reason !== null) return console.log(`Nothing was measured: ${reason}.`);
  const count = Number(process.argv[2] ?? 120);
  const random = dice(Number(process.argv[3] ?? 7));
  const cases: Case[] = [];
  for (const corpus of corpora()) cases.push(...(await casesOf(corpus, count, random)));
  const tallies = await measure(cases, process.argv.includes('--verbose'));
  model.save();
  for (const [key, { passed, total }] of [...tallies].sort(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(`${key.padEnd(36)} ${(passed / total).toFixed(3)}  (${passed} of ${total})`);
  }
  const names = ['cranfield', 'med', 'taverns', 'all'];
  const rates = Object.fromEntries(
    names.map((name) => [
      name,
      { tpr: round(rate(tallies, `${name} +`)), fpr: round(rate(tallies, `${name} -`)) },
    ]),
  );
  console.log(JSON.stringify({ suite: 'groundedness', cases: cases.length, ...rates }));
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

await main();
