/**
 * `npm run test:sim`, `test:kill`, `test:faults`: the long versions of what `npm test` runs in short.
 * `-- --runs N --seed S` set how many runs there are and where the numbers that look like chance begin;
 * without a seed one is drawn, and printed.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Proof {
  readonly says: string;
  /** What a run is, and how many there are when nobody says. */
  readonly runs: number;
  readonly arguments: readonly string[];
}

/** Projects, and the beginnings of the names of the files that have faults. */
const FAULTS = [
  ...['faults', 'browser', 'node', 'e2e'].flatMap((project) => ['--project', project]),
  'test/faults/',
  'test/kill/',
  'test/browser/archive',
  'test/browser/engine-pool',
  'test/browser/erase-scan',
  'test/browser/mirror',
  'test/browser/store',
  'test/browser/tabs',
  'test/browser/worker-faults',
  'test/contracts/idb-open',
  'test/contracts/store',
  'test/e2e/assets',
  'test/e2e/onnx',
  'test/unit/archive/',
  'test/unit/index/idb-',
  'test/unit/index/mirror',
  'test/unit/index/quota',
  'test/unit/index/tabs',
  'test/unit/kernel/mutants',
  'test/unit/shared/link',
];
/** How much of what `npm test` runs in short: mutants of saved graphs and of export files, sequences of tabs. */
const LONG = { WHORL_MUTANTS: '10000', WHORL_TAB_RUNS: '20000' };

export const PROOFS: ReadonlyMap<string, Proof> = new Map([
  [
    'sim',
    {
      says: 'the store against a model, over storage that fails: runs are operation sequences',
      runs: 100_000,
      arguments: ['--project', 'sim'],
    },
  ],
  [
    'kill',
    {
      says: 'renderers, browsers and profiles struck mid-write: runs are kills of a renderer',
      runs: 200,
      arguments: ['--project', 'faults', 'test/kill/'],
    },
  ],
  [
    'faults',
    {
      says: 'all faults in Chromium, in their long versions: runs are kills of a renderer',
      runs: 20,
      arguments: FAULTS,
    },
  ],
]);

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`--${name} must be a whole number, not "${text}".`);
}

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { runs: { type: 'string' }, seed: { type: 'string' } },
  });
  const [name = '', ...filters] = positionals;
  const proof = PROOFS.get(name);
  if (proof === undefined) {
    const known = [...PROOFS].map(([each, { says }]) => `  ${each}: ${says}`).join('\n');
    throw new Error(`There is no proof "${name}". There are:\n${known}`);
  }
  const runs = wholeNumber('runs', values.runs ?? String(proof.runs));
  const seed = wholeNumber('seed', values.seed ?? String(randomInt(2 ** 31)));
  console.log(`${name}: ${runs} runs, seed ${seed}`);
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const { status } = spawnSync(process.execPath, [vitest, 'run', ...proof.arguments, ...filters], {
    cwd: ROOT,
    stdio: 'inherit',
    env: {
      ...LONG,
      ...process.env,
      WHORL_FAULTS: 'all',
      WHORL_RUNS: String(runs),
      WHORL_SEED: String(seed),
    },
  });
  console.log(`${name}: ${status === 0 ? 'passed' : 'failed'}; again with --seed ${seed}`);
  return status ?? 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  }
}
