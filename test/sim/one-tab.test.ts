/**
 * Random operations of one tab over a storage that fails, beside a Map: seven in ten of
 * `WHORL_RUNS` operation sequences (default 5,000).
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { baseSeed } from '../faults/harness/seeded.ts';
import { commands, runOneTab } from './one-tab.ts';

const RUNS = Math.ceil(Number(process.env.WHORL_RUNS ?? 5_000) * 0.7);
const SEED = baseSeed(1);

test(
  `one tab, ${RUNS} sequences, seed ${SEED}`,
  async () => {
    let ended = 0;
    await fc.assert(
      fc.asyncProperty(commands, async (list) => {
        await runOneTab(list);
        ended += 1;
      }),
      { numRuns: RUNS, seed: SEED },
    );
    console.log(`one tab: ${ended} sequences ran to their end, seed ${SEED}`);
    expect(ended).toBe(RUNS);
  },
  RUNS * 60 + 60_000,
);
