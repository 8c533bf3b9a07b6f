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

/** Tries each peer with every size once, on a sample where the workload is large. */
async function bestBatches({ page, workload, sides }: Contest): Promise<Batches> {
  const best: Batches = {};
  const least: Partial<Record<SideName, number>> = {};
  const peers = sides.filter((name) => (PEERS as readonly SideName[]).includes(name));
  const sample = workload === 'B' ? 'B_sample' : workload;
  for (const size of BATCH_SIZES) {
    const ways = Object.fromEntries(peers.map((name) => [name, size]));
    const times = await page.call('compare', sample, ways, 1);
    for (const name of peers) {
      const time = times[name]?.[0] ?? Number.POSITIVE_INFINITY;
      if (time >= (least[name] ?? Number.POSITIVE_INFINITY)) continue;
      least[name] = time;
      best[name] = size;
    }
  }
  return best;
}
