/**
 * A BERT encoder in WASM memory: token ids to unit vectors. Two batches may be under way side by side,
 * in the slots `query` and `bulk`, so that a query runs in the middle of bulk work. It uses nothing
 * global but WebAssembly and the digest, and no view of its memory leaves it.
 */
import { WhorlError } from '../../../src/shared/errors.ts';
import type { Precision } from '../../../src/shared/types.ts';
import type { Architecture, ModelTensor } from '../manifest.ts';
import { checkKernelOptions, checkShape, type KernelOptions } from './check.ts';
import { compiledKernel, instantiateKernel, type MiniLmExports } from './instance.ts';
import { WeightLoader } from './weight-loader.ts';

export type { KernelOptions } from './check.ts';
export type { KernelVariant } from './instance.ts';

/** Who asks: a query's batch and a bulk batch do not wait for each other. */
export type KernelSlot = 'query' | 'bulk';

/** Numbers of `wasm/minilm/slots.ts`. */
const SLOTS = { query: 0, bulk: 1 } as const;
const PRECISIONS: Readonly<Record<Precision, number>> = { int8: 0, float32: 1 };
/** Bytes of the region's header that tell its sizes, and where it tells the kind of the word embeddings. */
const HEADER_BYTES = 32;
const WORD_KIND_AT = 32;
/** Of a vector's squared length, which float32 leaves within 1e-6 of 1. */
const LENGTH_TOLERANCE = 1e-3;
/** Rows are counted in 31 bits. */
const MOST_ROWS = 2 ** 30;

interface Batch {
  readonly sequences: number;
  done: boolean;
}

/** What {@link MiniLmKernel.openLent} is given: {@link MiniLmKernel.image} and `identity` of another instance. */
export interface LentKernel {
  readonly image: ArrayBuffer;
  readonly kernel: string;
}

interface Opened {
  readonly kernel: MiniLmExports;
  readonly identity: string;
}

export class MiniLmKernel {
  /** Kernel, variant, precision and binary: instances of one identity and shape take each other's images. */
  readonly identity: string;
  readonly #shape: Architecture;
  readonly #options: Required<KernelOptions>;
  readonly #loader: WeightLoader;
  #kernel: MiniLmExports | null;
  readonly #batches: Record<KernelSlot, Batch | null> = { query: null, bulk: null };

  private constructor(shape: Architecture, options: Required<KernelOptions>, opened: Opened) {
    this.identity = opened.identity;
    this.#shape = shape;
    this.#options = options;
    this.#kernel = opened.kernel;
    this.#loader = new WeightLoader(opened.kernel, shape);
  }

  /**
   * A kernel without weights.
   *
   * @throws `invalid_option`, `unsupported` (no such SIMD, forbidden, or a shape it cannot run), `out_of_memory`
   */
  static async open(shape: Architecture, options: KernelOptions): Promise<MiniLmKernel> {
    const checked = checkKernelOptions(options, shape);
    checkShape(shape);
    const { variant, precision } = checked;
    const { module, hash } = await compiledKernel(variant);
    const identity = `minilm/${variant}/${precision}/${hash}`;
    const kernel = await instantiateKernel(module);
    setUp(kernel, shape, checked);
    return new MiniLmKernel(shape, checked, { kernel, identity });
  }

  /**
   * A kernel with another instance's weights, copied; nothing is left to load.
   *
   * @throws as {@link open}, and `unsupported` for an image of another kernel, precision or shape
   */
  static async openLent(
    shape: Architecture,
    options: KernelOptions,
    lent: LentKernel,
  ): Promise<MiniLmKernel> {
    const own = await MiniLmKernel.open(shape, options);
    try {
      own.#takeImage(lent);
    } catch (error) {
      own.close();
      throw error;
    }
    return own;
  }

  /** Bytes of WASM memory in use: shared working memory, the model, and the largest batches so far. */
  get usedBytes(): number {
    return this.#use((kernel) => kernel.usedBytes());
  }

  /**
   * Takes one tensor, or its rows from `fromRow` on, which follow those that came before. One that the
   * encoder does not need is ignored.
   *
   * @param bytes Whole rows as the tensor stores them; copied.
   * @param scales One a row for `int8-rows`, else null.
   * @throws `asset_corrupt` that names the tensor; `out_of_memory`
   */
  load(
    tensor: ModelTensor,
    bytes: Uint8Array,
    scales: Float32Array | null,
    fromRow: number = 0,
  ): void {
    this.#use(() => this.#loader.load(tensor, bytes, scales, fromRow));
  }

  /** Tensors of which rows are missing; while there are any, no batch begins. */
  missing(): string[] {
    return this.#use(() => this.#loader.missing());
  }

  /** A copy of the model's memory, which {@link openLent} takes. @throws `internal` while weights are missing */
  image(): ArrayBuffer {
    return this.#use((kernel) => {
      this.#refuseIncomplete('lent');
      const at = kernel.modelAt() >>> 0;
      return kernel.memory.buffer.slice(at, at + (kernel.modelBytes() >>> 0)) as ArrayBuffer;
    });
  }

  /**
   * Begins a batch in an empty slot. A sequence holds token ids, special ones included.
   *
   * @throws `invalid_option` for a sequence without tokens or with more than `maxTokens`, or an id that is
   *   not in the vocabulary; `out_of_memory`, and then the slot is empty, the model and the other slot's
   *   batch are kept, and a smaller batch may do
   */
  begin(slot: KernelSlot, sequences: readonly Int32Array[]): void {
    this.#use((kernel) => {
      this.#refuseIncomplete('used');
      if (this.#batches[slot]) throw misuse(`A batch began in the slot "${slot}", which has one.`);
      const rows = this.#countRows(sequences);
      if (sequences.length > 0) {
        if (rows > MOST_ROWS || !kernel.reserveSlot(SLOTS[slot], rows)) {
          throw this.#outOfMemory(kernel, `a batch of ${rows} tokens`);
        }
        writeBatch(kernel, SLOTS[slot], sequences);
      }
      this.#batches[slot] = { sequences: sequences.length, done: sequences.length === 0 };
    });
  }

  /** Does one bounded piece of a batch, about a millisecond at full speed; true when the batch is done. */
  step(slot: KernelSlot): boolean {
    return this.#use((kernel) => {
      const batch = this.#batchOf(slot);
      if (!batch.done) batch.done = kernel.step(SLOTS[slot]) !== 0;
      return batch.done;
    });
  }

  /**
   * The vectors of a batch that is done, row-major, unit length, in the order given; empties the slot.
   *
   * @throws `backend_wrong` where one is not finite or has no direction: the weights are no model, or the
   *   build computes wrongly here. Nothing of the batch is handed out.
   */
  take(slot: KernelSlot): Float32Array<ArrayBuffer> {
    return this.#use((kernel) => {
      const batch = this.#batchOf(slot);
      if (!batch.done)
        throw misuse(`The batch in the slot "${slot}" was taken before it was done.`);
      const at = kernel.vectorsAt(SLOTS[slot]) >>> 0;
      const count = batch.sequences * this.#shape.hidden;
      const vectors = new Float32Array(kernel.memory.buffer, at, count).slice();
      this.#drop(kernel, slot);
      checkVectors(vectors, this.#shape.hidden);
      return vectors;
    });
  }

  /** Forgets the batch of a slot; nothing happens where there is none. */
  cancel(slot: KernelSlot): void {
    if (this.#kernel) this.#drop(this.#kernel, slot);
  }

  /** Lets go of the memory. Later calls throw `closed`. */
  close(): void {
    this.#kernel = null;
    this.#batches.query = null;
    this.#batches.bulk = null;
  }

  #drop(kernel: MiniLmExports, slot: KernelSlot): void {
    kernel.dropBatch(SLOTS[slot]);
    this.#batches[slot] = null;
  }

  #batchOf(slot: KernelSlot): Batch {
    const batch = this.#batches[slot];
    if (batch) return batch;
    throw misuse(`There is no batch in the slot "${slot}".`);
  }

  /** Tokens of all sequences, each of which is checked. */
  #countRows(sequences: readonly Int32Array[]): number {
    const { maxTokens } = this.#options;
    const { vocabulary } = this.#shape;
    let rows = 0;
    for (const ids of sequences) {
      if (ids.length < 1 || ids.length > maxTokens) {
        throw new WhorlError(
          'invalid_option',
          `A text has ${ids.length} tokens, but the encoder takes 1 to ${maxTokens}. Nothing was embedded.`,
        );
      }
      for (const id of ids) if (id < 0 || id >= vocabulary) throw unknownToken(id, vocabulary);
      rows += ids.length;
    }
    return rows;
  }

  #refuseIncomplete(what: string): void {
    const missing = this.#loader.missing();
    const [first] = missing;
    if (first === undefined) return;
    throw misuse(
      `The encoder was ${what} before its weights were complete: ${missing.length} tensors are missing, the first is "${first}".`,
    );
  }

  #takeImage({ image, kernel: identity }: LentKernel): void {
    this.#use((kernel) => {
      if (identity !== this.identity) {
        throw notOurs(`it is one of "${identity}" and not of "${this.identity}"`);
      }
      const at = kernel.modelAt() >>> 0;
      const own = new Uint8Array(kernel.memory.buffer, at, HEADER_BYTES);
      if (image.byteLength <= HEADER_BYTES + 4 || !sameBytes(own, new Uint8Array(image))) {
        throw notOurs('it is one of another shape');
      }
      const kind = new DataView(image).getInt32(WORD_KIND_AT, true);
      if (kind !== 1 && kind !== 2) throw notOurs('it has no word embeddings');
      if (!kernel.layWords(kind)) throw this.#outOfMemory(kernel, 'the word embeddings');
      if (image.byteLength !== kernel.modelBytes() >>> 0) throw notOurs('it has another size');
      new Uint8Array(kernel.memory.buffer).set(new Uint8Array(image), at);
      this.#loader.complete();
    });
  }

  #outOfMemory(kernel: MiniLmExports, what: string): WhorlError {
    return outOfMemory(kernel, `There is no memory for ${what}`);
  }

  /** Runs with the kernel. A trap leaves it in an unknown state, so it is not used again. */
  #use<T>(work: (kernel: MiniLmExports) => T): T {
    if (this.#kernel === null) throw new WhorlError('closed', 'The encoder is closed.');
    try {
      return work(this.#kernel);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) this.close();
      throw error;
    }
  }
}

function setUp(kernel: MiniLmExports, shape: Architecture, options: Required<KernelOptions>): void {
  kernel.limitMemory(options.maxBytes);
  const laid = kernel.setUp(
    shape.layers,
    shape.hidden,
    shape.heads,
    shape.intermediate,
    shape.vocabulary,
    shape.positions,
    options.maxTokens,
    shape.layerNormEps,
    PRECISIONS[options.precision],
  );
  if (!laid) throw outOfMemory(kernel, 'There is no memory for the weights of the encoder');
}

/** Writes ids and starts to a reserved slot, and begins. */
function writeBatch(kernel: MiniLmExports, slot: number, sequences: readonly Int32Array[]): void {
  const memory = new Int32Array(kernel.memory.buffer);
  const ids = kernel.idsAt(slot) >>> 2;
  const starts = kernel.startsAt(slot) >>> 2;
  let row = 0;
  sequences.forEach((sequence, index) => {
    memory[starts + index] = row;
    memory.set(sequence, ids + row);
    row += sequence.length;
  });
  memory[starts + sequences.length] = row;
  kernel.startBatch(slot, sequences.length);
}

/** @throws `backend_wrong` for the first vector that is not of unit length. */
function checkVectors(vectors: Float32Array, columns: number): void {
  for (let from = 0; from < vectors.length; from += columns) {
    let square = 0;
    for (let k = from; k < from + columns; k += 1) square += (vectors[k] as number) ** 2;
    if (Math.abs(square - 1) < LENGTH_TOLERANCE) continue;
    const why = Number.isFinite(square)
      ? `has length ${Math.sqrt(square).toFixed(4)} instead of 1`
      : 'is not finite';
    throw new WhorlError(
      'backend_wrong',
      `The encoder computed a vector that cannot be used: that of text ${from / columns + 1} of ${vectors.length / columns} ${why}. Nothing of this batch was kept.`,
    );
  }
}

/** Whether `bytes` begins with `start`. */
function sameBytes(start: Uint8Array, bytes: Uint8Array): boolean {
  return start.every((byte, at) => byte === bytes[at]);
}

function outOfMemory(kernel: MiniLmExports, what: string): WhorlError {
  const used = Math.round(kernel.usedBytes() / 2 ** 20);
  return new WhorlError(
    'out_of_memory',
    `${what} (${used} MiB in use). Weights that are loaded and batches under way are kept. Give fewer or shorter texts at once, or close other tabs.`,
  );
}

function unknownToken(id: number, vocabulary: number): WhorlError {
  return new WhorlError(
    'invalid_option',
    `A text has the token ${id}, but the model's vocabulary is 0 to ${vocabulary - 1}: tokenizer and model do not belong together. Nothing was embedded; pack the model again.`,
  );
}

function notOurs(what: string): WhorlError {
  return new WhorlError(
    'unsupported',
    `The lent model cannot be used: ${what}. Nothing was changed; start by download.`,
  );
}

function misuse(what: string): WhorlError {
  return new WhorlError('internal', `${what} Nothing was changed.`);
}
