/** Serves the page, isolated: only then is a page's clock fine enough (5 microseconds) for one search. */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const PAGE =
  '<!doctype html><title>bench</title><link rel="icon" href="data:,"><script type="module" src="page.js"></script>';
const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export interface BenchServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * @param folder Files beside the page.
 * @param peer Folder served under `peer/`.
 * @param data Bytes served beside the page, by name.
 */
export async function serveBench(
  folder: string,
  peer: string,
  data: ReadonlyMap<string, Uint8Array>,
): Promise<BenchServer> {
  const server = createServer((request, response) => {
    const [, prefix = '', name = ''] =
      /^\/(peer\/)?([\w.-]*)$/.exec(new URL(request.url ?? '/', 'http://localhost').pathname) ?? [];
    for (const [header, value] of Object.entries(ISOLATED)) response.setHeader(header, value);
    const bytes = data.get(name);
    if (name === '') return void response.setHeader('Content-Type', 'text/html').end(PAGE);
    if (bytes) return void response.end(bytes);
    const path = join(prefix ? peer : folder, name);
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
      return void response.writeHead(404).end();
    }
    const type = name.endsWith('.js') ? 'text/javascript' : 'application/octet-stream';
    createReadStream(path).pipe(response.setHeader('Content-Type', type));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://localhost:${port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
