import { describe, expect, it, vi } from 'vitest';
import { WhorlError } from '../../../src/shared/errors.ts';
import type { DownloadProgress, EmbedStartRequest } from '../../../src/shared/types.ts';
import type { Embedder } from '../../../workers/embed/embedder.ts';
import { EmbedderHolder, type StartOptions } from '../../../workers/embed/starter.ts';
import { PLACES } from './node-model.ts';

const REQUEST: EmbedStartRequest = {
  assets: 'https://models.test/mini/',
  backend: 'auto',
  ort: PLACES,
};
const LENT = {
  manifest: new Uint8Array(1),
  tokenizer: new Uint8Array(1),
  image: new ArrayBuffer(1),
  kernel: 'minilm/simd128/int8/1',
};
const ONNX = {
  url: 'https://models.test/m.onnx',
  tokenizer: 'https://models.test/t.json',
  pooling: 'mean',
} as const;
const options = (signal = new AbortController().signal): StartOptions => ({
  signal,
  onProgress: () => {},
});

interface Begun extends StartOptions {
  readonly finish: () => Embedder & { close: ReturnType<typeof vi.fn> };
  readonly fail: (error: unknown) => void;
}

function holder() {
  const begun: Begun[] = [];
  const held = new EmbedderHolder((_, started) => {
    const { promise, resolve, reject } = promiseParts<Embedder>();
    started.signal.addEventListener('abort', () => reject(new WhorlError('aborted', 'aborted')));
    begun.push({
      ...started,
      finish: () => {
        const embedder = { close: vi.fn(async () => {}) };
        resolve(embedder as unknown as Embedder);
        return embedder as never;
      },
      fail: reject,
    });
    return promise;
  });
  return { held, begun };
}

function promiseParts<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((a, b) => {
    resolve = a;
    reject = b;
  });
  return { promise, resolve, reject };
}

describe('EmbedderHolder', () => {
  it('shares one start between equal requests, and its progress', async () => {
    const { held, begun } = holder();
    const seen: number[] = [];
    const first = held.start(REQUEST, options());
    const progress = { loadedBytes: 5 } as DownloadProgress;
    await Promise.resolve();
    begun[0]?.onProgress(progress);
    const second = held.start(
      { ...REQUEST },
      { ...options(), onProgress: (p) => seen.push(p.loadedBytes) },
    );
    await Promise.resolve();
    expect(seen).toEqual([5]);
    const embedder = begun[0]?.finish();
    expect(await first).toBe(embedder);
    expect(await second).toBe(embedder);
    expect(await held.start(REQUEST, options())).toBe(embedder);
    expect(begun).toHaveLength(1);
    expect(held.current).toBe(embedder);
  });

  it('does not start again for a model that comes another way, but for one that is another', async () => {
    const { held, begun } = holder();
    const first = held.start({ ...REQUEST, lent: LENT }, options());
    const second = held.start(REQUEST, options());
    const embedder = begun[0]?.finish();
    expect(await first).toBe(embedder);
    expect(await second).toBe(embedder);
    for (const change of [{ precision: 'float32' }, { variant: 'relaxed' }, { onnx: ONNX }]) {
      const before = begun.length;
      const next = held.start({ ...REQUEST, ...change } as EmbedStartRequest, options());
      await new Promise((resolve) => setTimeout(resolve));
      expect(begun).toHaveLength(before + 1);
      begun.at(-1)?.finish();
      await next;
    }
  });

  it('forgets a failure', async () => {
    const { held, begun } = holder();
    const first = held.start(REQUEST, options());
    await Promise.resolve();
    begun[0]?.fail(new WhorlError('network', 'cut'));
    await expect(first).rejects.toMatchObject({ code: 'network' });
    expect(() => held.running).toThrowError(
      expect.objectContaining({ code: 'embedder_unavailable' }),
    );
    const second = held.start(REQUEST, options());
    await Promise.resolve();
    const embedder = begun[1]?.finish();
    expect(await second).toBe(embedder);
  });

  it('cancels only when nobody waits any more', async () => {
    const { held, begun } = holder();
    const [one, two] = [new AbortController(), new AbortController()];
    const first = held.start(REQUEST, options(one.signal));
    const second = held.start(REQUEST, options(two.signal));
    first.catch(() => {});
    second.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve));
    one.abort();
    await expect(first).rejects.toMatchObject({ code: 'aborted' });
    expect(begun[0]?.signal.aborted).toBe(false);
    two.abort();
    await expect(second).rejects.toMatchObject({ code: 'aborted' });
    expect(begun[0]?.signal.aborted).toBe(true);
    const third = held.start(REQUEST, options());
    await Promise.resolve();
    const embedder = begun[1]?.finish();
    expect(await third).toBe(embedder);
  });

  it('replaces what runs when another is asked for', async () => {
    const { held, begun } = holder();
    const first = held.start(REQUEST, options());
    await Promise.resolve();
    const old = begun[0]?.finish();
    await first;
    const second = held.start({ ...REQUEST, backend: 'wasm' }, options());
    await new Promise((resolve) => setTimeout(resolve));
    expect(old?.close).toHaveBeenCalledOnce();
    expect(held.current).toBeNull();
    const embedder = begun[1]?.finish();
    expect(await second).toBe(embedder);
  });

  it('gives each of two differing starts what it asked for, the newest last', async () => {
    const { held, begun } = holder();
    const first = held.start(REQUEST, options());
    await vi.waitFor(() => expect(begun).toHaveLength(1));
    const old = begun[0]?.finish();
    await first;
    const { promise: closed, resolve: close } = promiseParts<void>();
    old?.close.mockImplementation(() => closed);
    const second = held.start({ ...REQUEST, precision: 'float32' }, options());
    const third = held.start({ ...REQUEST, variant: 'relaxed' }, options());
    second.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve));
    // Nothing is loaded beside what is still there.
    expect(begun).toHaveLength(1);
    close();
    await expect(second).rejects.toMatchObject({ code: 'aborted' });
    await vi.waitFor(() => expect(begun).toHaveLength(3));
    const embedder = begun[2]?.finish();
    expect(await third).toBe(embedder);
    expect(held.current).toBe(embedder);
    expect(begun[1]?.signal.aborted).toBe(true);
  });

  it('begins nothing for a start that was aborted while it waited', async () => {
    const { held, begun } = holder();
    const early = held.start(REQUEST, options(AbortSignal.abort()));
    await expect(early).rejects.toMatchObject({ code: 'aborted' });
    expect(begun).toHaveLength(0);
  });

  it.each([
    [{ ...REQUEST, threads: 2 }, /"threads"/],
    [{ ...REQUEST, backend: 'cuda' }, /"cuda"/],
    [{ ...REQUEST, precision: 'int4' }, /precision.*"int4"/],
    [{ ...REQUEST, variant: 'avx' }, /variant.*"avx"/],
    [{ ...REQUEST, allowFallbackAdapter: 1 }, /allowFallbackAdapter/],
    [{ ...REQUEST, lent: { ...LENT, threads: 1 } }, /"threads" in lent/],
    [{ ...REQUEST, lent: null }, /lent/],
    [{ ...REQUEST, lent: { ...LENT, manifest: 'x' } }, /lent\.manifest/],
    [{ ...REQUEST, lent: { ...LENT, image: new Uint8Array(1) } }, /lent\.image/],
    [{ ...REQUEST, lent: { ...LENT, kernel: 1 } }, /lent\.kernel/],
    [{ ...REQUEST, lent: LENT, backend: 'onnx' }, /"onnx" cannot take it/],
    [{ ...REQUEST, lent: LENT, onnx: ONNX }, /two models/],
    [{ ...REQUEST, onnx: { ...ONNX, dimension: 4 } }, /"dimension" in onnx/],
    [{ ...REQUEST, onnx: { ...ONNX, url: 'm.onnx' } }, /onnx\.url/],
    [{ ...REQUEST, onnx: { ...ONNX, pooling: 'max' } }, /onnx\.pooling.*"max"/],
    [{ ...REQUEST, onnx: ONNX, backend: 'wasm' }, /does not run on Whorl's own kernel/],
    [{ ...REQUEST, assets: 'models/' }, /assets/],
    [{ ...REQUEST, assets: 'https://x.test/models' }, /slash/],
    [{ ...REQUEST, ort: { ...PLACES, wasmBinary: 'x.wasm' } }, /ort\.wasmBinary/],
  ])('refuses a wrong request by name (%#)', async (request, message) => {
    const { held, begun } = holder();
    const start = held.start(request as EmbedStartRequest, options());
    await expect(start).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(start).rejects.toThrow(message);
    expect(begun).toEqual([]);
  });
});
