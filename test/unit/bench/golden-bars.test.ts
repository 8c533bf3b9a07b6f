import { describe, expect, it } from 'vitest';
import { compareGolden } from '../../../tools/golden/compare.ts';

/** A vector of which the cosine to (1, 0) is `cosine`. */
const turned = (cosine: number) => [cosine, Math.sqrt(1 - cosine ** 2)];
const base64 = Buffer.from(Float32Array.of(1, 0).buffer).toString('base64');

function failuresOf(backend: string, cosines: readonly number[]): readonly string[] {
  const vectors = cosines.map((_, at) => ({ text: `text ${at}`, vector_f32_base64: base64 }));
  const answers = { ids: [], vectors: cosines.map(turned), tavern: [] };
  return compareGolden(backend, { vectors }, answers).failures;
}

describe('the bars of the golden check', () => {
  it('are .9995 in the mean and .9985 at least for our own kernel', () => {
    expect(failuresOf('wasm', [0.9986, 1, 1, 1])).toEqual([]);
    expect(failuresOf('wasm', [0.9984, 1, 1, 1])).toEqual([
      expect.stringMatching(/cosine 0\.99840: "text 0"/),
    ]);
    expect(failuresOf('wasm', [0.9993, 0.9994])).toEqual([
      expect.stringMatching(/mean cosine 0\.9993.* < 0\.9995/),
    ]);
  });

  it('are .999 and .997 for ONNX Runtime on either backend', () => {
    for (const backend of ['onnx', 'webgpu']) {
      expect(failuresOf(backend, [0.9975, 1, 1, 1])).toEqual([]);
      expect(failuresOf(backend, [0.9965, 1, 1, 1])).toHaveLength(1);
      expect(failuresOf(backend, [0.998, 0.998])).toHaveLength(1);
    }
  });
});
