/** The encoder over ONNX Runtime: any graph that makes vectors of token ids. */
import { throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import { backendError, backendName } from './backend-error.ts';
import { type BatchRules, planBatches } from './batches.ts';
import type { EncodeOptions, Encoder } from './encoder.ts';
import { type GraphPlan, planGraph, runGraph, type SessionLike } from './ort-graph.ts';
import type { OrtBackend, OrtModule } from './ort-runtime.ts';
import { normaliseRows, type Pooling } from './pooling.ts';

export interface OrtEncoderOptions {
  readonly runtime: Pick<OrtModule, 'Tensor' | 'env'>;
  readonly session: SessionLike;
  readonly backend: OrtBackend;
  readonly pooling: Pooling;
  readonly dimension: number;
  readonly maxTokens: number;
  /** Tokens that the graph knows; null where that cannot be read: the runtime then refuses strange ones. */
  readonly vocabulary: number | null;
  /** One text a run, for graphs whose vectors depend on what is in the batch. Default false. */
  readonly perText?: boolean;
  /** Lets messages in between two batches. */
  readonly breathe: () => Promise<void>;
}

// One WASM thread gains nothing from larger batches (1,134 tokens/s one by one, 1,109 in batches), and
// a query waits for the batch before it: about a quarter of a second. A GPU wants more at a time.
const RULES: { readonly [B in OrtBackend]: BatchRules } = {
  onnx: { tokens: 256, waste: 0.1 },
  webgpu: { tokens: 4_096, waste: 0.15 },
};

export class OrtEncoder implements Encoder {
  readonly backend: OrtBackend;
  readonly dimension: number;
  readonly threads = 1;
  readonly rules: BatchRules;
  readonly #options: OrtEncoderOptions;
  readonly #plan: GraphPlan;
  /** Rejects when the device is lost; stays pending otherwise. */
  readonly #loss: Promise<never>;
  #tail: Promise<unknown> = Promise.resolve();
  #closed = false;
  #lost: string | null = null;

  /** @throws WhorlError `asset_corrupt` when the session's inputs and outputs do not fit. */
  constructor(options: OrtEncoderOptions) {
    this.#plan = planGraph(options.session, options.pooling);
    this.backend = options.backend;
    this.dimension = options.dimension;
    this.rules = rulesOf(options, this.#plan);
    this.#options = options;
    this.#loss = new Promise((_, reject) => {
      if (options.backend === 'webgpu') void this.#watchDevice(reject);
    });
    this.#loss.catch(() => {});
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
    const released = this.#release();
    // On a lost device the runtime may throw when it lets go, or stay in a run that never ends: there is nothing left to free then.
    if (this.#lost === null) await released;
  }

  async #release(): Promise<void> {
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
    const end = vocabulary ?? Number.POSITIVE_INFINITY;
    const wrong = sequence.find((id) => id < 0 || id >= end);
    if (wrong !== undefined) {
      throw new WhorlError('invalid_option', `There is no token with the number ${wrong}.`);
    }
  }

  async #run(batch: readonly Int32Array[]): Promise<Float32Array> {
    if (this.#closed) throw new WhorlError('closed', 'The encoder was closed.');
    if (this.#lost !== null) throw backendError(this.backend, 'lost its device', this.#lost);
    const { runtime, session } = this.#options;
    try {
      const run = runGraph(runtime, session, this.#plan, batch);
      // A run whose device is lost may never settle; its late failure is nobody's.
      run.catch(() => {});
      const { vectors, dimension } = await Promise.race([run, this.#loss]);
      return this.#checked(vectors, dimension);
    } catch (error) {
      throw backendError(this.backend, 'failed while running', this.#lost ?? error);
    }
  }

  /** @throws WhorlError `asset_corrupt`, `backend_wrong`. */
  #checked(vectors: Float32Array, dimension: number): Float32Array {
    if (dimension !== this.dimension) {
      throw new WhorlError(
        'asset_corrupt',
        `The ONNX graph gave vectors of ${dimension} numbers where ${this.dimension} were expected. ${this.#plan.words}`,
      );
    }
    const why = normaliseRows(vectors, dimension);
    if (why === null) return vectors;
    throw new WhorlError(
      'backend_wrong',
      `The ${backendName(this.backend)} encoder computed a vector that cannot be used: ${why}. Nothing of this batch was kept.`,
      { retryable: this.backend === 'webgpu' },
    );
  }

  /** After a loss the runtime's own message misleads ("reading 'destroy'"); this one is told instead. */
  async #watchDevice(reject: (error: Error) => void): Promise<void> {
    const info = await lossOf(this.#options.runtime);
    if (!info) return;
    this.#lost = `device lost: ${info.reason ?? 'unknown'} ${info.message ?? ''}`.trim();
    reject(new Error(this.#lost));
  }
}

interface Loss {
  readonly reason?: string;
  readonly message?: string;
}

/** Resolves when the runtime's device is lost; with nothing where the device cannot be watched: a failing run tells then. */
async function lossOf({ env }: OrtEncoderOptions['runtime']): Promise<Loss | null> {
  try {
    const device = (await env.webgpu.device) as { readonly lost: Promise<Loss> } | undefined;
    return (await device?.lost) ?? null;
  } catch {
    return null;
  }
}

function rulesOf({ backend, perText }: OrtEncoderOptions, plan: GraphPlan): BatchRules {
  if (perText) return { tokens: 1, waste: 0 };
  return plan.masked ? RULES[backend] : { ...RULES[backend], waste: 0 };
}
