/** Vite plugin: writes `sw.js` beside the page, with the list of what this build consists of. */
import { createHash } from 'node:crypto';
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

/** The plugin; `extra` names files that the build copies without bundling them (icons, manifest). */
export function offline(extra: readonly string[] = []): Plugin {
  return {
    name: 'whorl-offline',
    apply: 'build',
    enforce: 'post',
    async generateBundle(_, bundle) {
      const built: Built[] = Object.values(bundle).map((file) => ({
        fileName: file.fileName,
        content: file.type === 'chunk' ? file.code : file.source,
      }));
      const hash = createHash('sha256');
      for (const { fileName, content } of built.sort((a, b) =>
        a.fileName < b.fileName ? -1 : 1,
      )) {
        hash.update(fileName).update(content);
      }
      const names = built.map(({ fileName }) => fileName);
      const kept = names.filter((name) => !LEFT_OUT.test(name) && name !== 'index.html');
      const files = ['./', ...kept, ...extra].sort();
      const source = await serviceWorker(files, hash.digest('hex').slice(0, 16));
      this.emitFile({ type: 'asset', fileName: 'sw.js', source });
    },
  };
}
