/**
 * transformers.js as a side: its feature-extraction pipeline on WASM, with its own tokenizer, runtime and
 * caches, as its documentation shows it. The benchmark's server stands in for the hub.
 */
import { DIMENSION, PLACES } from './settings.ts';
import { batchesOfLikeLength, type Side, scatter } from './side.ts';

type Weights = 'fp32' | 'q8';

interface Extractor {
  (
    texts: readonly string[],
    options: { readonly pooling: 'mean'; readonly normalize: true },
  ): Promise<{ readonly data: Float32Array }>;
  dispose(): Promise<unknown>;
}

interface Transformers {
  readonly env: {
    remoteHost: string;
    remotePathTemplate: string;
    readonly backends: {
      readonly onnx: {
        readonly wasm: {
          numThreads?: number;
          wasmPaths: { readonly mjs: string; readonly wasm: string };
        };
      };
    };
  };
  pipeline(
    task: 'feature-extraction',
    model: string,
    options: {
      readonly device: 'wasm';
      readonly dtype: Weights;
      readonly use_external_data_format: boolean;
    },
  ): Promise<Extractor>;
}

export class TransformersSide implements Side {
  readonly name;
  readonly #extract: Extractor;

  private constructor(weights: Weights, extract: Extractor) {
    this.name = `transformers_${weights}` as const;
    this.#extract = extract;
  }

  /** @param threads As many; `default`: as the library chooses. */
  static async open(weights: Weights, threads: number | 'default'): Promise<TransformersSide> {
    const at = (path: string) => new URL(path, location.href).href;
    const { env, pipeline }: Transformers = await import(
      /* @vite-ignore */ at(PLACES.transformers)
    );
    // As a hub of models, whose files it keeps in the browser's cache; those of its own site it would not.
    env.remoteHost = at('./');
    env.remotePathTemplate = `${PLACES.peerModels}{model}/`;
    const { mjs, wasm } = PLACES.transformersOrt;
    env.backends.onnx.wasm.wasmPaths = { mjs: at(mjs), wasm: at(wasm) };
    if (threads !== 'default') env.backends.onnx.wasm.numThreads = threads;
    const extract = await pipeline('feature-extraction', PLACES.modelName, {
      device: 'wasm',
      dtype: weights,
      use_external_data_format: weights === 'fp32',
    });
    return new TransformersSide(weights, extract);
  }

  query(text: string): Promise<Float32Array> {
    return this.#run([text]);
  }

  /** The tokenizer is inside of the pipeline, so batches are made by length in characters. */
  async embed(texts: readonly string[], size: number): Promise<Float32Array> {
    const vectors = new Float32Array(texts.length * DIMENSION);
    const lengths = texts.map(({ length }) => length);
    for (const batch of batchesOfLikeLength(lengths, size)) {
      const rows = await this.#run(batch.map((at) => texts[at] as string));
      scatter(vectors, rows, batch, DIMENSION);
    }
    return vectors;
  }

  async close(): Promise<void> {
    await this.#extract.dispose();
  }

  async #run(texts: readonly string[]): Promise<Float32Array> {
    return (await this.#extract(texts, { pooling: 'mean', normalize: true })).data;
  }
}
