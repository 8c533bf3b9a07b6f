/**
 * `npm run bench:index -- [--n 20000] [--rounds 7]`: our vector index and hnswlib-wasm in one page of
 * Chromium, in one thread, in turns, on real vectors; 20,000 of them, then all, unless `--n` says how
 * many. For each number a table and a line of JSON, and `bench/results/index-<n>.json`.
 *
 * Both: M 48, efConstruction 200, inner product, rows in arrival order. Build: from loaded code to an
 * index with nothing left to do, all rows known; ours compiles its kernel in that time, keeps codes, and
 * tries its graph. One by one: each of our rows is linked before the next comes. Search: one call from
 * JavaScript, result included, at the smallest ef of each that reaches recall@10 .99 against an exact
 * comparison of all rows in Node. Open: in a page of its own, from loaded code and what the first page
 * left in IndexedDB (our vectors; the peer's file) to the answer of a search. The page's clock steps by
 * 5 microseconds.
 *
 * `-- --scale [rows]` measures growth on synthetic vectors instead; see `scale.ts`.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type Browser, type BrowserContext, chromium } from 'playwright';
import { build } from 'rolldown';
import { CHROMIUM_FLAGS, chromiumPath } from '../../test/chromium.ts';
import { indexKernel } from '../../wasm/build/index-kernel.ts';
import { readOptions } from './options.ts';
import { type Circumstances, fileOf, lineOf, tableOf } from './report.ts';
import { measureSizes, writeScale } from './scale.ts';
import { readScale } from './scale-settings.ts';
import { serveBench } from './server.ts';
import {
  type AllMeasures,
  type IndexMeasures,
  type IndexSettings,
  LIMIT,
  type OpenMeasures,
} from './settings.ts';
import { nearestRows } from './truth.ts';
import { missing, QUERIES, readQueries, readRows } from './vectors.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const kernelBytes = Buffer.from(indexKernel, 'base64');
const PEER = join(ROOT, 'bench/node_modules/hnswlib-wasm');

function bytesOf(numbers: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

function prepare({ n, dimension }: IndexSettings): Map<string, Uint8Array> {
  const [rows, queries] = [readRows(n), readQueries()];
  const truth = nearestRows(rows, queries, dimension, LIMIT);
  return new Map([
    ['rows.f32', bytesOf(rows)],
    ['queries.f32', bytesOf(queries)],
    ['truth.i32', bytesOf(truth)],
  ]);
}

async function bundle(folder: string): Promise<void> {
  await build({
    input: { page: 'bench/index/page.ts' },
    cwd: ROOT,
    platform: 'browser',
    output: { dir: folder, format: 'es', entryFileNames: '[name].js' },
  });
}

/** What the page offers. */
interface Page {
  measureIndex(settings: IndexSettings): Promise<IndexMeasures>;
  measureOpen(settings: IndexSettings, ef: number): Promise<OpenMeasures>;
}

async function openPage(context: BrowserContext, url: string) {
  const page = await context.newPage();
  page.on('console', (message) => {
    // The peer talks through console.log.
    if (message.type() !== 'log') console.log(`  ${message.text()}`);
  });
  await page.goto(url, { waitUntil: 'load' });
  await page.waitForFunction('globalThis.measureOpen');
  return page;
}

/** Measures in one page, and opening in another, which finds in storage what the first has left. */
async function measureIn(
  browser: Browser,
  url: string,
  settings: IndexSettings,
): Promise<AllMeasures> {
  const context = await browser.newContext();
  const first = await openPage(context, url);
  const measures = await first.evaluate(
    (asked) => (globalThis as unknown as Page).measureIndex(asked),
    settings,
  );
  await first.close();
  const second = await openPage(context, url);
  const open = await second.evaluate(
    ([asked, ef]) => (globalThis as unknown as Page).measureOpen(asked, ef),
    [settings, measures.peer.ef] as const,
  );
  return { ...measures, open, kernel_gzip: gzipSync(kernelBytes, { level: 9 }).length };
}

function circumstances(browser: string, loadBefore: number): Circumstances {
  const { version } = JSON.parse(readFileSync(join(PEER, 'package.json'), 'utf8'));
  return {
    date: new Date().toISOString(),
    peer_version: version,
    machine: {
      cores: availableParallelism(),
      model: cpus()[0]?.model.trim() ?? 'unknown',
      platform: `${process.platform} ${process.arch}`,
      browser: `Chromium ${browser}`,
      load_before: loadBefore,
      load_after: loadavg()[0] ?? 0,
    },
  };
}

function report(settings: IndexSettings, measures: AllMeasures, where: Circumstances): void {
  const folder = join(ROOT, 'bench/results');
  mkdirSync(folder, { recursive: true });
  const name = `index-${settings.n}.json`;
  writeFileSync(join(folder, name), fileOf(settings, QUERIES, measures, where));
  for (const row of tableOf(settings.n, measures)) console.log(row);
  const { cores, model, browser, load_before, load_after } = where.machine;
  console.log(`${cores} cores, ${model}, ${browser}, load ${load_before} to ${load_after}`);
  console.log(`written to bench/results/${name}`);
  console.log(JSON.stringify(lineOf(settings.n, measures)));
}

async function run(settings: IndexSettings, folder: string): Promise<void> {
  const loadBefore = loadavg()[0] ?? 0;
  const data = prepare(settings);
  await bundle(folder);
  const server = await serveBench(folder, join(PEER, 'dist'), data);
  try {
    const executablePath = await chromiumPath();
    const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
    const measures = await measureIn(browser, server.url, settings).finally(() => browser.close());
    report(settings, measures, circumstances(browser.version(), loadBefore));
  } finally {
    await server.close();
  }
}

/** How it grows; see `scale.ts`. */
async function runScale(sizes: readonly number[], folder: string): Promise<void> {
  const loadBefore = loadavg()[0] ?? 0;
  await bundle(folder);
  const server = await serveBench(folder, join(PEER, 'dist'), new Map());
  try {
    const executablePath = await chromiumPath();
    const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
    const all = await measureSizes(browser, server.url, sizes).finally(() => browser.close());
    const results = join(ROOT, 'bench/results');
    writeScale(results, all, circumstances(browser.version(), loadBefore));
    console.log('written to bench/results/index-scale.json and .svg');
  } finally {
    await server.close();
  }
}

async function main(args: readonly string[]): Promise<void> {
  const scale = readScale(args);
  const sizes = scale ? [] : readOptions(args);
  if (missing && !scale) return console.log(`skipped: ${missing}`);
  const folder = mkdtempSync(join(tmpdir(), 'whorl-bench-'));
  try {
    if (scale) await runScale(scale, folder);
    for (const settings of sizes) await run(settings, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main(process.argv.slice(2));
