/** A pretended place from which somebody else's ONNX encoder comes, and a load from it. */
import type { DownloadProgress, OnnxModel } from '../../../src/shared/types.ts';
import { type LoadedOnnxModel, loadOnnxModel } from '../../../workers/embed/onnx-model.ts';
import type { MemoryCache } from './asset-server.ts';
import { onnxFile, tokenizerFile } from './onnx-file.ts';

export const URLS = {
  url: 'https://hub.test/a/model.onnx?rev=7',
  tokenizer: 'https://hub.test/a/tokenizer.json',
};
export const MODEL: OnnxModel = { ...URLS, pooling: 'mean' };

export interface Answer {
  readonly body?: Uint8Array<ArrayBuffer> | string;
  readonly status?: number;
  readonly headers?: Record<string, string>;
  /** Bytes after which the connection breaks. */
  readonly cutAfter?: number;
  readonly fails?: boolean;
  readonly silent?: boolean;
}

/** A server of two files; `answers` overrule by address, one after the other. */
export class Hub {
  readonly asked: string[] = [];
  files = new Map<string, Uint8Array<ArrayBuffer>>([
    [URLS.url, onnxFile()],
    [URLS.tokenizer, tokenizerFile()],
  ]);
  etag: string | null = '"1"';
  readonly answers = new Map<string, Answer[]>();

  answer(url: string, ...answers: Answer[]): this {
    this.answers.set(url, answers);
    return this;
  }

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    if (init.signal?.aborted) throw new DOMException('aborted', 'AbortError');
    const method = init.method ?? 'GET';
    this.asked.push(`${method} ${url.slice(url.lastIndexOf('/') + 1)}`);
    const answer = (method === 'GET' ? this.answers.get(url)?.shift() : undefined) ?? {};
    if (answer.fails) throw new TypeError('Failed to fetch');
    const file = answer.body ?? this.files.get(url) ?? '';
    const bytes = typeof file === 'string' ? new TextEncoder().encode(file) : file;
    return new Response(method === 'HEAD' ? null : bodyOf(bytes, answer, init.signal ?? null), {
      status: answer.status ?? 200,
      headers: {
        'content-length': String(bytes.length),
        ...(this.etag === null ? {} : { etag: this.etag }),
        ...answer.headers,
      },
    });
  };
}

function bodyOf(
  bytes: Uint8Array<ArrayBuffer>,
  { cutAfter, silent }: Answer,
  signal: AbortSignal | null,
): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    start(controller) {
      signal?.addEventListener('abort', () => controller.error(signal.reason), { once: true });
    },
    pull(controller) {
      if (silent) return new Promise(() => {});
      if (cutAfter !== undefined && at >= cutAfter) return controller.error(new TypeError('cut'));
      if (at >= bytes.length) return controller.close();
      const end = Math.min(at + 100, bytes.length, cutAfter ?? bytes.length);
      controller.enqueue(bytes.slice(at, end));
      at = end;
    },
  });
}

export interface Loading {
  readonly cache?: MemoryCache | null;
  readonly signal?: AbortSignal;
  readonly model?: OnnxModel;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

export async function load(
  hub: Hub,
  { cache = null, signal = new AbortController().signal, model = MODEL, onProgress }: Loading = {},
): Promise<{ loaded: LoadedOnnxModel; progress: DownloadProgress[]; waits: number[] }> {
  const progress: DownloadProgress[] = [];
  const waits: number[] = [];
  const wait = (ms: number, stop: AbortSignal): Promise<void> => {
    if (ms >= 3_000)
      return new Promise((_, reject) => stop.addEventListener('abort', () => reject(stop.reason)));
    waits.push(ms);
    return Promise.resolve();
  };
  const loaded = await loadOnnxModel(
    model,
    { fetch: hub.fetch, cache, wait },
    {
      signal,
      onProgress: (p) => {
        progress.push(p);
        onProgress?.(p);
      },
    },
  );
  return { loaded, progress, waits };
}
