/**
 * Builds the npm package into `dist/lib`: `index.js`, the workers (whole files, so that any
 * bundler copies them as assets), ONNX Runtime beside them, the proxy, and the declarations.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = join(ROOT, 'dist/lib');

const ORT = [
  'ort.wasm.bundle.min.mjs',
  'ort-wasm-simd-threaded.wasm',
  'ort.webgpu.bundle.min.mjs',
  'ort-wasm-simd-threaded.asyncify.wasm',
];

/** What the proxy imports at run time; the page's and workers' libraries are bundled. */
const PROXY_DEPENDENCIES = [/^node:/, /^hono/, /^@hono\//, /^@anthropic-ai\//, /^valibot/];

/** The published library finds its workers beside itself. */
const publishedPlaces: Plugin = {
  name: 'published-places',
  resolveId(source) {
    return source === './places.ts' ? join(ROOT, 'src/places.lib.ts') : null;
  },
};

async function bundle(input: Record<string, string>, external: RegExp[] = []): Promise<void> {
  await build({
    input,
    cwd: ROOT,
    external,
    platform: external.length > 0 ? 'node' : 'browser',
    plugins: [publishedPlaces],
    output: {
      dir: OUT,
      format: 'es',
      minify: external.length === 0,
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      sourcemap: true,
    },
  });
}

rmSync(OUT, { recursive: true, force: true });
await bundle({ index: 'src/index.ts' });
await bundle({ 'embed.worker': 'workers/embed/worker.ts' });
await bundle({ 'index.worker': 'workers/index/worker.ts' });
await bundle({ 'archive.worker': 'workers/archive/worker.ts' });
await bundle({ proxy: 'proxy/index.ts', 'proxy-node': 'proxy/node.ts' }, PROXY_DEPENDENCIES);
mkdirSync(join(OUT, 'ort'), { recursive: true });
for (const file of ORT) {
  copyFileSync(join(ROOT, 'node_modules/onnxruntime-web/dist', file), join(OUT, 'ort', file));
}
const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.lib.json'], { cwd: ROOT, stdio: 'inherit' });
