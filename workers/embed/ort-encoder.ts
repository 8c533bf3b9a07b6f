/** The encoder over ONNX Runtime: the published graph with float32 weights. */
import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import type { Backend } from '../../src/shared/types.ts';
import { backendError } from './backend-error.ts';
import { type BatchRules, planBatches } from './batches.ts';
import type { EncodeOptions, Encoder } from './encoder.ts';
import type { OrtModule } from './ort-runtime.ts';

export interface OrtEncoderOptions {
  readonly runtime: OrtModule;
  readonly session: InferenceSession;
  readonly backend: Backend;
  readonly dimension: number;
  readonly maxTokens: number;
  readonly vocabulary: number;
  /** Lets messages in between two batches. */
  readonly breathe: () => Promise<void>;
}

// One WASM thread gains nothing from larger batches (1,134 tokens/s one by one, 1,109 in batches), and
// a query waits for the batch before it: about a quarter of a second. A GPU wants more at a time.
const RULES: { readonly [B in Backend]: BatchRules } = {
  wasm: { tokens: 256, waste: 0.1 },
  webgpu: { tokens: 4_096, waste: 0.15 },
};

const OUTPUT = 'sentence_embedding';

export class OrtEncoder implements Encoder {
  readonly backend: Backend;
  readonly dimension: number;
  readonly threads = 1;
  readonly rules: BatchRules;
  readonly #options: OrtEncoderOptions;
  #tail: Promise<unknown> = Promise.resolve();
  #closed = false;
  #lost: string | null = null;

  constructor(options: OrtEncoderOptions) {
    this.backend = options.backend;
    this.dimension = options.dimension;
    this.rules = RULES[options.backend];
    this.#options = options;
    // Where the device cannot be watched, a failing run tells of its loss.
    if (options.backend === 'webgpu') this.#watchDevice().catch(() => {});
  }

  embed(
    ids: readonly Int32Array[],
    options: EncodeOptions = {},
  ): Promise<Float32Array<ArrayBuffer>> {
    // Whatever became of the call before, this one gets its turn.
    const turn = this.#tail.then(() => this.#embed(ids, options));
    this.#tail = turn.catch(() => {});
    return turn;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#tail;
    // A session on a lost device may throw when it lets go; there is nothing left to free then.
    await this.#options.session.release().catch(() => {});
  }

  async #embed(
    ids: readonly Int32Array[],
    { signal, onProgress }: EncodeOptions,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { dimension } = this;
    for (const sequence of ids) this.#check(sequence);
    const vectors = new Float32Array(ids.length * dimension);
    const batches = planBatches(
      ids.map((sequence) => sequence.length),
      this.rules,
    );
    let done = 0;
    for (const batch of batches) {
      if (done > 0) await this.#options.breathe();
      throwIfAborted(signal);
      const rows = await this.#run(batch.map((index) => ids[index] as Int32Array));
      batch.forEach((index, row) => {
        vectors.set(rows.subarray(row * dimension, (row + 1) * dimension), index * dimension);
      });
      done += batch.length;
      onProgress?.(done);
    }
    return vectors;
  }

  #check(sequence: Int32Array): void {
    const { maxTokens, vocabulary } = this.#options;
    if (sequence.length === 0 || sequence.length > maxTokens) {
      throw new WhorlError(
        'invalid_option',
        `A sequence of ${sequence.length} tokens cannot be encoded; 1 to ${maxTokens} can.`,
      );
    }
    const wrong = sequence.find((id) => id < 0 || id >= vocabulary);
    if (wrong !== undefined) {
      throw new WhorlError('invalid_option', `There is no token with the number ${wrong}.`);
    }
  }

  async #run(batch: readonly Int32Array[]): Promise<Float32Array> {
    if (this.#closed) throw new WhorlError('closed', 'The encoder was closed.');
    if (this.#lost !== null) throw backendError(this.backend, 'lost its device', this.#lost);
    const feeds = this.#feeds(batch);
    let output: Tensor | undefined;
    try {
      output = (await this.#options.session.run(feeds, [OUTPUT]))[OUTPUT];
      const data = await output?.getData();
      if (!(data instanceof Float32Array) || data.length !== batch.length * this.dimension) {
        throw new Error(`the graph gave ${data?.length ?? 0} numbers for ${batch.length} vectors`);
      }
      return data.slice();
    } catch (error) {
      throw backendError(this.backend, 'failed while running', this.#lost ?? error);
    } finally {
      output?.dispose();
      for (const tensor of Object.values(feeds)) tensor.dispose();
    }
  }

  /** Rows of token ids, padded to the longest with 0, and the mask of what is real. */
  #feeds(batch: readonly Int32Array[]): { readonly [name: string]: Tensor } {
    const { runtime } = this.#options;
    const longest = batch.reduce((most, { length }) => Math.max(most, length), 0);
    const ids = new BigInt64Array(batch.length * longest);
    const mask = new BigInt64Array(batch.length * longest);
    batch.forEach((sequence, row) => {
      sequence.forEach((id, column) => {
        ids[row * longest + column] = BigInt(id);
      });
      mask.fill(1n, row * longest, row * longest + sequence.length);
    });
    const dims = [batch.length, longest];
    return {
      input_ids: new runtime.Tensor('int64', ids, dims),
      attention_mask: new runtime.Tensor('int64', mask, dims),
    };
  }

  /** After a loss the runtime's own message misleads ("reading 'destroy'"); this one is told instead. */
  async #watchDevice(): Promise<void> {
    const device = (await this.#options.runtime.env.webgpu.device) as
      | { readonly lost: Promise<{ readonly reason?: string; readonly message?: string }> }
      | undefined;
    const info = await device?.lost;
    if (info) this.#lost = `device lost: ${info.reason ?? 'unknown'} ${info.message ?? ''}`.trim();
  }
}
