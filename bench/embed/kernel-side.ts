/**
 * Our kernel alone, on the page's thread, without worker and messages: each of its paths (its build and its
 * arithmetic), of which the engine chooses one by itself.
 */

import type { Precision } from '../../src/shared/types.ts';
import { planBatches } from '../../workers/embed/batches.ts';
import { type KernelVariant, MiniLmKernel } from '../../workers/embed/kernel/minilm-kernel.ts';
import { chooseVariant, readKernelFacts } from '../../workers/embed/kernel/variant.ts';
import { fileOf, type ModelManifest, parseManifest } from '../../workers/embed/manifest.ts';
import { createTokenizer, type Tokenizer } from '../../workers/embed/tokenizer.ts';
import { DIMENSION, type PathName, PLACES } from './settings.ts';
import { type Side, scatter } from './side.ts';

interface Path {
  readonly variant: KernelVariant;
  readonly precision: Precision;
}

const PATHS: Readonly<Record<PathName, Path>> = {
  plain: { variant: 'simd128', precision: 'int8' },
  relaxed: { variant: 'relaxed', precision: 'int8' },
  float32: { variant: 'simd128', precision: 'float32' },
  float32_relaxed: { variant: 'relaxed', precision: 'float32' },
};

/** Rows of a batch, as many as the engine takes. */
const RULES = { tokens: 640, waste: 1 };

/** A packed model in memory. */
export interface ModelBytes {
  readonly manifest: Uint8Array;
  readonly tokenizer: Uint8Array;
  readonly weights: Uint8Array<ArrayBuffer>;
}

export async function fetchModel(): Promise<ModelBytes> {
  const read = async (path: string) =>
    new Uint8Array(
      await (await fetch(new URL(`${PLACES.ourModel}${path}`, location.href))).arrayBuffer(),
    );
  const manifest = await read('manifest.json');
  const parsed = parseManifest(manifest);
  return {
    manifest,
    tokenizer: await read(fileOf(parsed, 'tokenizer').path),
    weights: await read(fileOf(parsed, 'weights').path),
  };
}

export class KernelSide implements Side {
  readonly name: PathName | 'kernel';
  readonly #kernel: MiniLmKernel;
  readonly #tokenizer: Tokenizer;

  private constructor(name: KernelSide['name'], kernel: MiniLmKernel, tokenizer: Tokenizer) {
    this.name = name;
    this.#kernel = kernel;
    this.#tokenizer = tokenizer;
  }

  /** The path that the engine would take here. */
  static async openChosen(model: ModelBytes): Promise<KernelSide> {
    const choice = chooseVariant(await readKernelFacts());
    if ('refused' in choice) throw new Error(choice.refused);
    const path = choice.variant === 'relaxed' ? 'relaxed' : 'plain';
    return KernelSide.open(path, model, 'kernel');
  }

  static async open(
    path: PathName,
    model: ModelBytes,
    name: KernelSide['name'] = path,
  ): Promise<KernelSide> {
    const manifest = parseManifest(model.manifest);
    const { maxTokens } = manifest;
    const kernel = await MiniLmKernel.open(manifest.architecture, { ...PATHS[path], maxTokens });
    loadAll(kernel, manifest, model.weights);
    return new KernelSide(name, kernel, createTokenizer(model.tokenizer, maxTokens));
  }

  /** Bytes of WebAssembly memory in use. */
  get usedBytes(): number {
    return this.#kernel.usedBytes;
  }

  async query(text: string): Promise<Float32Array> {
    return this.#run('query', [this.#tokenizer.encode(text)]);
  }

  async embed(texts: readonly string[]): Promise<Float32Array> {
    const ids = texts.map((text) => this.#tokenizer.encode(text));
    const vectors = new Float32Array(texts.length * DIMENSION);
    const lengths = ids.map(({ length }) => length);
    for (const batch of planBatches(lengths, RULES)) {
      const rows = this.#run(
        'bulk',
        batch.map((at) => ids[at] as Int32Array),
      );
      scatter(vectors, rows, batch, DIMENSION);
    }
    return vectors;
  }

  async close(): Promise<void> {
    this.#kernel.close();
  }

  #run(slot: 'query' | 'bulk', sequences: readonly Int32Array[]): Float32Array {
    this.#kernel.begin(slot, sequences);
    while (!this.#kernel.step(slot));
    return this.#kernel.take(slot);
  }
}

function loadAll(
  kernel: MiniLmKernel,
  { tensors }: ModelManifest,
  weights: Uint8Array<ArrayBuffer>,
): void {
  for (const tensor of tensors) {
    const bytes = weights.subarray(tensor.offset, tensor.offset + tensor.bytes);
    const scales =
      tensor.scalesOffset === undefined
        ? null
        : new Float32Array(weights.buffer, tensor.scalesOffset, tensor.shape[0]);
    kernel.load(tensor, bytes, scales);
  }
}
