/** The committed model through the whole of the worker's core, and backends that fail. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { DownloadProgress, EmbedStartRequest } from '../../../src/shared/types.ts';
import type { Embedder } from '../../../workers/embed/embedder.ts';
import { type EmbedderDeps, startEmbedder } from '../../../workers/embed/start-embedder.ts';
import { MemoryCache } from './asset-server.ts';
import { spoiltKernels } from './made-up-server.ts';
import { ASSETS, diskDeps, PLACES } from './node-model.ts';
import { BERT, FakeTensor, fakeSession } from './onnx-fake.ts';

const { signal } = new AbortController();
const TAVERN = fileURLToPath(new URL('../../../../shared/golden/tavern.json', import.meta.url));
const opened: Embedder[] = [];

async function start(
  backend: EmbedStartRequest['backend'],
  changes: Parameters<typeof diskDeps>[0] = {},
): Promise<{ embedder: Embedder; progress: DownloadProgress[] }> {
  const progress: DownloadProgress[] = [];
  const request = { assets: ASSETS, backend, ort: PLACES };
  const embedder = await startEmbedder(request, diskDeps(changes), {
    signal,
    onProgress: (p) => progress.push(p),
  });
  opened.push(embedder);
  return { embedder, progress };
}

const dot = (vectors: Float32Array, a: number, b: number): number => {
  let sum = 0;
  for (let k = 0; k < 384; k += 1) {
    sum += (vectors[a * 384 + k] as number) * (vectors[b * 384 + k] as number);
  }
  return sum;
};

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
              inputMetadata: session.inputMetadata,
              outputMetadata: session.outputMetadata,
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
  it('starts our own kernel, says why, and reads neither graph nor runtime', async () => {
    const asked: string[] = [];
    const { embedder, progress } = await start('auto', {
      fetch: (url, init) => {
        asked.push(url.split('/').at(-1) ?? '');
        return diskDeps().fetch(url, init);
      },
    });
    const { info } = embedder;
    expect(info).toMatchObject({ backend: 'wasm', dimension: 384, maxTokens: 256, threads: 1 });
    expect(info.why).toMatch(/own kernel, build "(simd128|relaxed)"\. \w/);
    expect(info.why).toContain('not kept on this device');
    expect(info.weights).toMatch(/int8 by 14-bit/);
    expect(asked).toEqual(['manifest.json', 'tokenizer.json', 'weights.bin']);
    expect(new Set(progress.map(({ stage }) => stage))).toEqual(new Set(['download', 'check']));
    expect(progress.at(-1)?.loadedBytes).toBe(progress.at(-1)?.totalBytes);
    const { vectors, tokens, fingerprint } = await embedder.embed(
      { texts: ['a quiet inn', 'a peaceful tavern', 'the stock market fell'] },
      { signal },
    );
    expect(fingerprint).toBe(info.fingerprint);
    expect(tokens).toBe(5 + 5 + 6);
    expect(dot(vectors, 0, 1)).toBeGreaterThan(dot(vectors, 0, 2) + 0.3);
  });

  it.skipIf(!existsSync(TAVERN))(
    'gives the tavern its golden likeness (skipped without ../shared/golden)',
    async () => {
      const { query, description, inner_product } = JSON.parse(readFileSync(TAVERN, 'utf8'));
      const [embedder] = opened as [Embedder];
      const { vectors } = await embedder.embed({ texts: [query, description] }, { signal });
      expect(Math.abs(dot(vectors, 0, 1) - inner_product)).toBeLessThan(0.004);
    },
  );

  it('reads what an earlier visit kept: the same vectors, one small question to the network', async () => {
    const cache = new MemoryCache();
    const asked: string[] = [];
    const fetch: EmbedderDeps['fetch'] = (url, init) => {
      asked.push(url.split('/').at(-1) ?? '');
      return diskDeps().fetch(url, init);
    };
    const first = await start('wasm', { cache, fetch });
    // Six pieces of weights, tokenizer, manifest.
    expect(cache.entries.size).toBe(8);
    asked.length = 0;
    const second = await start('wasm', { cache, fetch });
    expect(asked).toEqual(['manifest.json']);
    expect(second.embedder.info.why).not.toContain('not kept');
    const read = second.progress.filter(({ stage }) => stage !== 'check');
    expect(read.every(({ fromCache, stage }) => fromCache && stage === 'verify')).toBe(true);
    const texts = ['a quiet inn', 'lantern'];
    const [one, two] = await Promise.all(
      [first, second].map(({ embedder }) => embedder.embed({ texts }, { signal })),
    );
    expect(one?.vectors).toEqual(two?.vectors);
  });

  it('takes ONNX Runtime where the kernel is refused or wrong, and says so', async () => {
    const none = { ...spoiltKernels().kernels, choose: async () => ({ refused: 'No SIMD here.' }) };
    const first = await start('auto', { kernels: none });
    expect(first.embedder.info).toMatchObject({ backend: 'onnx' });
    expect(first.embedder.info.why).toContain('No SIMD here.');
    expect(first.embedder.info.weights).toContain('float32');
    const { kernels, opened: made } = spoiltKernels({ change: (vectors) => vectors.reverse() });
    const second = await start('auto', { kernels });
    expect(second.embedder.info).toMatchObject({ backend: 'onnx' });
    expect(second.embedder.info.why).toMatch(/computes wrong vectors/);
    expect(made.map(({ closed }) => closed > 0)).toEqual([true]);
    const texts = ['lantern', 'a quiet inn'];
    const [one, two] = await Promise.all(
      [first, second].map(({ embedder }) => embedder.embed({ texts }, { signal })),
    );
    expect(one?.vectors).toEqual(two?.vectors);
    expect(first.embedder.lend()).toBeNull();
  });

  it('uses WebGPU by name or refuses it by name', async () => {
    const shuffled = pretendedGpu((numbers) => numbers.reverse());
    await expect(start('webgpu', shuffled)).rejects.toMatchObject({ code: 'backend_wrong' });
    const { embedder } = await start(
      'webgpu',
      pretendedGpu(() => {}),
    );
    expect(embedder.info).toMatchObject({ backend: 'webgpu' });
    expect(embedder.info.why).toContain('acme');
    const unloadable = {
      gpu,
      importModule: () => Promise.reject(new TypeError('Failed to fetch module')),
    };
    const error = await start('webgpu', unloadable).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'asset_missing' });
    expect(error.message).toContain(PLACES.webgpuModule);
  });

  it('lets a session go whose graph does not fit', async () => {
    const session = fakeSession(BERT, { logits: ['float32', ['b', 'seq', 2, 3]] });
    const importModule = async () => ({
      env: { wasm: {} },
      Tensor: FakeTensor,
      InferenceSession: { create: async () => session },
    });
    await expect(start('onnx', { importModule })).rejects.toMatchObject({ code: 'asset_corrupt' });
    expect(session.released).toBe(1);
  });

  it('starts a GPU that fails while running afresh once, then gives it up', async () => {
    let broken = 0;
    const flaky = pretendedGpu(() => {
      if (broken <= 0) return;
      broken -= 1;
      throw new Error("Cannot read properties of undefined (reading 'destroy')");
    });
    const { embedder } = await start('webgpu', flaky);
    const before = await embedder.embed({ texts: ['lantern'] }, { signal });
    broken = 1;
    const after = await embedder.embed({ texts: ['lantern'] }, { signal });
    expect(embedder.info.backend).toBe('webgpu');
    expect(embedder.info.why).toContain('started afresh');
    expect(after.vectors).toEqual(before.vectors);
    broken = 1;
    const last = embedder.embed({ texts: ['lantern'] }, { signal });
    await expect(last).rejects.toMatchObject({ code: 'backend_failed', retryable: true });
  });

  it.each([
    ['there is none', undefined, /has no WebGPU/],
    ['there is no adapter', { requestAdapter: async () => null }, /no adapter/],
    [
      'it runs in software',
      { requestAdapter: async () => ({ info: { description: 'SwiftShader' } }) },
      /runs in software here \(SwiftShader\)/,
    ],
  ])('refuses WebGPU by name where %s, before anything is loaded', async (_, adapter, why) => {
    let fetched = 0;
    const count = async (): Promise<Response> => {
      fetched += 1;
      return new Response('no', { status: 404 });
    };
    const error = await start('webgpu', { fetch: count, gpu: adapter }).catch((e) => e);
    expect(error).toMatchObject({ code: 'embedder_unavailable' });
    expect(error.message).toMatch(why);
    expect(fetched).toBe(0);
  });

  it('names the runtime file that is missing or wrong', async () => {
    const { fetch } = diskDeps();
    const spoilt = (answer: () => Response) => (url: string, init: RequestInit) =>
      url === PLACES.wasmBinary ? Promise.resolve(answer()) : fetch(url, init);
    const missing = await start('onnx', {
      fetch: spoilt(() => new Response('no', { status: 404 })),
    }).catch((error) => error);
    expect(missing).toMatchObject({ code: 'asset_missing' });
    expect(missing.message).toContain(PLACES.wasmBinary);
    const page = await start('onnx', {
      fetch: spoilt(() => new Response('<!doctype html>')),
    }).catch((error) => error);
    expect(page).toMatchObject({ code: 'asset_corrupt' });
  });
});
