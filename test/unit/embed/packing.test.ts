import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bertShape, tensorPlan } from '../../../tools/model/bert.ts';
import { erf, referenceEmbedding } from '../../../tools/model/forward.ts';
import { externalReferences } from '../../../tools/model/onnx.ts';
import { roundToNearest } from '../../../tools/model/rounding.ts';
import { readSafetensors } from '../../../tools/model/safetensors.ts';
import { packWeights } from '../../../tools/model/weights.ts';
import { tensorValues } from '../../../workers/embed/dequantise.ts';
import { fileOf, PIECE_BYTES, parseManifest } from '../../../workers/embed/manifest.ts';
import { createTokenizer } from '../../../workers/embed/tokenizer.ts';
import { noise, pieces, sha } from './asset-server.ts';

const PACKED = 'public/models/all-MiniLM-L6-v2';
const SOURCE = '../shared/models/all-MiniLM-L6-v2';
const GOLDEN = '../shared/golden/vectors.json';

/** Values between -1 and 1, the same each time. */
function values(count: number, seed: number): Float32Array {
  return Float32Array.from(new Int32Array(noise(count * 4, seed).buffer), (v) => v / 2 ** 31);
}

describe('the committed model', () => {
  const manifest = parseManifest(readFileSync(`${PACKED}/manifest.json`));

  it('is what its manifest says, to the last byte', () => {
    for (const file of manifest.files) {
      const bytes = readFileSync(`${PACKED}/${file.path}`);
      expect(bytes.length).toBe(file.bytes);
      expect(sha(bytes)).toBe(file.sha256);
      expect(pieces(bytes).map(sha)).toEqual(file.pieces);
    }
    expect(fileOf(manifest, 'weights').pieces).toHaveLength(Math.ceil(23_454_720 / PIECE_BYTES));
  });

  it('lays the tensors out in order of use, scales before codes, without overlap', () => {
    let end = 0;
    for (const tensor of manifest.tensors) {
      const start = tensor.scalesOffset ?? tensor.offset;
      expect(start).toBeGreaterThanOrEqual(end);
      expect(start % 64).toBe(0);
      end = tensor.offset + tensor.bytes;
    }
    const { architecture } = manifest;
    expect(manifest.tensors.map(({ name }) => name)).toEqual(
      tensorPlan(architecture).map(({ name }) => name),
    );
  });

  it("has an answer to each of the graph's references", () => {
    const graph = readFileSync(`${PACKED}/model.onnx`);
    const found = externalReferences(graph);
    expect(found).toHaveLength(101);
    expect(manifest.external).toEqual(
      found.map(({ tensor, offset, bytes }) => ({ tensor, offset, bytes })),
    );
  });

  it('has two known answers in each language, of unit length', () => {
    const languages = manifest.knownAnswers.map(({ language }) => language);
    expect(languages).toEqual(['en', 'en', 'ja', 'ja', 'zh', 'zh', 'ko', 'ko']);
    for (const { vector } of manifest.knownAnswers) {
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    }
  });
});

describe.skipIf(!existsSync(SOURCE))('the plain reference (needs ../shared)', () => {
  it('gives the golden vectors', { timeout: 60_000 }, () => {
    const weights = readSafetensors(readFileSync(`${SOURCE}/model.safetensors`));
    const shape = bertShape(JSON.parse(readFileSync(`${SOURCE}/config.json`, 'utf8')));
    const tokenizer = createTokenizer(readFileSync(`${SOURCE}/tokenizer.json`), 256);
    const golden = JSON.parse(readFileSync(GOLDEN, 'utf8')) as {
      text: string;
      vector_f32_base64: string;
    }[];
    const short = golden.filter(({ text }) => text.length < 40).slice(0, 8);
    expect(short.length).toBeGreaterThan(3);
    for (const { text, vector_f32_base64 } of short) {
      const bytes = Uint8Array.from(Buffer.from(vector_f32_base64, 'base64'));
      const expected = new Float32Array(bytes.buffer);
      const found = referenceEmbedding(tokenizer.encode(text), weights, shape);
      found.forEach((value, k) => {
        expect(Math.abs(value - (expected[k] as number))).toBeLessThan(2e-5);
      });
    }
  });
});

describe('the error function', () => {
  it.each([
    [0, 0],
    [0.1, 0.1124629160182849],
    [1, 0.8427007929497149],
    [2.5, 0.999593047982555],
    [2.999999, 0.999977909363748],
    [3, 0.9999779095030014],
    [3.5, 0.9999992569016276],
    [-1, -0.8427007929497149],
    [9, 1],
  ])('erf(%f) is %f', (x, expected) => {
    expect(Math.abs(erf(x) - expected)).toBeLessThan(1e-10);
  });
});

describe('rounding', () => {
  const rows = 6;
  const columns = 32;
  const tensor = { shape: [rows, columns], data: values(rows * columns, 5) };

  it('stays within half a step of each value', () => {
    const { codes, scales } = roundToNearest(tensor);
    tensor.data.forEach((value, index) => {
      const scale = scales[Math.floor(index / columns)] as number;
      expect(Math.abs(value - (codes[index] as number) * scale)).toBeLessThanOrEqual(
        scale * 0.5001,
      );
    });
  });

  it('takes a row of zeros', () => {
    const zeros = { shape: [1, 4], data: new Float32Array(4) };
    expect([...roundToNearest(zeros).codes]).toEqual([0, 0, 0, 0]);
  });

  it('comes back from the packed bytes', () => {
    const plan = [
      { name: 'm.weight', shape: [rows, columns], quantised: true },
      { name: 'm.bias', shape: [rows], quantised: false },
    ];
    const bias = { shape: [rows], data: values(rows, 3) };
    const weights = new Map([
      ['m.weight', tensor],
      ['m.bias', bias],
    ]);
    const { bytes, tensors } = packWeights(plan, weights, new Map());
    const [matrix, vector] = tensors;
    const own = new Uint8Array(bytes);
    const back = tensorValues(matrix as never, own);
    const step = Math.max(...tensor.data.map(Math.abs)) / 127;
    back.forEach((value, k) => {
      expect(Math.abs(value - (tensor.data[k] as number))).toBeLessThanOrEqual(step);
    });
    expect(tensorValues(vector as never, own)).toEqual(bias.data);
    const again = packWeights(plan, weights, new Map());
    expect(Buffer.compare(again.bytes, bytes)).toBe(0);
  });
});

describe('what is not a model', () => {
  it('is refused by the readers', () => {
    expect(() => externalReferences(new Uint8Array([0x3a, 0x50, 1]))).toThrow(/cut/);
    expect(() => readSafetensors(new Uint8Array(16).fill(255))).toThrow(/header/);
    const config = { model_type: 'bert', hidden_act: 'relu' };
    expect(() => bertShape(config as never)).toThrow(/GELU/);
  });
});
