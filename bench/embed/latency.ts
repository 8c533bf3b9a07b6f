/** How long a query takes while nothing else is done, and while much is being embedded. */
import type { Engine } from '../../src/index.ts';
import { libraryOf, openEngine } from './our-side.ts';
import type { Clock } from './rounds.ts';

/** What else is done: texts that the page embeds, or rows with texts that it inserts into a collection. */
export type BulkWork = 'embed' | 'insert';

export interface LatencyTimes {
  /** Milliseconds of each query. */
  readonly idle: readonly number[];
  readonly busy: readonly number[];
}

export interface LatencySettings {
  readonly workers: number;
  readonly work: BulkWork;
  /** Of all queries, idle and busy in turns. */
  readonly rounds: number;
  readonly queries: readonly string[];
  readonly bulk: readonly string[];
  readonly clock: Clock;
}

/** Milliseconds between an answer and the next query: a person is slower, a test would take longer. */
const GAP_MS = 15;
/** Rows of an insertion. */
const ROWS = 200;

type Work = (texts: readonly string[]) => Promise<unknown>;

export async function latencyOf(settings: LatencySettings): Promise<LatencyTimes> {
  const engine = await openEngine(settings.workers);
  try {
    await engine.prepare();
    const work = await workOf(engine, settings.work);
    // Starts every worker of the pool and warms both paths up.
    await work(settings.bulk.slice(0, ROWS));
    await ask(engine, settings);
    const idle: number[] = [];
    const busy: number[] = [];
    for (let round = 0; round < settings.rounds; round++) {
      idle.push(...(await ask(engine, settings)));
      busy.push(...(await whileBusy(work, settings.bulk, () => ask(engine, settings))));
    }
    return { idle, busy };
  } finally {
    await engine.close();
  }
}

async function ask(engine: Engine, { queries, clock }: LatencySettings): Promise<number[]> {
  const times: number[] = [];
  for (const query of queries) {
    await new Promise((resolve) => setTimeout(resolve, GAP_MS));
    const start = clock.now();
    await engine.embed([query], { priority: 'query' });
    times.push(clock.now() - start);
  }
  return times;
}

async function workOf(engine: Engine, kind: BulkWork): Promise<Work> {
  if (kind === 'embed') return (texts) => engine.embed(texts, { priority: 'bulk' });
  const { textCollection } = await libraryOf();
  await engine.milvus.createCollection(textCollection('bench'));
  return (texts) =>
    engine.milvus.insert({ collectionName: 'bench', data: texts.map((text) => ({ text })) });
}

/** Does work without a pause from before the questions until after them. */
async function whileBusy<T>(
  work: Work,
  texts: readonly string[],
  questions: () => Promise<T>,
): Promise<T> {
  let asking = true;
  const keepBusy = async () => {
    for (let from = 0; asking; from = (from + ROWS) % texts.length) {
      await work(texts.slice(from, from + ROWS));
    }
  };
  const busy = keepBusy();
  try {
    return await questions();
  } finally {
    asking = false;
    await busy;
  }
}
