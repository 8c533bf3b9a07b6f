/** Random weights of any shape that behave like a trained encoder's: vectors differ from text to text. */
import type { TensorPlan } from './bert.ts';
import { normalNumbers } from './random.ts';
import type { Tensor } from './safetensors.ts';

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
