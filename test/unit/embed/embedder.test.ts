import { afterAll, describe, expect, it } from 'vitest';
import type { DownloadProgress, EmbedStartRequest } from '../../../src/shared/types.ts';
import { type Embedder, startEmbedder } from '../../../workers/embed/embedder.ts';
import { ASSETS, diskDeps, PLACES } from './node-model.ts';

const { signal } = new AbortController();
const request = (backend: EmbedStartRequest['backend']): EmbedStartRequest => ({
  assets: ASSETS,
  backend,
  ort: PLACES,
});
const opened: Embedder[] = [];

async function start(
  backend: EmbedStartRequest['backend'],
  changes: Parameters<typeof diskDeps>[0] = {},
): Promise<{ embedder: Embedder; progress: DownloadProgress[] }> {
  const progress: DownloadProgress[] = [];
  const embedder = await startEmbedder(request(backend), diskDeps(changes), {
    signal,
    onProgress: (p) => progress.push(p),
  });
  opened.push(embedder);
  return { embedder, progress };
}

/** An adapter that looks real, so that WebGPU is tried. */
const gpu = { requestAdapter: async () => ({ info: { vendor: 'acme' } }) };

/** The real WASM runtime in the place of the WebGPU one, with what comes out of it changed. */
function pretendedGpu(change: (numbers: Float32Array) => void) {
  const { importModule } = diskDeps();
  return {
    gpu,
    importModule: async (url: string) => {
      if (url !== PLACES.webgpuModule) return importModule(url);
      const real = (await importModule(PLACES.wasmModule)) as typeof import('onnxruntime-web');
      const { Tensor, InferenceSession } = real;
      return {
        env: real.env,
        Tensor,
        InferenceSession: {
          create: async (graph: Uint8Array, options: object) => {
            const session = await InferenceSession.create(graph, {
              ...options,
              executionProviders: ['wasm'],
            });
            return {
              release: () => session.release(),
              run: async (feeds: never, outputs: string[]) => {
                const result = await session.run(feeds, outputs);
                const tensor = result.sentence_embedding;
                change(tensor?.data as Float32Array);
                return result;
              },
            };
          },
        },
      };
    },
    // Both names lead to the WASM binary.
    fetch: (url: string, init: RequestInit) =>
      diskDeps().fetch(url === PLACES.webgpuBinary ? PLACES.wasmBinary : url, init),
  };
}

afterAll(() => Promise.all(opened.map((embedder) => embedder.close())));

describe('startEmbedder', { timeout: 120_000 }, () => {
  it('starts WASM, says why, and reports every stage on one bar', async () => {
    const { embedder, progress } = await start('auto');
    expect(embedder.info).toMatchObject({
      backend: 'wasm',
      dimension: 384,
      maxTokens: 256,
      threads: 1,
    });
    expect(embedder.info.why).toContain('no WebGPU');
    expect(embedder.info.why).toContain('not kept on this device');
    expect(new Set(progress.map(({ stage }) => stage))).toEqual(
      new Set(['download', 'compile', 'check']),
    );
    const { vectors, tokens, fingerprint } = await embedder.embed(
      { texts: ['a quiet inn', 'a peaceful tavern', 'the stock market fell'] },
      { signal },
    );
    expect(fingerprint).toBe(embedder.info.fingerprint);
    expect(tokens).toBe(5 + 5 + 6);
    const dot = (a: number, b: number): number => {
      let sum = 0;
      for (let k = 0; k < 384; k += 1) {
        sum += (vectors[a * 384 + k] as number) * (vectors[b * 384 + k] as number);
      }
      return sum;
    };
    expect(dot(0, 1)).toBeGreaterThan(dot(0, 2) + 0.3);
  });

  const spoils: readonly (readonly [string, RegExp, (numbers: Float32Array) => void])[] = [
    ['zeros', /length 0\.0000/, (numbers) => numbers.fill(0)],
    ['NaN', /not finite/, (numbers) => numbers.fill(Number.NaN)],
    ['shuffled', /cosine/, (numbers) => numbers.reverse()],
    [
      'twice as long',
      /length 2\.0000/,
      (numbers) => numbers.set(numbers.map((value) => 2 * value)),
    ],
  ];
  it.each(spoils)('does not use a backend that gives %s', async (_, why, change) => {
    const { embedder } = await start('auto', pretendedGpu(change));
    expect(embedder.info.backend).toBe('wasm');
    expect(embedder.info.why).toMatch(why);
    await expect(start('webgpu', pretendedGpu(change))).rejects.toMatchObject({
      code: 'backend_wrong',
    });
  });

  it('takes WASM when the WebGPU runtime cannot be loaded, and says so', async () => {
    const { embedder } = await start('auto', {
      gpu,
      importModule: (url) =>
        url === PLACES.webgpuModule
          ? Promise.reject(new TypeError('Failed to fetch dynamically imported module'))
          : diskDeps().importModule(url),
    });
    expect(embedder.info.backend).toBe('wasm');
    expect(embedder.info.why).toContain(PLACES.webgpuModule);
  });

  it('replaces a GPU that fails while running: first by itself, then by WASM', async () => {
    let broken = 0;
    const flaky = pretendedGpu(() => {
      if (broken <= 0) return;
      broken -= 1;
      throw new Error("Cannot read properties of undefined (reading 'destroy')");
    });
    const { embedder } = await start('auto', flaky);
    expect(embedder.info.backend).toBe('webgpu');
    const before = await embedder.embed({ texts: ['lantern'] }, { signal });
    broken = 1;
    const after = await embedder.embed({ texts: ['lantern'] }, { signal });
    expect(embedder.info.backend).toBe('webgpu');
    expect(embedder.info.why).toContain('started afresh');
    broken = 1;
    const last = await embedder.embed({ texts: ['lantern'] }, { signal });
    expect(embedder.info.backend).toBe('wasm');
    expect(embedder.info.why).toContain('replaced by WASM');
    for (const { vectors } of [after, last]) expect(vectors).toEqual(before.vectors);
  });

  it('refuses WebGPU by name where there is none, before anything is loaded', async () => {
    let fetched = 0;
    const count = async (): Promise<Response> => {
      fetched += 1;
      return new Response('no', { status: 404 });
    };
    await expect(start('webgpu', { fetch: count })).rejects.toMatchObject({
      code: 'embedder_unavailable',
    });
    expect(fetched).toBe(0);
  });

  it('names the runtime file that is missing or wrong', async () => {
    const { fetch } = diskDeps();
    const spoilt = (answer: () => Response) => (url: string, init: RequestInit) =>
      url === PLACES.wasmBinary ? Promise.resolve(answer()) : fetch(url, init);
    const missing = await start('wasm', {
      fetch: spoilt(() => new Response('no', { status: 404 })),
    }).catch((error) => error);
    expect(missing).toMatchObject({ code: 'asset_missing' });
    expect(missing.message).toContain(PLACES.wasmBinary);
    const page = await start('wasm', {
      fetch: spoilt(() => new Response('<!doctype html>')),
    }).catch((error) => error);
    expect(page).toMatchObject({ code: 'asset_corrupt' });
  });

  it('refuses what are not texts, and aborts', async () => {
    const [embedder] = opened as [Embedder];
    const wrong = embedder.embed({ texts: ['a', 5 as unknown as string] }, { signal });
    await expect(wrong).rejects.toMatchObject({ code: 'invalid_option' });
    const many = embedder.embed({ texts: new Array(70_000).fill('') }, { signal });
    await expect(many).rejects.toMatchObject({ code: 'invalid_option' });
    const late = embedder.embed({ texts: ['x'] }, { signal: AbortSignal.abort() });
    await expect(late).rejects.toMatchObject({ code: 'aborted' });
  });
});
