/** Compares sides on a workload, each peer at its best. */
import type { BenchPage } from './browser.ts';
import type { Comparison } from './measures.ts';
import type { Way } from './page.ts';
import { BATCH_SIZES, PEERS, type SideName, type WorkloadName } from './settings.ts';

type Batches = Partial<Record<SideName, number>>;

export interface Contest {
  readonly page: BenchPage;
  readonly workload: WorkloadName;
  /** Those that are open on the page. */
  readonly sides: readonly SideName[];
  readonly rounds: number;
  readonly texts: readonly string[];
  readonly tokens: number;
}

export async function compare(contest: Contest): Promise<Comparison> {
  const { page, workload, sides, rounds, texts, tokens } = contest;
  const batches = workload === 'Q' ? {} : await bestBatches(contest);
  const way = (name: SideName): Way => (workload === 'Q' ? 'one at a time' : (batches[name] ?? 1));
  const ways = Object.fromEntries(sides.map((name) => [name, way(name)]));
  // Compiled code is at its best after a while: one round does not count.
  await page.call('compare', workload, ways, 1);
  const times = await page.call('compare', workload, ways, rounds);
  return { times, batches, tokens, texts: texts.length };
}

/** What was tried with one peer. */
interface Tried {
  readonly batch: number;
  readonly ms: number;
}

/** A peer that became slower than its best by this factor becomes no faster with larger batches. */
const HOPELESS = 1.15;

/** Tries each peer with growing batches, once each, on a sample where the workload is large. */
async function bestBatches({ page, workload, sides }: Contest): Promise<Batches> {
  const sample = workload === 'B' ? 'B_sample' : workload;
  let trying = sides.filter((name) => (PEERS as readonly SideName[]).includes(name));
  const best = new Map<SideName, Tried>();
  for (const batch of BATCH_SIZES) {
    const ways = Object.fromEntries(trying.map((name) => [name, batch]));
    const times = await page.call('compare', sample, ways, 1);
    trying = trying.filter((name) => keepTrying(best, name, { batch, ms: times[name]?.[0] ?? 0 }));
  }
  return Object.fromEntries([...best].map(([name, { batch }]) => [name, batch]));
}

/** Keeps the better; whether larger batches are worth a try. */
export function keepTrying(best: Map<SideName, Tried>, name: SideName, tried: Tried): boolean {
  const before = best.get(name);
  if (!before || tried.ms < before.ms) best.set(name, tried);
  return !before || tried.ms < before.ms * HOPELESS;
}
