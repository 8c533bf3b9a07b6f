/** One request for a file or a part of it, and what the answer's head already tells. */
import { abortedError, WhorlError } from '../../src/shared/errors.ts';
import { fetchHead } from './silence.ts';

/** What downloading takes from outside. */
export interface DownloadDeps {
  readonly fetch: (input: string, init: RequestInit) => Promise<Response>;
  /** Resolves after some milliseconds, or rejects when the signal fires. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A body, and the offset of its first byte in the file. */
export interface OpenBody {
  readonly start: number;
  readonly reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
}

export interface OpenRequest {
  readonly url: string;
  readonly name: string;
  /** Bytes of the whole file. */
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
  readonly cache: RequestCache;
  readonly signal: AbortSignal;
}

const MAX_RETRY_AFTER_MS = 10_000;

/**
 * Asks for the bytes `from` to `to` of a file. A server that does not do ranges answers with the
 * whole: `start` is then 0.
 *
 * @throws WhorlError `network` (retryable), `asset_missing`, `asset_corrupt`.
 */
export async function openBody(deps: DownloadDeps, request: OpenRequest): Promise<OpenBody> {
  const { url, name, from, to, bytes, cache, signal } = request;
  const partial = from > 0 || to < bytes;
  const headers: HeadersInit = partial ? { Range: `bytes=${from}-${to - 1}` } : {};
  const ask = () => fetchHead(deps, url, { headers, cache, signal });
  const response = await guarded(ask, name, signal);
  checkStatus(response, name, url);
  const start = response.status === 206 ? startOf(response, request) : 0;
  const expected = response.status === 206 ? to - from : bytes;
  checkHead(response, name, expected);
  if (!response.body) throw incomplete(name, 0, expected);
  return { start, reader: response.body.getReader() };
}

/** Runs a network step; whatever it rejects with becomes `aborted` or `network`. */
export async function guarded<T>(
  step: () => Promise<T>,
  name: string,
  signal: AbortSignal,
): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (signal.aborted) throw abortedError(signal);
    const detail = error instanceof Error ? error.message : String(error);
    throw new WhorlError(
      'network',
      `The connection broke while reading "${name}" (${detail}). Verified pieces were kept; try again to go on from there.`,
      { cause: error, retryable: true },
    );
  }
}

function checkStatus(response: Response, name: string, url: string): void {
  const { status } = response;
  if (status === 200 || status === 206) return;
  void response.body?.cancel().catch(() => {});
  if (status === 408 || status === 429 || status >= 500) {
    throw new WhorlError(
      'network',
      `The server answered ${status} for "${name}". Verified pieces were kept; try again later.`,
      { retryable: true, retryAfterMs: retryAfter(response) },
    );
  }
  throw new WhorlError(
    'asset_missing',
    `"${name}" is not at ${url}: the server answered ${status}. Check where the model's files lie (option "assets").`,
  );
}

function retryAfter(response: Response): number {
  const seconds = Number(response.headers.get('retry-after') ?? 0);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0) * 1_000, MAX_RETRY_AFTER_MS) : 0;
}

// Content-Range is readable across origins only where the server exposes it; the pieces' digests
// find a range that lies elsewhere.
function startOf(response: Response, { from, name }: OpenRequest): number {
  const match = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '');
  if (!match || Number(match[1]) === from) return from;
  throw corrupt(name, `the server sent another part than asked for (from byte ${match[1]})`);
}

function checkHead(response: Response, name: string, expected: number): void {
  if (/^text\/html\b/i.test(response.headers.get('content-type') ?? '')) {
    void response.body?.cancel().catch(() => {});
    throw corrupt(
      name,
      'a web page came in its place (the sign-in page of a network, or the fallback page of a site)',
    );
  }
  const length = response.headers.get('content-length');
  // An encoded body's length is not that of the file.
  if (length === null || response.headers.has('content-encoding')) return;
  if (Number(length) > expected) {
    void response.body?.cancel().catch(() => {});
    throw corrupt(name, `it has ${length} bytes where the manifest says ${expected}`);
  }
}

export function corrupt(name: string, why: string): WhorlError {
  return new WhorlError(
    'asset_corrupt',
    `"${name}" is not the file that the manifest describes: ${why}. It was not kept and not used; check the network and where the model's files lie, then try again.`,
    { retryable: true },
  );
}

export function incomplete(name: string, got: number, expected: number): WhorlError {
  return new WhorlError(
    'asset_incomplete',
    `"${name}" ended after ${got} of ${expected} bytes. Verified pieces were kept; try again to go on from there.`,
    { retryable: true },
  );
}
