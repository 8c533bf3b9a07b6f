/**
 * Serves the pages, the built library, the models and the peers' files. Everything may be kept for ever by
 * the browser's cache: the benchmark of the start asks for a warm one.
 */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};
const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
const KEPT = 'public, max-age=31536000, immutable';

export interface BenchServer {
  /** With a trailing slash. */
  readonly url: string;
  close(): Promise<void>;
}

export interface Served {
  /** Whether pages are cross-origin isolated: then their clock steps by 5 microseconds, and threads may share memory. */
  readonly isolated: boolean;
  /** Folder on disk by its prefix, which ends with a slash; `''` for files beside the pages. */
  readonly folders: ReadonlyMap<string, string>;
  /** Files by path that lie elsewhere than in their folder. */
  readonly files: ReadonlyMap<string, string>;
}

export async function serveBench(served: Served): Promise<BenchServer> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(
      new URL(request.url ?? '/', 'http://localhost').pathname.slice(1),
    );
    for (const [header, value] of Object.entries(served.isolated ? ISOLATED : {})) {
      response.setHeader(header, value);
    }
    const page = /^([\w-]+)\.html$/.exec(path)?.[1];
    if (page) return void response.setHeader('Content-Type', 'text/html').end(pageOf(page));
    const file = fileOf(path, served) ?? '';
    const found = statSync(file, { throwIfNoEntry: false });
    if (!found?.isFile()) return void response.writeHead(404).end();
    response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream');
    response.setHeader('Content-Length', found.size).setHeader('Cache-Control', KEPT);
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function pageOf(name: string): string {
  return `<!doctype html><title>${name}</title><link rel="icon" href="data:,"><script type="module" src="${name}.js"></script>`;
}

/** The file behind a path, or null where the path leaves its folder or belongs to none. */
export function fileOf(
  path: string,
  { folders, files }: Pick<Served, 'folders' | 'files'>,
): string | null {
  const elsewhere = files.get(path);
  if (elsewhere) return elsewhere;
  const prefix = [...folders.keys()]
    .filter((candidate) => path.startsWith(candidate))
    .sort((a, b) => b.length - a.length)[0];
  const rest = path.slice(prefix?.length ?? 0);
  if (prefix === undefined || !/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(rest)) return null;
  return join(folders.get(prefix) ?? '', rest);
}
