/** A small model on a pretended server whose connections can be cut, spoilt and listened to. */
import { createHash } from 'node:crypto';
import type { AssetCache } from '../../../workers/embed/asset-cache.ts';
import type { ModelDownloadDeps } from '../../../workers/embed/download.ts';
import {
  fingerprintOf,
  MANIFEST_FORMAT,
  MANIFEST_VERSION,
  PIECE_BYTES,
} from '../../../workers/embed/manifest.ts';

export const BASE = 'https://models.test/mini/';
export const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Deterministic bytes that differ everywhere. */
export function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed;
  for (let i = 0; i < words.length; i += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

export const FILES = {
  'tokenizer.json': noise(1_000, 1),
  'model.onnx': noise(5_000, 2),
  // Two whole pieces and a short one.
  'weights.bin': noise(2 * PIECE_BYTES + 70_000, 3),
};

export type ManifestJson = Record<string, unknown> & { files: Record<string, unknown>[] };

export function manifestJson(files: Record<string, Uint8Array> = FILES): ManifestJson {
  const roles: Record<string, string> = {
    'tokenizer.json': 'tokenizer',
    'model.onnx': 'graph',
    'weights.bin': 'weights',
  };
  const digest = (path: string): string => sha(files[path] ?? new Uint8Array());
  return {
    format: MANIFEST_FORMAT,
    version: MANIFEST_VERSION,
    model: 'mini',
    source: 'test',
    licence: 'Apache-2.0',
    architecture: {
      type: 'bert',
      layers: 1,
      hidden: 4,
      heads: 1,
      intermediate: 8,
      vocabulary: 10,
      positions: 16,
      tokenTypes: 2,
      layerNormEps: 1e-12,
    },
    tokenizer: 'WordPiece',
    pooling: 'mean',
    normalised: true,
    dimension: 4,
    maxTokens: 16,
    weights: 'noise',
    fingerprint: fingerprintOf({
      model: 'mini',
      weights: digest('weights.bin'),
      tokenizer: digest('tokenizer.json'),
      pooling: 'mean',
      maxTokens: 16,
    }),
    files: Object.entries(files).map(([path, bytes]) => ({
      path,
      role: roles[path],
      bytes: bytes.length,
      sha256: sha(bytes),
      pieces: pieces(bytes).map(sha),
    })),
    tensors: [
      { name: 'w', shape: [2, 4], type: 'int8-rows', offset: 64, bytes: 8, scalesOffset: 0 },
    ],
    externalName: 'weights.data',
    external: [{ tensor: 'w', offset: 0, bytes: 32 }],
    knownAnswers: Array.from({ length: 8 }, (_, i) => ({
      language: 'en',
      text: `text ${i}`,
      vector: Buffer.from(new Float32Array([1, 0, 0, 0]).buffer).toString('base64'),
    })),
  };
}

export function pieces(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    parts.push(bytes.subarray(at, at + PIECE_BYTES));
  }
  return parts;
}

export interface Asked {
  readonly path: string;
  readonly range: string | null;
  readonly cache: RequestCache | undefined;
}

/** What becomes of one answer; undefined leaves it as it is. */
export type Mischief = (asked: Asked, index: number) => Answer | undefined;

export interface Answer {
  /** Bytes after which the connection breaks. */
  readonly cutAfter?: number;
  /** Bytes after which the body ends as if all were well. */
  readonly endAfter?: number;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly status?: number;
  readonly headers?: Record<string, string>;
  /** Answers a range with the whole. */
  readonly noRange?: boolean;
  /** The request itself rejects. */
  readonly fails?: boolean;
  /** No byte ever comes. */
  readonly silent?: boolean;
  /** Not even the head of the answer comes. */
  readonly mute?: boolean;
}

const CHUNK = 64 * 1024;

export class AssetServer {
  readonly asked: Asked[] = [];
  /** Paths of requests that were given up before their answer began. */
  readonly given: string[] = [];
  files: Record<string, Uint8Array<ArrayBuffer>>;
  mischief: Mischief = () => undefined;

  constructor(files: Record<string, Uint8Array<ArrayBuffer>> = FILES, manifest?: unknown) {
    const text = JSON.stringify(manifest ?? manifestJson(files));
    this.files = { ...files, 'manifest.json': new TextEncoder().encode(text) };
  }

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    if (init.signal?.aborted) throw new DOMException('aborted', 'AbortError');
    const headers = new Headers(init.headers);
    const path = url.slice(BASE.length);
    const asked = { path, range: headers.get('range'), cache: init.cache };
    const answer = this.mischief(asked, this.asked.length) ?? {};
    this.asked.push(asked);
    if (answer.fails) throw new TypeError('Failed to fetch');
    if (answer.mute) {
      return new Promise((_, reject) => {
        if (init.signal) onAbort(init.signal, reject);
        init.signal?.addEventListener('abort', () => this.given.push(path));
      });
    }
    const file = answer.body ?? this.files[path];
    if (answer.status !== undefined)
      return new Response('no', { status: answer.status, ...answer });
    if (!file) return new Response('no', { status: 404 });
    const match = answer.noRange ? null : /^bytes=(\d+)-(\d+)$/.exec(asked.range ?? '');
    const [from, to] = match ? [Number(match[1]), Number(match[2]) + 1] : [0, file.length];
    return new Response(bodyOf(file.subarray(from, to), answer, init.signal ?? null), {
      status: match ? 206 : 200,
      headers: {
        ...(match ? { 'content-range': `bytes ${from}-${to - 1}/${file.length}` } : {}),
        ...answer.headers,
      },
    });
  };

  requests(path: string): Asked[] {
    return this.asked.filter((asked) => asked.path === path);
  }

  deps(cache: AssetCache | null = null): ModelDownloadDeps & { readonly waits: number[] } {
    const waits: number[] = [];
    const wait = (ms: number, signal: AbortSignal): Promise<void> => {
      // Silence of a live stream is 20 s and does not pass here, unless a test says so.
      if (ms >= 20_000) return new Promise((_, reject) => onAbort(signal, reject));
      waits.push(ms);
      return signal.aborted ? Promise.reject(signal.reason) : Promise.resolve();
    };
    return { fetch: this.fetch, cache, wait, waits };
  }
}

function onAbort(signal: AbortSignal, reject: (reason: unknown) => void): void {
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
}

function bodyOf(
  bytes: Uint8Array<ArrayBuffer>,
  { cutAfter, endAfter, silent }: Answer,
  signal: AbortSignal | null,
): ReadableStream<Uint8Array> {
  const stop = Math.min(cutAfter ?? bytes.length, endAfter ?? bytes.length);
  let at = 0;
  return new ReadableStream({
    start(controller) {
      signal?.addEventListener('abort', () => {
        try {
          controller.error(signal.reason);
        } catch {
          // It had ended already.
        }
      });
    },
    pull(controller) {
      if (silent) return new Promise(() => {});
      if (at >= stop) {
        if (cutAfter !== undefined && at >= cutAfter)
          controller.error(new TypeError('network error'));
        else controller.close();
        return;
      }
      const end = Math.min(at + CHUNK, stop);
      controller.enqueue(bytes.slice(at, end));
      at = end;
    },
  });
}

/** A cache in memory; `full` makes it refuse as a full disk does. */
export class MemoryCache implements AssetCache {
  readonly entries = new Map<string, Uint8Array<ArrayBuffer>>();
  full = false;

  async get(key: string): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.entries.get(key)?.slice() ?? null;
  }

  async put(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.full) throw new DOMException('no room', 'QuotaExceededError');
    this.entries.set(key, bytes.slice());
  }

  async delete(key: string): Promise<void> {
    this.entries.delete(key);
  }

  async keys(): Promise<string[]> {
    return [...this.entries.keys()];
  }
}
