/**
 * The package as published: packed, installed in a scratch app, built by the app's own bundler, served
 * from a subpath and from another origin. Each page embeds one text and must get the known vector.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM_FLAGS, chromiumPath } from '../chromium.ts';
import { type StaticServer, startStaticServer } from '../support/static-server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MODEL = join(ROOT, 'public/models/all-MiniLM-L6-v2');

declare global {
  interface Window {
    /** Set by the consumer's page. */
    embedded: Promise<{ dimension: number; vector: number[]; why: string }>;
  }
}

interface KnownAnswer {
  readonly text: string;
  readonly vector: string;
}

let scratch: string;
let browser: Browser;
const servers: StaticServer[] = [];

function run(command: string, args: string[], cwd: string): string {
  return execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function serve(folders: Record<string, string>): Promise<string> {
  const server = await startStaticServer(folders);
  servers.push(server);
  return server.origin;
}

function knownAnswer(): { text: string; vector: Float32Array } {
  const manifest = JSON.parse(readFileSync(join(MODEL, 'manifest.json'), 'utf8')) as {
    knownAnswers: KnownAnswer[];
  };
  const first = manifest.knownAnswers[0];
  if (!first) throw new Error('the manifest has no known answers');
  const bytes = Buffer.from(first.vector, 'base64');
  const vector = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
  );
  return { text: first.text, vector };
}

async function embedIn(page: string): Promise<{ cosine: number; why: string }> {
  const known = knownAnswer();
  const models = await serve({ '/model/': MODEL });
  const tab = await browser.newPage();
  const asked = new URLSearchParams({ assets: `${models}/model/`, text: known.text });
  await tab.goto(`${page}?${asked}`);
  const got = await tab.evaluate(() => window.embedded);
  await tab.close();
  expect(got.dimension).toBe(384);
  const cosine = got.vector.reduce((sum, x, i) => sum + x * (known.vector[i] ?? 0), 0);
  return { cosine, why: got.why };
}

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'whorl-consumer-'));
  cpSync(join(ROOT, 'test/fixtures/consumer'), scratch, { recursive: true });
  const packed = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch], ROOT),
  );
  const [{ filename }] = packed as [{ filename: string }];
  const manifest = {
    name: 'consumer',
    private: true,
    type: 'module',
    dependencies: { whorl: `file:${filename}` },
  };
  writeFileSync(join(scratch, 'package.json'), JSON.stringify(manifest));
  run(
    'npm',
    ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'],
    scratch,
  );
  browser = await chromium.launch({ executablePath: await chromiumPath(), args: CHROMIUM_FLAGS });
}, 300_000);

afterAll(async () => {
  await browser?.close();
  await Promise.all(servers.map((server) => server.close()));
  rmSync(scratch, { recursive: true, force: true });
});

describe('the packed library', () => {
  it('holds no model, no source and no test', () => {
    const files = run('npm', ['ls', '--all'], scratch);
    expect(files).toContain('whorl@');
    const listing = run('find', ['node_modules/whorl', '-type', 'f'], scratch);
    expect(listing).not.toMatch(/safetensors|models\/|node_modules\/whorl\/(src|test|workers)\//);
    expect(listing).toContain('dist/lib/index.js');
  });

  it('has types that a strict consumer compiles against', () => {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const options = [
      '--noEmit',
      '--strict',
      '--target',
      'es2023',
      '--module',
      'esnext',
      '--moduleResolution',
      'bundler',
      '--lib',
      'es2023,dom',
    ];
    run(process.execPath, [tsc, ...options, 'main.ts'], scratch);
  });

  it('works from a subpath', async () => {
    const outDir = join(scratch, 'out-subpath');
    await build({
      root: scratch,
      base: './',
      logLevel: 'warn',
      build: { outDir, target: 'es2023' },
    });
    const origin = await serve({ '/some/sub/path/': outDir });
    const { cosine } = await embedIn(`${origin}/some/sub/path/index.html`);
    expect(cosine).toBeGreaterThan(0.99);
  });

  it('works from another origin', async () => {
    const outDir = join(scratch, 'out-cdn');
    mkdirSync(outDir);
    const cdn = await serve({ '/cdn/': outDir });
    await build({
      root: scratch,
      base: `${cdn}/cdn/`,
      logLevel: 'warn',
      build: { outDir, target: 'es2023' },
    });
    const page = await serve({ '/': outDir });
    const { cosine } = await embedIn(`${page}/index.html`);
    expect(cosine).toBeGreaterThan(0.99);
  });

  it('works without a bundler', async () => {
    const folder = join(scratch, 'plain');
    mkdirSync(folder);
    const source = readFileSync(join(scratch, 'main.ts'), 'utf8');
    const { transformWithOxc } = await import('vite');
    const { code } = await transformWithOxc(source, 'main.ts');
    writeFileSync(
      join(folder, 'main.js'),
      code.replace(/from ["']whorl["']/, 'from "./lib/index.js"'),
    );
    writeFileSync(
      join(folder, 'index.html'),
      '<!doctype html><script type="module" src="./main.js"></script>',
    );
    const origin = await serve({
      '/': folder,
      '/lib/': join(scratch, 'node_modules/whorl/dist/lib'),
    });
    const { cosine } = await embedIn(`${origin}/index.html`);
    expect(cosine).toBeGreaterThan(0.99);
  });
});
