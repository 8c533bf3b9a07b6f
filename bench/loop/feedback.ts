/**
 * What feedback is worth: the change of nDCG@10 on needs that return in other words, on needs that
 * never gave feedback, and under random feedback. Real MiniLM vectors, simulated users.
 *
 *     npx tsx bench/loop/feedback.ts [collections, default med,cranfield] [seeds, default 8]
 *
 * Each need is asked in five sessions: as it is written, then again with another 40% of its words
 * dropped each time. Of the ten
 * records shown, one at rank r is examined with probability 1 / r; one that is examined is judged
 * rightly with probability .8 and clicked when judged relevant. 30% of the needs never give feedback.
 * With votes, 30% of the shown records also get one, which is right with probability .9.
 * Random feedback clicks on half of what is examined, whatever it is. The last session is compared
 * with the same words asked without memory; intervals by bootstrap over needs. Last line: JSON.
 */
import {
  bookingOf,
  type Calibration,
  type Feedback,
  learn,
  type PastTurn,
  PRIOR,
  pullingIds,
  shiftQuestion,
  trust,
  UNCALIBRATED,
} from '../../src/loop/memory.ts';
import { rankCandidates } from '../../src/loop/retrieve.ts';
import type { Hit, Learnt } from '../../src/loop/types.ts';
import type { Candidate } from '../../src/shared/types.ts';
import { LexicalIndex } from '../../workers/index/lexical/lexical-index.ts';
import { vectorsOf } from './feedback-vectors.ts';
import { modelMissing } from './minilm.ts';
import { type Collection, cranfield, med, missing } from './smart.ts';
import { ndcgOfQuery } from './trec-eval.ts';

const SESSIONS = 5;
const SHOWN = 10;
const DROPPED = 0.4;
const SILENT = 0.3;
const CLICK_RIGHT = 0.8;
const VOTES = 0.3;
const VOTE_RIGHT = 0.9;
const PULLING = 64;
const RESAMPLES = 10_000;

/** Others can be tried: `PRIOR_P0=.2 PRIOR_WEIGHT=0`. */
const PRIOR_USED = {
  p0: Number(process.env.PRIOR_P0 ?? PRIOR.p0),
  weight: Number(process.env.PRIOR_WEIGHT ?? PRIOR.weight),
};

type Users = 'clicks' | 'votes' | 'random';
type Random = () => number;

/** Mulberry32. */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Question {
  readonly text: string;
  readonly vector: Float32Array;
  readonly cosines: Float32Array;
  readonly words: Float32Array;
  readonly maxBm25: number;
}

interface Need {
  readonly id: string;
  readonly gains: ReadonlyMap<string, number>;
  /** One for each session. */
  readonly questions: readonly Question[];
}

interface World {
  readonly ids: readonly string[];
  readonly vectors: ReadonlyMap<string, Float32Array>;
  readonly needs: readonly Need[];
}

function reword(text: string, random: Random): string {
  const words = text.split(/\s+/).filter((word) => word !== '');
  const kept = words.filter(() => random() >= DROPPED);
  return (kept.length > 0 ? kept : words).join(' ');
}

async function build({ name, documents, queries, judgments }: Collection): Promise<World> {
  const ids = [...documents.keys()];
  const random = randomOf(20_240_501);
  const asked = [...queries].filter(([id]) =>
    [...(judgments.get(id)?.values() ?? [])].some((gain) => gain > 0),
  );
  const texts = asked.flatMap(([, text]) =>
    Array.from({ length: SESSIONS }, (_, session) => (session === 0 ? text : reword(text, random))),
  );
  const questionVectors = await vectorsOf(`${name} questions`, texts);
  const rows = await vectorsOf(`${name} documents`, [...documents.values()]);
  const lexical = new LexicalIndex();
  [...documents.values()].forEach((text, row) => {
    lexical.add(row, text);
  });
  const needs = asked.map(
    ([id], i): Need => ({
      id,
      gains: judgments.get(id) ?? new Map(),
      questions: Array.from({ length: SESSIONS }, (_, session) => {
        const at = i * SESSIONS + session;
        return question(texts[at]!, questionVectors[at]!, rows, lexical);
      }),
    }),
  );
  return { ids, vectors: new Map(ids.map((id, i) => [id, rows[i]!])), needs };
}

function question(
  text: string,
  vector: Float32Array,
  rows: readonly Float32Array[],
  lexical: LexicalIndex,
): Question {
  const words = new Float32Array(rows.length);
  const found = lexical.search(text, rows.length);
  found.rows.forEach((row, i) => {
    words[row] = found.scores[i]!;
  });
  const cosines = Float32Array.from(rows, (row) => dot(vector, row));
  return { text, vector, cosines, words, maxBm25: found.scores[0] ?? 0 };
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function ask(world: World, asked: Question, learnt: Learnt | null): Hit[] {
  const pulling = learnt ? pullingIds(learnt, PULLING) : [];
  const vectors = new Map(pulling.map((id) => [id, world.vectors.get(id)!]));
  const shifted = learnt ? shiftQuestion(asked.vector, learnt, vectors) : null;
  const candidates = world.ids.map(
    (id, i): Candidate => ({
      id,
      row: {},
      cosine: asked.cosines[i]!,
      shifted: shifted ? dot(shifted, world.vectors.get(id)!) : null,
      bm25: asked.words[i]!,
    }),
  );
  const result = { candidates, maxBm25: asked.maxBm25 };
  return rankCandidates(result, { textField: 'text', limit: SHOWN, learnt });
}

function quality(need: Need, hits: readonly Hit[]): number {
  const run = new Map(hits.map(({ id, rank }) => [id, -rank]));
  return ndcgOfQuery(need.gains, run, SHOWN);
}

function react(need: Need, hits: readonly Hit[], users: Users, random: Random) {
  const examined = hits.filter(({ rank }) => random() < 1 / rank);
  const relevant = (id: string) => (need.gains.get(id) ?? 0) > 0;
  const opened = examined.filter(({ id }) =>
    users === 'random' ? random() < 0.5 : relevant(id) === random() < CLICK_RIGHT,
  );
  const hitVotes: Record<string, 'up' | 'down'> = {};
  for (const { id } of users === 'votes' ? hits : []) {
    if (random() >= VOTES) continue;
    hitVotes[id] = relevant(id) === random() < VOTE_RIGHT ? 'up' : 'down';
  }
  return { opened: opened.map(({ id }) => id), hitVotes };
}

interface Outcome {
  readonly silent: boolean;
  readonly base: number;
  readonly learnt: number;
}

function simulate(world: World, users: Users, seed: number) {
  const random = randomOf(seed);
  const silent = world.needs.map(() => random() < SILENT);
  const memory: { readonly vector: Float32Array; readonly past: Omit<PastTurn, 'similarity'> }[] =
    [];
  let calibration: Calibration = UNCALIBRATED;
  let outcomes: Outcome[] = [];
  for (let session = 0; session < SESSIONS; session++) {
    // All needs of a session see the same memory: the order of needs means nothing.
    const before = memory.slice();
    const trusted = calibration;
    outcomes = world.needs.map((need, i): Outcome => {
      const asked = need.questions[session]!;
      const near = before.map(({ vector, past }) => ({
        ...past,
        similarity: dot(vector, asked.vector),
      }));
      const learnt = learn(near, trusted, PRIOR_USED);
      const hits = ask(world, asked, learnt);
      if (!silent[i]) {
        const shown = hits.map(({ id, rank }) => ({
          id,
          rank,
          u: learnt?.records.get(id)?.u ?? 0,
        }));
        const said = react(need, hits, users, random);
        const p0 = learnt?.p0 ?? 0;
        const feedback: Feedback = { shown, p0, cited: [], vote: null, ...said };
        const { a, b } = bookingOf(feedback);
        calibration = { a: calibration.a + a, b: calibration.b + b };
        const past = { turnId: `${need.id}-${session}`, question: asked.text, feedback };
        memory.push({ vector: asked.vector, past });
      }
      if (session < SESSIONS - 1) return { silent: silent[i]!, base: 0, learnt: 0 };
      const base = quality(need, ask(world, asked, null));
      return { silent: silent[i]!, base, learnt: quality(need, hits) };
    });
  }
  return { outcomes, lambda: trust(calibration) };
}

interface Change {
  readonly base: number;
  /** Share of the base, and its 95% interval. */
  readonly change: number;
  readonly low: number;
  readonly high: number;
}

/** Mean over seeds for each need, then over needs; needs are resampled. */
function changeOf(runs: readonly (readonly Outcome[])[], which: (one: Outcome) => boolean): Change {
  const needs = (runs[0] ?? []).flatMap((_, i) => {
    const own = runs.map((run) => run[i]!).filter(which);
    if (own.length === 0) return [];
    const mean = (pick: (one: Outcome) => number) =>
      own.reduce((sum, one) => sum + pick(one), 0) / own.length;
    return [{ base: mean((one) => one.base), learnt: mean((one) => one.learnt) }];
  });
  const ratio = (sample: readonly (typeof needs)[number][]) => {
    const base = sample.reduce((sum, one) => sum + one.base, 0);
    return sample.reduce((sum, one) => sum + one.learnt, 0) / base - 1;
  };
  const random = randomOf(99);
  const resampled = Array.from({ length: RESAMPLES }, () =>
    ratio(needs.map(() => needs[Math.floor(random() * needs.length)]!)),
  ).sort((a, b) => a - b);
  return {
    base: needs.reduce((sum, one) => sum + one.base, 0) / needs.length,
    change: ratio(needs),
    low: resampled[Math.floor(RESAMPLES * 0.025)]!,
    high: resampled[Math.floor(RESAMPLES * 0.975)]!,
  };
}

const MUST = {
  cranfield: { clicks: 0.19, votes: 0.35 },
  med: { clicks: 0.05, votes: 0.1 },
} as const;

const percent = (x: number) => `${x >= 0 ? '+' : ''}${(100 * x).toFixed(1)}%`;

function measure(name: keyof typeof MUST, world: World, seeds: number) {
  const runsOf = (users: Users) =>
    Array.from({ length: seeds }, (_, seed) => simulate(world, users, 1000 + seed));
  const report: Record<string, number | boolean> = {};
  const say = (label: string, found: Change, must: number, isMet: boolean) => {
    const interval = `[${percent(found.low)}, ${percent(found.high)}]`;
    const mark = isMet ? 'met' : 'NOT MET';
    console.log(
      `${name.padEnd(10)} ${label.padEnd(28)} base ${found.base.toFixed(3)}  ${percent(found.change)} ${interval}  must ${percent(must)}: ${mark}`,
    );
    report[label.replaceAll(' ', '_')] = Number(found.change.toFixed(4));
    if (!isMet) report.met = false;
  };
  for (const users of ['clicks', 'votes'] as const) {
    const runs = runsOf(users);
    const outcomes = runs.map((run) => run.outcomes);
    const back = changeOf(outcomes, ({ silent }) => !silent);
    say(`returning ${users}`, back, MUST[name][users], back.change >= MUST[name][users]);
    const unseen = changeOf(outcomes, ({ silent }) => silent);
    say(`unseen ${users}`, unseen, -0.01, unseen.change >= -0.01 && unseen.high >= 0);
    console.log(
      `${name.padEnd(10)} lambda ${runs.map(({ lambda }) => lambda.toFixed(2)).join(' ')}`,
    );
  }
  const noise = runsOf('random');
  const random = changeOf(
    noise.map((run) => run.outcomes),
    () => true,
  );
  say('random', random, -0.015, Math.abs(random.change) <= 0.015);
  console.log(
    `${name.padEnd(10)} lambda ${noise.map(({ lambda }) => lambda.toFixed(2)).join(' ')}`,
  );
  return { met: true, ...report };
}

const reason = missing ?? modelMissing;
if (reason !== null) {
  console.log(`Skipped: ${reason}.`);
} else {
  const [names = 'med,cranfield', seeds = '8'] = process.argv.slice(2);
  const results: Record<string, unknown> = { suite: 'feedback', seeds: Number(seeds) };
  for (const name of names.split(',') as (keyof typeof MUST)[]) {
    const world = await build(name === 'med' ? med() : cranfield());
    results[name] = measure(name, world, Number(seeds));
  }
  console.log(JSON.stringify(results));
}
