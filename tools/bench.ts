/**
 * `npm run bench:NAME -- [options]`, or `npx tsx tools/bench.ts NAME [options]`: runs a benchmark;
 * without a name, says which there are. What is compared with (the peers) is no dependency of the
 * project: it has a manifest and a lockfile of its own in `bench/` and is installed when a benchmark
 * first needs it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { missing as modelsMissing } from '../bench/embed/missing.ts';
import { missing as vectorsMissing } from '../bench/index/vectors.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BENCH = join(ROOT, 'bench');

export interface Benchmark {
  readonly file: string;
  readonly says: string;
  /** Whether it compares with the packages of `bench/package.json`. */
  readonly peers: boolean;
  /** Why it would skip here, before anything is installed for it; null when it runs. */
  readonly missing: string | null;
}

export const BENCHMARKS: ReadonlyMap<string, Benchmark> = new Map([
  [
    'index',
    {
      file: 'bench/index/main.ts',
      says: 'vector index against hnswlib-wasm: build, recall, search [--n 20000] [--rounds 7]',
      peers: true,
      missing: vectorsMissing,
    },
  ],
  [
    'embed',
    {
      file: 'bench/embed/main.ts',
      says: 'text to vectors against onnxruntime-web and transformers.js [--only Q,D,S,B,...] [--rounds 7]',
      peers: true,
      missing: modelsMissing,
    },
  ],
  [
    'mirror',
    {
      file: 'bench/mirror/main.ts',
      says: 'what the second copy in OPFS costs inserts [--rounds 5] [--only small|large]',
      peers: false,
      missing: null,
    },
  ],
  [
    'feedback',
    {
      file: 'bench/loop/feedback.ts',
      says: 'what ratings are worth to later questions',
      peers: false,
      missing: null,
    },
  ],
  [
    'groundedness',
    {
      file: 'bench/loop/groundedness.ts',
      says: 'which untrue sentences the gate finds',
      peers: false,
      missing: null,
    },
  ],
]);

/** Peers of the manifest that are not installed in exactly its version, as `name@version`. */
export function peersToInstall(
  manifest: { readonly dependencies: Readonly<Record<string, string>> },
  installed: (name: string) => string | null,
): string[] {
  return Object.entries(manifest.dependencies)
    .filter(([name, version]) => installed(name) !== version)
    .map(([name, version]) => `${name}@${version}`);
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function installedVersion(name: string): string | null {
  const path = join(BENCH, 'node_modules', name, 'package.json');
  return existsSync(path) ? (readJson(path) as { version: string }).version : null;
}

/** Runs `npm ci` in `bench/` unless all peers are there. */
function installPeers(): void {
  const manifest = readJson(join(BENCH, 'package.json'));
  const wanted = peersToInstall(manifest as Parameters<typeof peersToInstall>[0], installedVersion);
  if (wanted.length === 0) return;
  console.log(`installing ${wanted.join(', ')} in bench/`);
  const code = run('npm', ['ci', '--ignore-scripts'], BENCH, process.platform === 'win32');
  if (code !== 0) {
    throw new Error(`\`npm ci\` in bench/ ended with ${code}. Nothing was measured; run it again.`);
  }
}

/** The exit code; that of a shell when a signal ended it. */
function run(command: string, args: readonly string[], cwd: string, shell = false): number {
  const { status, signal, error } = spawnSync(command, args, { cwd, shell, stdio: 'inherit' });
  if (error) throw new Error(`${command} cannot be started: ${error.message}`, { cause: error });
  return status ?? 128 + (signal ? constants.signals[signal] : 0);
}

function list(benchmarks: ReadonlyMap<string, Benchmark>): string[] {
  const width = Math.max(...[...benchmarks.keys()].map((name) => name.length));
  return [...benchmarks].map(([name, { says }]) => `  ${name.padEnd(width)}  ${says}`);
}

/** Runs the benchmark that is named first with the other arguments; the exit code. */
export function main(
  [name, ...args]: readonly string[],
  benchmarks: ReadonlyMap<string, Benchmark> = BENCHMARKS,
): number {
  if (name === undefined) {
    for (const line of ['Benchmarks:', ...list(benchmarks)]) console.log(line);
    return 0;
  }
  const benchmark = benchmarks.get(name);
  if (!benchmark) {
    for (const line of [`There is no benchmark "${name}". There are:`, ...list(benchmarks)]) {
      console.error(line);
    }
    return 1;
  }
  if (benchmark.peers && benchmark.missing === null) installPeers();
  return run(process.execPath, ['--import', 'tsx', join(ROOT, benchmark.file), ...args], ROOT);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = main(process.argv.slice(2));
}
