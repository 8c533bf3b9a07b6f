/** The built site over HTTP: GET and HEAD, ranges, revalidation; nothing outside its folder. */
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { siteHeaders } from './site-headers.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.bin': 'application/octet-stream',
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.onnx': 'application/octet-stream',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
};

/** Vite writes an eight-character hash of the content before the ending of each file in `assets/`. */
const HASHED = /^\/assets\/[^/]*-[\w-]{8}\.[\w.]+$/;

export interface SiteOptions {
  /** Folder with `index.html`. */
  readonly directory: string;
  /** Origins beside our own that the page may fetch from. */
  readonly connect?: readonly string[];
}

export type SiteHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

interface File {
  readonly path: string;
  readonly size: number;
  readonly etag: string;
  readonly modified: Date;
}

/** A handler for everything that is not the proxy's. It answers every request. */
export function siteHandler({ directory, connect = [] }: SiteOptions): SiteHandler {
  const fixed = siteHeaders(connect);
  return async (request, response) => {
    for (const [name, value] of Object.entries(fixed)) response.setHeader(name, value);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return plain(response, 405, 'Method not allowed');
    }
    const path = sitePath(request.url ?? '');
    const file = path === null ? null : await find(directory, path);
    if (path === null || file === null) return plain(response, 404, 'Not found');
    response.setHeader('etag', file.etag);
    response.setHeader('last-modified', file.modified.toUTCString());
    response.setHeader('accept-ranges', 'bytes');
    response.setHeader('cache-control', cacheControl(path));
    if (unchanged(request, file)) {
      response.writeHead(304).end();
      return;
    }
    await send(request, response, file);
  };
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
  });
  response.end(`${text}\n`);
}

function cacheControl(path: string): string {
  // `no-cache` keeps the file and asks each time; the etag makes that cheap.
  return HASHED.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache';
}

/**
 * The path of a request target, decoded once, or null when it could mean anything but a plain file
 * below the folder. Only what a browser would send for such a file gets through.
 */
export function sitePath(target: string): string | null {
  const raw = target.split(/[?#]/, 1)[0] ?? '';
  let path: string;
  try {
    path = decodeURIComponent(raw);
  } catch {
    return null;
  }
  if (!path.startsWith('/') || /[\\\0:]/.test(path)) return null;
  const segments = path.slice(1).split('/');
  const last = segments.pop() ?? '';
  // Empty segments, `.`, `..` and hidden files.
  if (segments.some((part) => part === '' || part.startsWith('.')) || last.startsWith('.')) {
    return null;
  }
  return last === '' ? `${path}index.html` : path;
}

async function find(directory: string, path: string): Promise<File | null> {
  try {
    const root = await realpath(directory);
    // A link in the folder must not lead out of it.
    const real = await realpath(join(root, path));
    if (!real.startsWith(root + sep)) return null;
    const info = await stat(real);
    if (!info.isFile()) return null;
    const etag = `"${info.size.toString(16)}-${Math.floor(info.mtimeMs).toString(16)}"`;
    return { path: real, size: info.size, etag, modified: info.mtime };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return null;
    throw error;
  }
}

function unchanged(request: IncomingMessage, file: File): boolean {
  const match = request.headers['if-none-match'];
  if (match !== undefined) {
    return match.split(',').some((tag) => tag.trim().replace(/^W\//, '') === file.etag);
  }
  const since = Date.parse(request.headers['if-modified-since'] ?? '');
  return since >= Math.floor(file.modified.getTime() / 1000) * 1000;
}

async function send(request: IncomingMessage, response: ServerResponse, file: File): Promise<void> {
  const range = rangeOf(request, file);
  if (range === 'unsatisfiable') {
    response.setHeader('content-range', `bytes */${file.size}`);
    return plain(response, 416, 'Range not satisfiable');
  }
  const { start, end } = range ?? { start: 0, end: file.size - 1 };
  response.setHeader(
    'content-type',
    TYPES[extname(file.path).toLowerCase()] ?? 'application/octet-stream',
  );
  response.setHeader('content-length', end - start + 1);
  if (range) response.setHeader('content-range', `bytes ${start}-${end}/${file.size}`);
  response.writeHead(range ? 206 : 200);
  if (request.method === 'HEAD' || file.size === 0) {
    response.end();
    return;
  }
  await pipeline(createReadStream(file.path, { start, end }), response).catch(ignoreLeaving);
}

function ignoreLeaving(error: NodeJS.ErrnoException): void {
  // The browser closed the connection: a download that was stopped is no fault.
  if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE' && error.code !== 'ECONNRESET') throw error;
}

interface ByteRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

/** One range as RFC 9110 section 14 has it; several, or a stale `if-range`, mean the whole file. */
function rangeOf(request: IncomingMessage, file: File): ByteRange | 'unsatisfiable' | null {
  const condition = request.headers['if-range'];
  if (condition !== undefined && condition !== file.etag) return null;
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(request.headers.range ?? '');
  if (match === null) return null;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return null;
  if (first === '') {
    const start = Math.max(0, file.size - Number(last));
    return start < file.size ? { start, end: file.size - 1 } : 'unsatisfiable';
  }
  const range = {
    start: Number(first),
    end: last === '' ? file.size - 1 : Math.min(Number(last), file.size - 1),
  };
  if (last !== '' && Number(last) < range.start) return null;
  return range.start < file.size ? range : 'unsatisfiable';
}
