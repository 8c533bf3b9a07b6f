/** Weights that are no model: what becomes of numbers that are not finite, or far out of all measure. */
import { describe, expect, test } from 'vitest';
import type { BertShape } from '../../../tools/model/bert.ts';
import type { ModelTensor } from '../../../workers/embed/manifest.ts';
import { normalNumbers } from './builds.ts';
import { embed, type MadeUp, makeUp, openKernel, randomIds, refusal } from './kernel-fixture.ts';

const SHAPE: BertShape = {
  layers: 2,
  hidden: 60,
  heads: 3,
  intermediate: 100,
  vocabulary: 200,
  positions: 64,
  tokenTypes: 2,
  layerNormEps: 1e-12,
};

function find({ tensors }: MadeUp, name: string): ModelTensor {
  return tensors.find((tensor) => tensor.name === name)!;
}

describe('faulty weights', () => {
  test('a vector that is not finite, or has no direction, is not handed out', async () => {
    const exact = makeUp(SHAPE, 5, 'float32');
    const words = find(exact, 'embeddings.word_embeddings.weight');
    const spoil = async (name: string, from: number, to: number, value: number) => {
      const tensor = find(exact, name);
      const bytes = exact.bytes.slice();
      new Float32Array(bytes.buffer, tensor.offset).fill(value, from, to);
      return openKernel({ ...exact, bytes }, { precision: 'float32' });
    };
    const [good, bad] = [Int32Array.of(1, 2, 3), Int32Array.of(1, 7)];
    const kernel = await spoil(words.name, 7 * 60 + 3, 7 * 60 + 4, Number.NaN);
    const said = refusal(() => embed(kernel, [good, bad]));
    expect(said).toMatch(/^backend_wrong: .*text 2 of 2.* not finite/);
    // The slot is empty again, and what has no part in it is as ever.
    expect(embed(kernel, [good])).toEqual(embed(await spoil(words.name, 0, 0, 0), [good]));
    const last = 'encoder.layer.1.output.LayerNorm';
    const huge = await spoil(`${last}.weight`, 0, 60, 1e30);
    expect(refusal(() => embed(huge, [good]))).toMatch(/^backend_wrong: /);
  });

  test('weights that are no numbers, or beyond all measure, neither trap nor pass for a model', async () => {
    const small = { ...SHAPE, layers: 1, vocabulary: 12, positions: 20 };
    const exact = makeUp(small, 6, 'float32');
    const ids = randomIds(small, [1, 7, 20], normalNumbers(2));
    for (const { name, offset, bytes: size } of exact.tensors) {
      for (const value of [Number.NaN, Number.NEGATIVE_INFINITY, 3e38, -1e-44]) {
        const bytes = exact.bytes.slice();
        new Float32Array(bytes.buffer, offset, size / 4).fill(value, 0, size / 8 + 1);
        for (const precision of ['int8', 'float32'] as const) {
          const kernel = await openKernel({ ...exact, bytes }, { precision, maxTokens: 20 });
          const said = refusal(() => {
            for (const vector of embed(kernel, ids)) {
              const length = Math.hypot(...vector);
              expect(Math.abs(length - 1), `${name} ${value}`).toBeLessThan(1e-3);
            }
          });
          if (Math.abs(value) < 1) expect(said).toBe('nothing was refused');
          else expect(said, `${name} ${value} ${precision}`).toMatch(/^backend_wrong: /);
          kernel.close();
        }
      }
    }
  });
});
