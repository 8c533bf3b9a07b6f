/** Random weights of any shape that behave like a trained encoder's: vectors differ from text to text. */
import type { TensorPlan } from './bert.ts';
import type { Tensor } from './safetensors.ts';

/** Numbers that look normally distributed, mean 0 and deviation 1, the same for the same seed. */
export function normalNumbers(seed: number): () => number {
  let state = seed >>> 0;
  // Mulberry32 (Tommy Ettinger, public domain).
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  // Twelve uniform numbers have variance 1 together.
  return () => {
    let sum = -6;
    for (let i = 0; i < 12; i += 1) sum += uniform();
    return sum;
  };
}

/** One tensor a plan entry. Linear layers keep the size of their input; gains lie about 1. */
export function madeUpWeights(plan: readonly TensorPlan[], seed: number): Map<string, Tensor> {
  const normal = normalNumbers(seed);
  return new Map(
    plan.map(({ name, shape }) => {
      const count = shape.reduce((product, size) => product * size, 1);
      const [centre, spread] = distribution(name, shape);
      const data = Float32Array.from({ length: count }, () => centre + spread * normal());
      return [name, { shape, data }];
    }),
  );
}

function distribution(name: string, shape: readonly number[]): readonly [number, number] {
  if (name.endsWith('LayerNorm.weight')) return [1, 0.1];
  if (name.endsWith('.bias')) return [0, 0.05];
  if (name.includes('position') || name.includes('token_type')) return [0, 0.2];
  if (name.includes('word_embeddings')) return [0, 1];
  return [0, 1 / Math.sqrt(shape[1] ?? 1)];
}
