/**
 * onnxruntime-web as a side: the published graph with float32 weights, or its int8 form, in one thread of
 * the page, with Hugging Face's tokenizer. It reads its model through the Cache API, as a page would that
 * wants it there at the next visit.
 */
import { Tokenizer } from '@huggingface/tokenizers';
import type * as Ort from 'onnxruntime-web';
import { cachedBytes, cachedJson } from './cached.ts';
import { DIMENSION, MAX_TOKENS, PLACES } from './settings.ts';
import { batchesOfLikeLength, type Side, scatter } from './side.ts';

export type Weights = 'fp32' | 'int8';

/** Published graphs differ: the float32 one ends in unit vectors, the int8 one in token vectors. */
const POOLED = 'sentence_embedding';
const TOKENS = 'last_hidden_state';
const CACHE = 'bench-onnxruntime-web';

export class OrtSide implements Side {
  readonly name;
  readonly #ort: typeof Ort;
  readonly #session: Ort.InferenceSession;
  readonly #tokenizer: Tokenizer;
  readonly #output: string;

  private constructor(
    weights: Weights,
    ort: typeof Ort,
    session: Ort.InferenceSession,
    tokenizer: Tokenizer,
  ) {
    this.name = `ort_${weights}` as const;
    this.#ort = ort;
    this.#session = session;
    this.#tokenizer = tokenizer;
    this.#output = session.outputNames.includes(POOLED) ? POOLED : TOKENS;
  }

  /** From nothing: the runtime and the files, side by side, then the session. */
  static async open(weights: Weights): Promise<OrtSide> {
    const [ort, files] = await Promise.all([importOrt(), readFiles(weights)]);
    return OrtSide.start(ort, files);
  }

  /** From what is in memory. */
  static async start(ort: typeof Ort, files: OrtFiles): Promise<OrtSide> {
    const session = await ort.InferenceSession.create(files.graph, {
      executionProviders: ['wasm'],
      externalData: files.data ? [{ path: 'model.onnx_data', data: files.data }] : [],
    });
    return new OrtSide(files.weights, ort, session, new Tokenizer(files.tokenizer, files.config));
  }

  async query(text: string): Promise<Float32Array> {
    return this.#run([this.#encode(text)]);
  }

  async embed(texts: readonly string[], size: number): Promise<Float32Array> {
    const ids = texts.map((text) => this.#encode(text));
    const vectors = new Float32Array(texts.length * DIMENSION);
    const lengths = ids.map(({ length }) => length);
    for (const batch of batchesOfLikeLength(lengths, size)) {
      const rows = await this.#run(batch.map((at) => ids[at] as number[]));
      scatter(vectors, rows, batch, DIMENSION);
    }
    return vectors;
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  /** Longer text is cut as the model card has it: the last token of a cut text is the separator again. */
  #encode(text: string): number[] {
    const { ids } = this.#tokenizer.encode(text);
    return ids.length <= MAX_TOKENS ? ids : [...ids.slice(0, MAX_TOKENS - 1), ids.at(-1) as number];
  }

  async #run(batch: readonly (readonly number[])[]): Promise<Float32Array> {
    const longest = batch.reduce((most, { length }) => Math.max(most, length), 0);
    const ids = new BigInt64Array(batch.length * longest);
    const mask = new BigInt64Array(batch.length * longest);
    batch.forEach((sequence, row) => {
      sequence.forEach((id, column) => {
        ids[row * longest + column] = BigInt(id);
      });
      mask.fill(1n, row * longest, row * longest + sequence.length);
    });
    const outputs = await this.#session.run(this.#feeds(ids, mask, batch.length, longest), [
      this.#output,
    ]);
    const data = outputs[this.#output]?.data as Float32Array;
    return this.#output === POOLED ? data : meanOfTokens(data, batch, longest);
  }

  #feeds(ids: BigInt64Array, mask: BigInt64Array, rows: number, longest: number) {
    const tensor = (data: BigInt64Array) => new this.#ort.Tensor('int64', data, [rows, longest]);
    return {
      input_ids: tensor(ids),
      attention_mask: tensor(mask),
      ...(this.#session.inputNames.includes('token_type_ids')
        ? { token_type_ids: tensor(new BigInt64Array(ids.length)) }
        : {}),
    };
  }
}

/** The runtime's script, set up for one thread; its binary is fetched and compiled by the first session. */
export async function importOrt(): Promise<typeof Ort> {
  const at = (path: string) => new URL(path, location.href).href;
  const ort: typeof Ort = await import(/* @vite-ignore */ at(PLACES.ort));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { wasm: at(PLACES.ortBinary) };
  return ort;
}

/** What a session and its tokenizer are made of. */
export interface OrtFiles {
  readonly weights: Weights;
  readonly graph: Uint8Array<ArrayBuffer>;
  /** Weights that lie beside the graph. */
  readonly data: Uint8Array<ArrayBuffer> | null;
  readonly tokenizer: object;
  readonly config: object;
}

export async function readFiles(weights: Weights): Promise<OrtFiles> {
  const at = (path: string) => new URL(`${PLACES.peerModel}${path}`, location.href).href;
  const [graph, data, tokenizer, config] = await Promise.all([
    cachedBytes(CACHE, at(weights === 'int8' ? 'onnx/model_quantized.onnx' : 'onnx/model.onnx')),
    weights === 'int8' ? null : cachedBytes(CACHE, at('onnx/model.onnx_data')),
    cachedJson(CACHE, at('tokenizer.json')),
    cachedJson(CACHE, at('tokenizer_config.json')),
  ]);
  return { weights, graph, data, tokenizer, config };
}

/** Mean over the tokens that are no padding, at unit length. */
export function meanOfTokens(
  data: Float32Array,
  batch: readonly { readonly length: number }[],
  longest: number,
): Float32Array {
  const rows = new Float32Array(batch.length * DIMENSION);
  batch.forEach(({ length }, at) => {
    const row = rows.subarray(at * DIMENSION, (at + 1) * DIMENSION);
    for (let token = 0; token < length; token++) {
      const from = (at * longest + token) * DIMENSION;
      for (let k = 0; k < DIMENSION; k++) row[k] = (row[k] as number) + (data[from + k] as number);
    }
    let sum = 0;
    for (const x of row) sum += x * x;
    const norm = Math.sqrt(sum);
    for (let k = 0; k < DIMENSION; k++) row[k] = (row[k] as number) / norm;
  });
  return rows;
}
