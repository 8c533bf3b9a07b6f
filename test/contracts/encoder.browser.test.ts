import { ortPlaces } from '../../src/places.ts';
import { externalData } from '../../workers/embed/dequantise.ts';
import { downloadModel } from '../../workers/embed/download.ts';
import { OrtEncoder } from '../../workers/embed/ort-encoder.ts';
import { createSession, loadRuntime } from '../../workers/embed/ort-runtime.ts';
import { breathe, wait } from '../../workers/embed/timing.ts';
import { createTokenizer } from '../../workers/embed/tokenizer.ts';
import { encoderSuite } from './encoder-suite.ts';

const { signal } = new AbortController();
const assets = new URL('/models/all-MiniLM-L6-v2/', location.href).href;

encoderSuite({
  name: 'ONNX Runtime, WASM, in Chromium',
  timeoutMs: 120_000,
  async open() {
    const deps = {
      fetch: (url: string, init: RequestInit) => fetch(url, init),
      importModule: (url: string) => import(/* @vite-ignore */ url),
      cache: null,
      wait,
    };
    const { manifest, graph, weights, tokenizer } = await downloadModel(assets, deps, {
      signal,
      onProgress: () => {},
    });
    const runtime = await loadRuntime('wasm', ortPlaces, deps, signal);
    const session = await createSession(runtime, 'wasm', {
      graph,
      externalName: manifest.externalName,
      external: externalData(manifest, weights),
    });
    const { dimension, maxTokens, architecture } = manifest;
    const { vocabulary } = architecture;
    return {
      encoder: new OrtEncoder({
        runtime,
        session,
        backend: 'wasm',
        dimension,
        maxTokens,
        vocabulary,
        breathe,
      }),
      tokenizer: createTokenizer(tokenizer, maxTokens),
      answers: manifest.knownAnswers,
      vocabulary,
    };
  },
});
