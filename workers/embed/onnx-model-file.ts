/**
 * A file that nobody packed: no manifest says how long it is or which digest it has. It is read whole,
 * bounded, and kept under its address together with what was noted when it was read: length, SHA-256 and
 * what the server said of its version. On the next visit the kept bytes must have the noted digest, and
 * the server is asked (HEAD) whether it has another version; offline the kept one is used.
 */
import { isWhorlError, throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import type { AssetCache } from './asset-cache.ts';
import { sha256 } from './digest.ts';
import type { DownloadDeps } from './download-response.ts';
import { keep, type Note, readBytes, readNote, versionOf } from './onnx-model-kept.ts';
import { fetchHead, unlessSilent } from './silence.ts';

export interface LooseFileDeps extends DownloadDeps {
  /** Null: nothing is kept between visits. */
  readonly cache: AssetCache | null;
}

export interface LooseFileRequest {
  readonly url: string;
  /** Short name, for messages. */
  readonly name: string;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /** Bytes so far, bytes in all (null where the server does not say), and whether they were kept. */
  readonly onBytes: (loaded: number, total: number | null, fromCache: boolean) => void;
  /** Looks at a fresh file before it is kept. @throws what is wrong with it. */
  readonly check: (bytes: Uint8Array<ArrayBuffer>) => void;
}

export interface LooseFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
  /** Why the file is not kept on this device; null when it is. */
  readonly note: string | null;
}

/** Milliseconds before each further try after a connection that broke. */
const PAUSES_MS = [500, 2_000];
const FIRST_BYTES = 1 << 20;

/**
 * @throws WhorlError `aborted`, `network` (retryable), `asset_missing`, `asset_corrupt`,
 * `asset_incomplete` (retryable), `too_large`, `unsupported` (no secure context), what `check` throws.
 */
export async function loadLooseFile(
  request: LooseFileRequest,
  deps: LooseFileDeps,
): Promise<LooseFile> {
  const kept = await readKept(request, deps);
  if (kept) return kept;
  for (let failures = 0; ; failures += 1) {
    try {
      return await fetchFile(request, deps);
    } catch (error) {
      throwIfAborted(request.signal);
      const pause = PAUSES_MS[failures];
      if (!mayGoOn(error) || pause === undefined) throw error;
      await deps.wait(Math.max(pause, error.retryAfterMs ?? 0), request.signal);
    }
  }
}

function mayGoOn(error: unknown): error is WhorlError {
  return isWhorlError(error) && (error.code === 'network' || error.code === 'asset_incomplete');
}

async function readKept(request: LooseFileRequest, deps: LooseFileDeps): Promise<LooseFile | null> {
  const { cache } = deps;
  const { url, signal, onBytes } = request;
  const note = await readNote(cache, url);
  if (!cache || !note || note.bytes > request.maxBytes) return null;
  const bytes = await readBytes(cache, url, note);
  throwIfAborted(signal);
  if (bytes?.length !== note.bytes || (await sha256(bytes)) !== note.sha256) return null;
  if (await wasReplaced(request, note, deps)) return null;
  throwIfAborted(signal);
  onBytes(bytes.length, bytes.length, true);
  return { bytes, sha256: note.sha256, note: null };
}

/** Whether the server says that it has another version. Where it says nothing, the kept one stands. */
async function wasReplaced(
  { url, signal }: LooseFileRequest,
  { version }: Note,
  deps: LooseFileDeps,
): Promise<boolean> {
  if (version.etag === null && version.modified === null) return false;
  const patience = new AbortController();
  const either = AbortSignal.any([signal, patience.signal]);
  const head = deps.fetch(url, { method: 'HEAD', cache: 'no-store', signal: either });
  const late = deps.wait(HEAD_MS, either).then(() => null);
  try {
    const response = await Promise.race([head, late]);
    if (!response?.ok) return false;
    const now = versionOf(response);
    if (version.etag !== null && now.etag !== null) return version.etag !== now.etag;
    return version.modified !== null && now.modified !== null && version.modified !== now.modified;
  } catch {
    throwIfAborted(signal);
    return false;
  } finally {
    patience.abort();
    late.catch(() => {});
    head.catch(() => {});
  }
}

/** Milliseconds that a start waits for the answer whether a kept file is still the newest. */
const HEAD_MS = 3_000;

async function fetchFile(request: LooseFileRequest, deps: LooseFileDeps): Promise<LooseFile> {
  const { url, name, signal, check } = request;
  // What our own cache keeps need not lie in the browser's as well.
  const cache = deps.cache ? 'no-store' : 'no-cache';
  const response = await guarded(request, () => fetchHead(deps, url, { signal, cache }));
  const bytes = await readBody(request, response, deps);
  check(bytes);
  const note: Note = {
    bytes: bytes.length,
    sha256: await sha256(bytes),
    version: versionOf(response),
  };
  throwIfAborted(signal);
  const why = await keep(deps.cache, url, bytes, note);
  return {
    bytes,
    sha256: note.sha256,
    note: why === null ? null : `"${name}" is not kept on this device (${why}).`,
  };
}

async function readBody(
  request: LooseFileRequest,
  response: Response,
  deps: LooseFileDeps,
): Promise<Uint8Array<ArrayBuffer>> {
  const total = checkHead(request, response);
  const reader = response.body?.getReader();
  if (!reader) throw incomplete(request, 0, total);
  const sink = new Sink(total ?? FIRST_BYTES);
  try {
    for (;;) {
      const chunk = await nextChunk(request, reader, deps);
      if (!chunk) break;
      if (sink.length + chunk.length > request.maxBytes) throw tooLarge(request);
      sink.add(chunk);
      request.onBytes(sink.length, total, false);
    }
  } finally {
    // Lets go of the connection where the body was left early; has no effect after its end.
    void reader.cancel().catch(() => {});
  }
  if (total !== null && sink.length < total) throw incomplete(request, sink.length, total);
  return sink.bytes();
}

/** Bytes that grow; what the server announced is reserved at once. */
class Sink {
  #bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(expected: number) {
    this.#bytes = new Uint8Array(expected);
  }

  add(chunk: Uint8Array): void {
    if (this.length + chunk.length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + chunk.length));
      larger.set(this.#bytes.subarray(0, this.length));
      this.#bytes = larger;
    }
    this.#bytes.set(chunk, this.length);
    this.length += chunk.length;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.length === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.length);
  }
}

/** The next bytes, or null at the end. A silent connection is cut. */
async function nextChunk(
  request: LooseFileRequest,
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  deps: LooseFileDeps,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const next = () => unlessSilent(reader.read(), deps);
  const { done, value } = await guarded(request, next);
  return done ? null : value;
}

/** @returns the bytes that the body will have, or null where the server does not say. */
function checkHead(request: LooseFileRequest, response: Response): number | null {
  const refused = headError(request, response);
  if (refused) {
    void response.body?.cancel().catch(() => {});
    throw refused;
  }
  const length = response.headers.get('content-length');
  // An encoded body's length is not that of the file.
  if (length === null || response.headers.has('content-encoding')) return null;
  const total = Number(length);
  return Number.isSafeInteger(total) && total > 0 ? total : null;
}

function headError(request: LooseFileRequest, response: Response): WhorlError | null {
  const { name, url, maxBytes } = request;
  const { status, headers } = response;
  if (status === 408 || status === 429 || status >= 500) {
    return new WhorlError(
      'network',
      `The server answered ${status} for "${name}". Nothing was kept; try again later.`,
      { retryable: true, retryAfterMs: retryAfter(headers) },
    );
  }
  if (status !== 200) {
    return new WhorlError(
      'asset_missing',
      `"${name}" is not at ${url}: the server answered ${status}. Check the address of the ONNX model (option "embedder").`,
    );
  }
  if (/^text\/html\b/i.test(headers.get('content-type') ?? '')) return pageInstead(request);
  if (Number(headers.get('content-length') ?? 0) > maxBytes) return tooLarge(request);
  return null;
}

/** The error for a web page in the place of a file, by its type or by its first bytes. */
export function pageInstead({ name, url }: { readonly name: string; readonly url: string }) {
  return new WhorlError(
    'asset_corrupt',
    `"${name}" is not at ${url}: a web page came in its place (the sign-in page of a network, the fallback page of a site, or a page about the file). It was not kept and not used; check the address, then try again.`,
    { retryable: true },
  );
}

const MAX_RETRY_AFTER_MS = 10_000;

function retryAfter(headers: Headers): number {
  const seconds = Number(headers.get('retry-after') ?? 0);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0) * 1_000, MAX_RETRY_AFTER_MS) : 0;
}

async function guarded<T>({ name, signal }: LooseFileRequest, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throwIfAborted(signal);
    const detail = error instanceof Error ? error.message : String(error);
    throw new WhorlError(
      'network',
      `The connection broke while reading "${name}" (${detail}). Nothing of it was kept; try again.`,
      { cause: error, retryable: true },
    );
  }
}

function incomplete({ name }: LooseFileRequest, got: number, expected: number | null): WhorlError {
  return new WhorlError(
    'asset_incomplete',
    `"${name}" ended after ${got} of ${expected ?? 'an unknown number of'} bytes. Nothing of it was kept; try again.`,
    { retryable: true },
  );
}

function tooLarge({ name, maxBytes }: LooseFileRequest): WhorlError {
  return new WhorlError(
    'too_large',
    `"${name}" has more than ${maxBytes} bytes, the most that are read. Nothing was kept; choose a smaller or a quantised file.`,
  );
}
