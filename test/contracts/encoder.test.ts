import { externalData } from '../../workers/embed/dequantise.ts';
import { downloadModel } from '../../workers/embed/download.ts';
import { OrtEncoder } from '../../workers/embed/ort-encoder.ts';
import { createSession, loadRuntime } from '../../workers/embed/ort-runtime.ts';
import { createTokenizer } from '../../workers/embed/tokenizer.ts';
import { ASSETS, diskDeps, PLACES } from '../unit/embed/node-model.ts';
import { encoderSuite } from './encoder-suite.ts';

const { signal } = new AbortController();

encoderSuite({
  name: 'ONNX Runtime, WASM, in Node',
  timeoutMs: 120_000,
  async open() {
    const deps = diskDeps();
    const { manifest, graph, weights, tokenizer } = await downloadModel(ASSETS, deps, {
      signal,
      onProgress: () => {},
    });
    const runtime = await loadRuntime('wasm', PLACES, deps, signal);
    const session = await createSession(runtime, 'wasm', {
      graph,
      externalName: manifest.externalName,
      external: externalData(manifest, weights),
    });
    const { dimension, maxTokens, architecture } = manifest;
    return {
      encoder: new OrtEncoder({
        runtime,
        session,
        backend: 'wasm',
        dimension,
        maxTokens,
        vocabulary: architecture.vocabulary,
        breathe: deps.breathe,
      }),
      tokenizer: createTokenizer(tokenizer, maxTokens),
      answers: manifest.knownAnswers,
      vocabulary: architecture.vocabulary,
    };
  },
});
