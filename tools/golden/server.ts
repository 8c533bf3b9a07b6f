/** Serves the check's page, worker, runtime, model and golden files under the site's strict policy. */
import { createReadStream, statSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const TYPES: { readonly [extension: string]: string } = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript',
  mjs: 'text/javascript',
  json: 'application/json',
  wasm: 'application/wasm',
};

const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  "require-trusted-types-for 'script'",
  'trusted-types whorl',
].join('; ');

const PAGE = '<!doctype html><title>golden</title><script type="module" src="page.js"></script>';

export interface GoldenServer {
  readonly url: string;
  close(): Promise<void>;
}

/** @param folders First path segment to folder on disk; `''` for files beside the page. */
export async function serveGolden(folders: ReadonlyMap<string, string>): Promise<GoldenServer> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    response.setHeader('Content-Security-Policy', POLICY);
    if (pathname === '/')
      return void response.setHeader('Content-Type', TYPES.html as string).end(PAGE);
    const [, first = '', ...rest] = pathname.split('/');
    const folder = folders.get(rest.length > 0 ? first : '');
    const name = rest.length > 0 ? rest.join('/') : first;
    if (!folder || !/^[\w.-]+$/.test(name)) return void response.writeHead(404).end();
    sendFile(join(folder, name), response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://localhost:${port}/`, close: () => closed(server) };
}

function sendFile(path: string, response: ServerResponse): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) return void response.writeHead(404).end();
  const type = TYPES[path.slice(path.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': size });
  createReadStream(path).pipe(response);
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
