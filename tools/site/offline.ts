/** Vite plugin: writes `sw.js` beside the page, with the list of what this build consists of. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import type { Plugin } from 'vite';

const ENTRY = fileURLToPath(new URL('../../workers/offline/worker.ts', import.meta.url));

/** Not kept in advance: maps, and the 27 MB that only a machine with WebGPU needs. */
const LEFT_OUT = /\.map$|asyncify|webgpu/;

interface Built {
  readonly fileName: string;
  readonly content: string | Uint8Array;
}

/** The script of the service worker for a build of these files. */
export async function serviceWorker(files: readonly string[], build: string): Promise<string> {
  const id = 'virtual:whorl-build';
  const source = `export const BUILD = ${JSON.stringify(build)};\nexport const FILES = ${JSON.stringify(files)};`;
  const bundle = await rolldown({
    input: ENTRY,
    plugins: [
      {
        name: 'whorl-build',
        resolveId: (asked) => (asked === id ? id : null),
        load: (asked) => (asked === id ? source : null),
      },
    ],
  });
  const { output } = await bundle.generate({ format: 'iife', minify: true });
  await bundle.close();
  return output[0].code;
}

/** Icons and manifest, copied by the build without bundling; the model has a store of its own. */
function publicFiles(folder: string): Built[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ fileName: relative(folder, path).split(sep).join('/'), path }))
    .filter(({ fileName }) => !fileName.startsWith('models/'))
    .map(({ fileName, path }) => ({ fileName, content: readFileSync(path) }));
}

function hashOf(files: readonly Built[]): string {
  const hash = createHash('sha256');
  for (const { fileName, content } of files) hash.update(fileName).update(content);
  return hash.digest('hex').slice(0, 16);
}

/** The plugin. */
export function offline(): Plugin {
  let publicFolder = '';
  return {
    name: 'whorl-offline',
    apply: 'build',
    enforce: 'post',
    configResolved(config) {
      publicFolder = config.publicDir;
    },
    async generateBundle(_, bundle) {
      const bundled: Built[] = Object.values(bundle).map((file) => ({
        fileName: file.fileName,
        content: file.type === 'chunk' ? file.code : file.source,
      }));
      const all = [...bundled, ...publicFiles(publicFolder)];
      const built = all.sort((a, b) => (a.fileName < b.fileName ? -1 : 1));
      const names = built.map(({ fileName }) => fileName);
      const kept = names.filter((name) => !LEFT_OUT.test(name) && name !== 'index.html');
      const source = await serviceWorker(['./', ...kept], hashOf(built));
      this.emitFile({ type: 'asset', fileName: 'sw.js', source });
    },
  };
}
