/** The committed model on every path that can be chosen, against the published float32 weights. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { tensorValues } from '../../../workers/embed/dequantise.ts';
import type { MiniLmKernel } from '../../../workers/embed/kernel/minilm-kernel.ts';
import { type ModelManifest, parseManifest } from '../../../workers/embed/manifest.ts';
import { createTokenizer, type Tokenizer } from '../../../workers/embed/tokenizer.ts';
import { cosine, embed, expected, type MadeUp, openKernel } from './kernel-fixture.ts';

const MODEL = fileURLToPath(new URL('../../../public/models/all-MiniLM-L6-v2/', import.meta.url));
const GOLDEN = fileURLToPath(new URL('../../../../shared/golden/vectors.json', import.meta.url));

const PATHS = [
  ['simd128', 'int8'],
  ['relaxed', 'int8'],
  ['simd128', 'float32'],
] as const;

let manifest: ModelManifest;
let model: MadeUp;
let tokenizer: Tokenizer;
/** Without words, of unknown words, and of one word. */
let odd: { readonly ids: Int32Array; readonly wanted: Float32Array }[];
const kernels = new Map<string, MiniLmKernel>();

beforeAll(async () => {
  manifest = parseManifest(readFileSync(`${MODEL}manifest.json`));
  const bytes = new Uint8Array(readFileSync(`${MODEL}weights.bin`));
  const { tensors, architecture: shape, maxTokens } = manifest;
  const weights = tensors.map(
    (tensor) => [tensor.name, { shape: tensor.shape, data: tensorValues(tensor, bytes) }] as const,
  );
  model = { shape, bytes, tensors, weights: new Map(weights) };
  tokenizer = createTokenizer(new Uint8Array(readFileSync(`${MODEL}tokenizer.json`)), maxTokens);
  odd = ['', '𐎀 𐎁', 'a'].map((text) => {
    const ids = Int32Array.from(tokenizer.encode(text));
    return { ids, wanted: expected(model, ids) };
  });
  for (const [variant, precision] of PATHS) {
    const kernel = await openKernel(model, { variant, precision, maxTokens });
    kernels.set(`${variant} ${precision}`, kernel);
  }
});

/** Vectors of texts, in batches of about 640 tokens. */
function embedTexts(path: string, texts: readonly string[]): Float32Array[] {
  const kernel = kernels.get(path)!;
  const vectors: Float32Array[] = [];
  let batch: Int32Array[] = [];
  let tokens = 0;
  for (const ids of [...texts.map((text) => Int32Array.from(tokenizer.encode(text))), null]) {
    if (batch.length > 0 && (ids === null || tokens + ids.length > 640)) {
      vectors.push(...embed(kernel, batch));
      batch = [];
      tokens = 0;
    }
    if (ids === null) break;
    batch.push(ids);
    tokens += ids.length;
  }
  return vectors;
}

describe.each(PATHS)('%s %s', (variant, precision) => {
  const path = `${variant} ${precision}`;

  test('the known answers of the manifest', () => {
    const texts = manifest.knownAnswers.map(({ text }) => text);
    embedTexts(path, texts).forEach((vector, index) => {
      expect(cosine(vector, manifest.knownAnswers[index]!.vector)).toBeGreaterThan(0.998);
    });
  });

  test('empty and unknown texts: as the reference with the same weights', () => {
    expect(odd.map(({ ids }) => [...ids].slice(1, -1))).toEqual([[], [100, 100], [1037]]);
    const vectors = embed(
      kernels.get(path)!,
      odd.map(({ ids }) => ids),
    );
    vectors.forEach((vector, index) => {
      const least = precision === 'int8' ? 0.9999 : 1 - 1e-6;
      expect(cosine(vector, odd[index]!.wanted)).toBeGreaterThan(least);
    });
  });

  test.skipIf(!existsSync(GOLDEN))(
    'golden texts (skipped without ../shared/golden): mean >= .9995, min >= .9985',
    () => {
      const golden = JSON.parse(readFileSync(GOLDEN, 'utf8')) as {
        readonly text: string;
        readonly vector_f32_base64: string;
      }[];
      const vectors = embedTexts(
        path,
        golden.map(({ text }) => text),
      );
      const cosines = golden.map(({ vector_f32_base64 }, index) => {
        const bytes = Uint8Array.from(Buffer.from(vector_f32_base64, 'base64'));
        return cosine(vectors[index]!, new Float32Array(bytes.buffer));
      });
      const mean = cosines.reduce((a, b) => a + b, 0) / cosines.length;
      expect(mean).toBeGreaterThanOrEqual(0.9995);
      expect(Math.min(...cosines)).toBeGreaterThanOrEqual(0.9985);
    },
  );
});
