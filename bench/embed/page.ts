/** The page on which everything but the start is measured. Node drives it through `globalThis.bench`. */
import { type BulkWork, type LatencyTimes, latencyOf } from './latency.ts';
import { openSide } from './open-side.ts';
import { type Runner, runInTurns, type Times } from './rounds.ts';
import { DIMENSION, type Opening, PLACES, type SideName } from './settings.ts';
import type { Side } from './side.ts';
import { type TokenizerTimes, timeTokenizers } from './tokenizer-times.ts';

const clock = {
  now: () => performance.now(),
  pause: () => new Promise<void>((resolve) => setTimeout(resolve, 5)),
};

const sides = new Map<SideName, Side>();

function sideOf(name: SideName): Side {
  const side = sides.get(name);
  if (!side) throw new Error(`${name} is not open`);
  return side;
}

/** How a side works on texts: one at a time, or in batches of so many. */
export type Way = 'one at a time' | number;

function runnerOf(name: SideName, texts: readonly string[], way: Way): Runner {
  const side = sideOf(name);
  if (way !== 'one at a time') return { name, run: () => side.embed(texts, way) };
  const run = async () => {
    for (const text of texts) await side.query(text);
  };
  return { name, run };
}

async function textsOf(name: string): Promise<readonly string[]> {
  const response = await fetch(PLACES.texts);
  const all: Readonly<Record<string, readonly string[]>> = await response.json();
  const texts = all[name];
  if (!texts) throw new Error(`There are no texts "${name}".`);
  return texts;
}

const bench = {
  async open(names: readonly SideName[], opening: Opening): Promise<void> {
    for (const name of names) sides.set(name, await openSide(name, opening));
  },

  async close(): Promise<void> {
    for (const side of sides.values()) await side.close();
    sides.clear();
  },

  /** Milliseconds of each round over the texts, by side. */
  async compare(
    texts: string,
    ways: Readonly<Partial<Record<SideName, Way>>>,
    rounds: number,
  ): Promise<Times> {
    const all = await textsOf(texts);
    const runners = Object.entries(ways).map(([name, way]) => runnerOf(name as SideName, all, way));
    return runInTurns(runners, rounds, clock);
  },

  /** For its effects only. */
  async embed(name: SideName, texts: string, batch: number): Promise<void> {
    await sideOf(name).embed(await textsOf(texts), batch);
  },

  async vectors(name: SideName, texts: string, batch: number): Promise<number[]> {
    const all = await textsOf(texts);
    return checked(name, await sideOf(name).embed(all, batch), all.length);
  },

  async latency(workers: number, work: BulkWork, rounds: number): Promise<LatencyTimes> {
    return latencyOf({
      workers,
      work,
      rounds,
      queries: await textsOf('Q'),
      bulk: await textsOf('B'),
      clock,
    });
  },

  async tokenizers(rounds: number): Promise<TokenizerTimes> {
    return timeTokenizers(await textsOf('Q'), rounds, clock);
  },
};

function checked(name: string, vectors: Float32Array, texts: number): number[] {
  if (vectors.length === texts * DIMENSION) return [...vectors];
  throw new Error(`${name}: ${vectors.length} numbers for ${texts} texts`);
}

export type Bench = typeof bench;
Object.assign(globalThis, { bench });
