/**
 * The library as the sources have it now, bundled in memory as `tools/build-lib.ts` writes it to the
 * disk: a page with the harness's calls, and the workers beside it. Needs `npm run build:wasm`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Files by name, to lie beside each other. */
export type Files = Readonly<Record<string, string>>;

async function bundled(input: string): Promise<string> {
  const bundle = await rolldown({
    input: join(ROOT, input),
    cwd: ROOT,
    platform: 'browser',
    plugins: [
      {
        name: 'published-places',
        resolveId: (source) => (source === './places.ts' ? join(ROOT, 'src/places.lib.ts') : null),
      },
    ],
  });
  try {
    const { output } = await bundle.generate({ format: 'esm', codeSplitting: false });
    return output[0].code;
  } finally {
    await bundle.close();
  }
}

/** Names of the workers that the library starts, as `src/places.lib.ts` says. */
function workers(): string[] {
  const places = readFileSync(join(ROOT, 'src/places.lib.ts'), 'utf8');
  return [...places.matchAll(/'\.\/([a-z]+)\.worker\.js'/g)].map(([, name]) => name ?? '');
}

/** `index.html` with `window.faultPage`, and each worker as `NAME.worker.js`. */
export async function faultSite(): Promise<Files> {
  const files: Record<string, string> = {
    'index.html':
      '<!doctype html><html lang="en"><meta charset="utf-8"><title>faults</title><link rel="icon" href="data:,"><script type="module" src="./page.js"></script></html>',
    'page.js': await bundled('test/faults/harness/fault-page.ts'),
  };
  for (const name of workers()) {
    files[`${name}.worker.js`] = await bundled(`workers/${name}/worker.ts`);
  }
  return files;
}
