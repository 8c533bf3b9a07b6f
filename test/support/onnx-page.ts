/** Runs in a page: encoders over ONNX Runtime, from the sources, without a worker around them. */
import type { OnnxModel, OrtPlaces } from '../../src/shared/types.ts';
import { externalData } from '../../workers/embed/dequantise.ts';
import { downloadModel } from '../../workers/embed/download.ts';
import { loadOnnxModel, openOnnxEncoder } from '../../workers/embed/onnx-model.ts';
import { OrtEncoder } from '../../workers/embed/ort-encoder.ts';
import {
  createSession,
  loadRuntime,
  type OrtBackend,
  type OrtModule,
} from '../../workers/embed/ort-runtime.ts';
import { breathe, wait } from '../../workers/embed/timing.ts';
import { createTokenizer, type Tokenizer } from '../../workers/embed/tokenizer.ts';

/** Addresses are absolute. */
export interface OpenOrder {
  readonly backend: OrtBackend;
  readonly ort: OrtPlaces;
  /** Folder of a packed model, or somebody's ONNX model. */
  readonly model: string | OnnxModel;
}

/** What the test, outside of the page, may call. */
export interface OnnxPage {
  /** Opens an encoder under a name; answers with what it is. */
  open(name: string, order: OpenOrder): Promise<Opened>;
  embed(name: string, texts: readonly string[]): Promise<number[][]>;
  /** Embeds the texts twice at once and says how each of the two calls ended. */
  endings(name: string, texts: readonly string[]): Promise<Ending[]>;
  close(name: string): Promise<void>;
}

export interface Opened {
  readonly dimension: number;
  readonly backend: string;
  readonly fingerprint: string;
}

export interface Ending {
  readonly code: string;
  readonly retryable: boolean;
  readonly message: string;
  readonly ms: number;
}

interface Open {
  readonly encoder: OrtEncoder;
  readonly tokenizer: Tokenizer;
  readonly fingerprint: string;
}

const { signal } = new AbortController();
const deps = {
  fetch: (url: string, init: RequestInit) => fetch(url, init),
  importModule: (url: string) => import(/* @vite-ignore */ url),
  cache: null,
  wait,
};
const quiet = { signal, onProgress: () => {} };
const encoders = new Map<string, Open>();
const runtimes = new Map<OrtBackend, Promise<OrtModule>>();

function runtimeOf({ backend, ort }: OpenOrder): Promise<OrtModule> {
  const known = runtimes.get(backend) ?? loadRuntime(backend, ort, deps, signal);
  runtimes.set(backend, known);
  return known;
}

async function openPacked(order: OpenOrder, base: string): Promise<Open> {
  const { manifest, graph, weights, tokenizer } = await downloadModel(base, deps, quiet);
  const runtime = await runtimeOf(order);
  const session = await createSession(runtime, order.backend, {
    graph,
    externalName: manifest.externalName,
    external: externalData(manifest, weights),
  });
  const { dimension, maxTokens, architecture, fingerprint } = manifest;
  const encoder = new OrtEncoder({
    runtime,
    session,
    backend: order.backend,
    pooling: 'none',
    dimension,
    maxTokens,
    vocabulary: architecture.vocabulary,
    breathe,
  });
  return { encoder, tokenizer: createTokenizer(tokenizer, maxTokens), fingerprint };
}

async function openBrought(order: OpenOrder, model: OnnxModel): Promise<Open> {
  const loaded = await loadOnnxModel(model, deps, quiet);
  const runtime = await runtimeOf(order);
  const encoder = await openOnnxEncoder(loaded, runtime, order.backend, { signal, breathe });
  const { tokenizer, fingerprint } = loaded;
  return { encoder, tokenizer, fingerprint };
}

function known(name: string): Open {
  const open = encoders.get(name);
  if (!open) throw new Error(`No encoder "${name}" was opened.`);
  return open;
}

async function embed(name: string, texts: readonly string[]): Promise<number[][]> {
  const { encoder, tokenizer } = known(name);
  const vectors = await encoder.embed(texts.map((text) => tokenizer.encode(text)));
  return texts.map((_, row) =>
    Array.from(vectors.subarray(row * encoder.dimension, (row + 1) * encoder.dimension)),
  );
}

async function ending(name: string, texts: readonly string[]): Promise<Ending> {
  const start = performance.now();
  const error = await embed(name, texts).then(
    () => null,
    (reason: { code: string; retryable: boolean; message: string }) => reason,
  );
  const { code = 'none', retryable = false, message = '' } = error ?? {};
  return { code, retryable, message, ms: performance.now() - start };
}

const page: OnnxPage = {
  async open(name, order) {
    const { model } = order;
    const opened = await (typeof model === 'string'
      ? openPacked(order, model)
      : openBrought(order, model));
    encoders.set(name, opened);
    const { encoder, fingerprint } = opened;
    return { dimension: encoder.dimension, backend: encoder.backend, fingerprint };
  },
  embed,
  endings: (name, texts) => Promise.all([ending(name, texts), ending(name, texts)]),
  async close(name) {
    await known(name).encoder.close();
    encoders.delete(name);
  },
};

Object.assign(window, { onnxPage: page });
