/** The page on which sides are compared: opens them, finds the batches of peers, runs them in turns. */
import { OrtSide } from './ort-side.ts';
import { type Runner, runInTurns, type Times } from './rounds.ts';
import { DIMENSION, PLACES, type SideName, type WorkloadName } from './settings.ts';
import type { Side } from './side.ts';
import { TransformersSide } from './transformers-side.ts';
import type { Texts } from './workloads.ts';

const clock = {
  now: () => performance.now(),
  pause: () => new Promise<void>((resolve) => setTimeout(resolve, 5)),
};

let open: Side[] = [];
let texts: Texts | null = null;

async function openSide(name: SideName, threads: number | 'default'): Promise<Side> {
  if (name === 'ort_fp32' || name === 'ort_int8') {
    return OrtSide.open(name === 'ort_fp32' ? 'fp32' : 'int8');
  }
  if (name === 'ours') throw new Error('not yet');
  return TransformersSide.open(name === 'transformers_fp32' ? 'fp32' : 'q8', threads);
}

function runnerOf(side: Side, workload: WorkloadName, batch: number): Runner {
  const all = (texts as Texts)[workload];
  const one = async () => {
    for (const text of all) await side.query(text);
  };
  const many = () => side.embed(all, batch);
  return { name: side.name, run: workload === 'Q' ? one : many };
}

const bench = {
  async open(names: readonly SideName[], threads: number | 'default'): Promise<void> {
    texts = await (await fetch(PLACES.texts)).json();
    for (const name of names) open.push(await openSide(name, threads));
  },

  async compare(
    workload: WorkloadName,
    rounds: number,
    batches: Readonly<Partial<Record<SideName, number>>>,
  ): Promise<Times> {
    const runners = open.map((side) => runnerOf(side, workload, batches[side.name] ?? 1));
    return runInTurns(runners, rounds, clock);
  },

  async vectors(name: SideName, some: readonly string[], batch: number): Promise<number[]> {
    const side = open.find((candidate) => candidate.name === name) as Side;
    const rows = await side.embed(some, batch);
    if (rows.length !== some.length * DIMENSION) throw new Error(`${name}: ${rows.length} numbers`);
    return [...rows];
  },

  async close(): Promise<void> {
    for (const side of open) await side.close();
    open = [];
  },
};

export type Bench = typeof bench;
Object.assign(globalThis, { bench });
