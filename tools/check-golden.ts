/**
 * `npm run check:golden -- FOLDER`: the real embed worker in Chromium, on every path of our own kernel, on
 * ONNX Runtime, and on WebGPU (SwiftShader, forced), against a folder of golden answers: `tokens.json`,
 * `vectors.json`, `tavern.json`, each of which may be missing. The last lines are the results as JSON, one a
 * run; the exit code is 1 when something falls short.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright';
import { build } from 'rolldown';
import { CHROMIUM_FLAGS, chromiumPath, WEBGPU_FLAGS } from '../test/chromium.ts';
import { compareGolden, type GoldenFiles, type GoldenReport } from './golden/compare.ts';
import type { GoldenAnswers, GoldenQuestion, GoldenRun } from './golden/page.ts';
import { type GoldenServer, serveGolden } from './golden/server.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NAMES = ['tokens.json', 'vectors.json', 'tavern.json'] as const;

interface NamedRun {
  readonly run: GoldenRun;
  /** Of our own kernel's paths. */
  readonly path?: string;
}

const RUNS: readonly NamedRun[] = [
  { path: 'plain', run: { backend: 'wasm', variant: 'simd128' } },
  { path: 'relaxed', run: { backend: 'wasm', variant: 'relaxed' } },
  { path: 'float32', run: { backend: 'wasm', variant: 'simd128', precision: 'float32' } },
  { path: 'float32_relaxed', run: { backend: 'wasm', variant: 'relaxed', precision: 'float32' } },
  { run: { backend: 'onnx' } },
  { run: { backend: 'webgpu', allowFallbackAdapter: true } },
];

function nameOf({ run, path }: NamedRun): string {
  return path === undefined ? run.backend : `${run.backend}, ${path}`;
}

/** What one run reached, and on which path. */
type Result = GoldenReport & Pick<NamedRun, 'path'>;

function readGolden(folder: string): { readonly names: string[]; readonly files: GoldenFiles } {
  const names = NAMES.filter((name) => existsSync(join(folder, name)));
  for (const name of NAMES) {
    if (!names.includes(name)) console.log(`skipped: ${name} is not in ${folder}`);
  }
  if (names.length === 0) throw new Error(`${folder} has none of ${NAMES.join(', ')}.`);
  const entries = names.map((name) => [
    name.replace('.json', ''),
    JSON.parse(readFileSync(join(folder, name), 'utf8')),
  ]);
  return { names, files: Object.fromEntries(entries) as GoldenFiles };
}

async function bundle(out: string): Promise<void> {
  const entries = { page: 'tools/golden/page.ts', 'embed.worker': 'workers/embed/worker.ts' };
  for (const [name, path] of Object.entries(entries)) {
    await build({
      input: { [name]: path },
      cwd: ROOT,
      platform: 'browser',
      output: { dir: out, format: 'es', entryFileNames: '[name].js' },
    });
  }
}

async function ask(server: GoldenServer, question: GoldenQuestion): Promise<GoldenAnswers> {
  const { backend } = question.run;
  const flags = backend === 'webgpu' ? WEBGPU_FLAGS : [];
  const executablePath = await chromiumPath();
  const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS, ...flags] });
  try {
    const page = await browser.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error') console.error(`  ${message.text()}`);
      if (message.type() === 'log') console.log(`  ${backend}: ${message.text()}`);
    });
    await page.goto(server.url, { waitUntil: 'load' });
    await page.waitForFunction('globalThis.golden');
    if (backend === 'webgpu') await requireAdapter(page, executablePath);
    return await page.evaluate(
      (asked) => (globalThis as unknown as { golden: Ask }).golden(asked),
      question,
    );
  } finally {
    await browser.close();
  }
}

type Ask = (question: GoldenQuestion) => Promise<GoldenAnswers>;

async function requireAdapter(
  page: { evaluate: (script: string) => Promise<unknown> },
  path: string,
): Promise<void> {
  const found = await page.evaluate(
    'navigator.gpu ? navigator.gpu.requestAdapter().then((adapter) => adapter !== null) : false',
  );
  if (found) return;
  throw new Error(
    `${path} has no WebGPU, not even in software. Set CHROME_PATH to a Chrome or Chromium with SwiftShader's WebGPU.`,
  );
}

async function check(
  server: GoldenServer,
  named: NamedRun,
  names: readonly string[],
  files: GoldenFiles,
): Promise<Result> {
  const { backend } = named.run;
  const path = named.path === undefined ? {} : { path: named.path };
  try {
    const answers = await ask(server, { run: named.run, files: names });
    const { backend: ran, why } = answers.info;
    console.log(`${nameOf(named)}: ${ran}. ${why}`);
    if (ran !== backend) throw new Error(`${ran} ran instead of ${backend}`);
    return { ...compareGolden(backend, files, answers), ...path };
  } catch (error) {
    const failures = [error instanceof Error ? error.message : String(error)];
    return {
      suite: 'golden',
      backend,
      ...path,
      tokens: null,
      cos_mean: null,
      cos_min: null,
      failures,
    };
  }
}

async function main([folder]: readonly string[]): Promise<void> {
  if (!folder) throw new Error('Say which answers: npm run check:golden -- FOLDER');
  const { names, files } = readGolden(folder);
  const out = mkdtempSync(join(tmpdir(), 'whorl-golden-'));
  const reports: Result[] = [];
  try {
    await bundle(out);
    const server = await serveGolden(
      new Map([
        ['', out],
        ['golden', resolve(folder)],
        ['model', join(ROOT, 'public/models/all-MiniLM-L6-v2')],
        ['ort', join(ROOT, 'node_modules/onnxruntime-web/dist')],
      ]),
    );
    for (const run of RUNS) reports.push(await check(server, run, names, files));
    await server.close();
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
  for (const { backend, path, failures } of reports) {
    for (const failure of failures) console.error(`${backend} ${path ?? ''}: ${failure}`);
  }
  for (const { failures: _, suite, backend, path, ...reached } of reports) {
    console.log(JSON.stringify({ suite, backend, path, ...reached }));
  }
  if (reports.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
}

await main(process.argv.slice(2));
