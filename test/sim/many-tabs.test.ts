/**
 * Random operations of up to three tabs on one database, over a storage that fails and a lock that is
 * stolen, beside a Map: three in ten of `WHORL_RUNS` operation sequences (default 5,000).
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { baseSeed } from '../faults/harness/seeded.ts';
import { commands, runManyTabs, type Tally } from './many-tabs.ts';

const RUNS = Math.floor(Number(process.env.WHORL_RUNS ?? 5_000) * 0.3);
const SEED = baseSeed(1);

test(
  `many tabs, ${RUNS} sequences, seed ${SEED}`,
  async () => {
    const tally: Tally = { confirmed: 0, refused: 0, struck: 0 };
    let ended = 0;
    await fc.assert(
      fc.asyncProperty(commands, async (list) => {
        await runManyTabs(list, tally);
        ended += 1;
      }),
      { numRuns: RUNS, seed: SEED },
    );
    console.log(
      `many tabs: ${ended} sequences ran to their end, seed ${SEED}; ${tally.confirmed} writes confirmed, ${tally.refused} refused, ${tally.struck} faults struck`,
    );
    expect(ended).toBe(RUNS);
    expect(tally.struck).toBeGreaterThan(RUNS / 4);
  },
  RUNS * 60 + 60_000,
);
