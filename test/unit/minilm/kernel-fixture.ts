/** Kernels with made-up weights, and what the plain reference makes of the same. */
import { isWhorlError } from '../../../src/shared/errors.ts';
import { type BertShape, exactPlan, tensorPlan } from '../../../tools/model/bert.ts';
import { referenceEmbedding } from '../../../tools/model/forward.ts';
import { madeUpWeights } from '../../../tools/model/made-up-weights.ts';
import type { Tensor } from '../../../tools/model/safetensors.ts';
import { packWeights } from '../../../tools/model/weights.ts';
import { tensorValues } from '../../../workers/embed/dequantise.ts';
import {
  type KernelOptions,
  type KernelSlot,
  MiniLmKernel,
} from '../../../workers/embed/kernel/minilm-kernel.ts';
import type { Architecture, ModelTensor } from '../../../workers/embed/manifest.ts';
import { allowRelaxed } from './builds.ts';

export interface MadeUp {
  readonly shape: Architecture;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tensors: readonly ModelTensor[];
  /** As they are stored, rounding included. */
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** Random weights, `stored` as the packer stores them. */
export function makeUp(
  shape: BertShape,
  seed: number,
  stored: 'int8' | 'float32' = 'int8',
): MadeUp {
  const plan = tensorPlan(shape);
  const packed = packWeights(
    stored === 'int8' ? plan : exactPlan(plan),
    madeUpWeights(plan, seed),
    new Map(),
  );
  const bytes = new Uint8Array(packed.bytes);
  const weights = packed.tensors.map((tensor): [string, Tensor] => [
    tensor.name,
    { shape: tensor.shape, data: tensorValues(tensor, bytes) },
  ]);
  const { tensors } = packed;
  return { shape: { type: 'bert', ...shape }, bytes, tensors, weights: new Map(weights) };
}

/** Bytes and scales of rows `from` to `to` of a tensor. */
export function rowsOf(
  { bytes }: MadeUp,
  tensor: ModelTensor,
  from = 0,
  to = tensor.shape[0] ?? 0,
): readonly [Uint8Array, Float32Array | null] {
  const rowBytes = tensor.bytes / (tensor.shape[0] ?? 1);
  const part = bytes.subarray(tensor.offset + from * rowBytes, tensor.offset + to * rowBytes);
  if (tensor.scalesOffset === undefined) return [part, null];
  const at = bytes.byteOffset + tensor.scalesOffset + from * 4;
  return [part, new Float32Array(bytes.buffer, at, to - from)];
}

export function loadAll(kernel: MiniLmKernel, model: MadeUp): void {
  for (const tensor of model.tensors) kernel.load(tensor, ...rowsOf(model, tensor));
}

export async function openKernel(
  model: MadeUp,
  options: Partial<KernelOptions> = {},
): Promise<MiniLmKernel> {
  allowRelaxed();
  const kernel = await MiniLmKernel.open(model.shape, {
    variant: 'simd128',
    precision: 'int8',
    maxTokens: model.shape.positions,
    ...options,
  });
  loadAll(kernel, model);
  return kernel;
}

/** Runs a batch to its end; a vector a sequence. */
export function embed(
  kernel: MiniLmKernel,
  sequences: readonly Int32Array[],
  slot: KernelSlot = 'bulk',
): Float32Array[] {
  kernel.begin(slot, sequences);
  while (!kernel.step(slot));
  return vectorsOf(kernel.take(slot), sequences.length);
}

export function vectorsOf(all: Float32Array, count: number): Float32Array[] {
  const size = all.length / count;
  return Array.from({ length: count }, (_, i) => all.slice(i * size, (i + 1) * size));
}

/** What the plain reference answers. */
export function expected(model: MadeUp, ids: ArrayLike<number>): Float32Array {
  return referenceEmbedding(ids, model.weights, model.shape);
}

export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k += 1) sum += a[k]! * b[k]!;
  return sum;
}

/** Sequences of random ids of the given lengths. */
export function randomIds(
  shape: Pick<BertShape, 'vocabulary'>,
  lengths: readonly number[],
  next: () => number,
): Int32Array[] {
  return lengths.map((length) =>
    Int32Array.from({ length }, () => Math.abs(Math.floor(next() * 1e6)) % shape.vocabulary),
  );
}

/** Code and message of what a call throws. */
export function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (isWhorlError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'nothing was refused';
}
