/** Whole models through the packer: deep ones, Unigram ones, exact ones, without a graph. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type BertShape, tensorPlan } from '../../../tools/model/bert.ts';
import { referenceEmbedding } from '../../../tools/model/forward.ts';
import { unpackModel } from '../../../tools/model/made-up.ts';
import { unigramFile, wordPieceFile } from '../../../tools/model/made-up-tokenizer.ts';
import { madeUpWeights } from '../../../tools/model/made-up-weights.ts';
import { packModel } from '../../../tools/model/pack.ts';
import { createTokenizer } from '../../../workers/embed/tokenizer.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SHAPE: BertShape = {
  layers: 12,
  hidden: 60,
  heads: 3,
  intermediate: 120,
  vocabulary: 400,
  positions: 512,
  tokenTypes: 2,
  layerNormEps: 1e-12,
};
const CONFIG = {
  model_type: 'bert',
  hidden_act: 'gelu',
  num_hidden_layers: SHAPE.layers,
  hidden_size: SHAPE.hidden,
  num_attention_heads: SHAPE.heads,
  intermediate_size: SHAPE.intermediate,
  vocab_size: SHAPE.vocabulary,
  max_position_embeddings: SHAPE.positions,
  type_vocab_size: SHAPE.tokenTypes,
  layer_norm_eps: SHAPE.layerNormEps,
};
const WEIGHTS = madeUpWeights(tensorPlan(SHAPE), 4);

/** The safetensors file of the weights, its header padded to a crooked length. */
function safetensors(): Uint8Array {
  let end = 0;
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  for (const [name, { shape, data }] of WEIGHTS) {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const json = new TextEncoder().encode(`${JSON.stringify(header)} `);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  const bodies = [...WEIGHTS.values()].map(({ data }) => new Uint8Array(data.buffer));
  return Buffer.concat([length, json, ...bodies]);
}

const source = (tokenizer: Uint8Array, precision: 'int8' | 'float32') => ({
  name: 'deep',
  safetensors: safetensors(),
  graph: null,
  tokenizer,
  config: CONFIG,
  maxTokens: 512,
  precision,
  licence: new TextEncoder().encode('none'),
});

const own = (files: Map<string, Uint8Array>) =>
  new Map([...files].map(([path, bytes]) => [path, new Uint8Array(bytes)]));

const cosine = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, k) => sum + value * (b[k] as number), 0);

const TEXTS = ['', 'a', 'the quick brown fox, 12 times.', 'kodu '.repeat(300)];

describe('a model of twelve layers and 512 positions', () => {
  it.each([
    ['WordPiece', wordPieceFile(SHAPE.vocabulary)],
    ['Unigram', unigramFile(SHAPE.vocabulary)],
  ])('is packed as int8, with a %s tokenizer', { timeout: 120_000 }, async (type, file) => {
    const files = own(await packModel(source(file, 'int8')));
    const { manifest, weights } = unpackModel(files);
    expect(manifest).toMatchObject({ tokenizer: type, maxTokens: 512, externalName: '' });
    expect(manifest.architecture).toMatchObject(SHAPE);
    expect(files.has('model.onnx')).toBe(false);
    const tokenizer = createTokenizer(file, 512);
    for (const text of TEXTS) {
      const ids = tokenizer.encode(text);
      const exact = referenceEmbedding(ids, WEIGHTS, SHAPE);
      expect(cosine(referenceEmbedding(ids, weights, SHAPE), exact)).toBeGreaterThan(0.999);
    }
  });

  it('is packed exactly as float32', async () => {
    const files = own(await packModel(source(wordPieceFile(SHAPE.vocabulary), 'float32')));
    const { manifest, weights } = unpackModel(files);
    expect(manifest.tensors.every(({ type }) => type === 'float32')).toBe(true);
    expect(manifest.weights).toMatch(/float32/);
    for (const [name, { data }] of WEIGHTS) expect(weights.get(name)?.data).toEqual(data);
  });

  it('is refused where it does not hold together', async () => {
    const fine = source(wordPieceFile(SHAPE.vocabulary), 'int8');
    await expect(packModel({ ...fine, maxTokens: 513 })).rejects.toThrow(/512 positions/);
    const config = { ...CONFIG, num_hidden_layers: 13 };
    await expect(packModel({ ...fine, config })).rejects.toThrow(/no tensor "encoder.layer.12/);
    // A graph without external references has its weights inside.
    await expect(
      packModel({ ...fine, precision: 'float32', graph: new Uint8Array() }),
    ).rejects.toThrow(/--graph none/);
  });
});

describe('model:pack', () => {
  const folder = mkdtempSync(join(tmpdir(), 'whorl-pack-'));
  const model = join(folder, 'deep');
  mkdirSync(model);
  writeFileSync(join(model, 'model.safetensors'), safetensors());
  writeFileSync(join(model, 'tokenizer.json'), wordPieceFile(SHAPE.vocabulary));
  writeFileSync(join(model, 'config.json'), JSON.stringify(CONFIG));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...args: string[]): string => {
    const tsx = join(ROOT, 'node_modules/tsx/dist/cli.mjs');
    const options = { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' } as const;
    return execFileSync(process.execPath, [tsx, 'tools/model-pack.ts', ...args], options);
  };

  it('writes what it is asked for', { timeout: 60_000 }, () => {
    const out = join(folder, 'out');
    expect(run(model, out, '--precision', 'float32', '--max-tokens', '512')).toMatch(
      /^deep\/w-.*mean-l2-512$/m,
    );
    const manifest = JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8'));
    expect(manifest).toMatchObject({ maxTokens: 512, weights: 'float32 as published' });
  });

  it.each([
    [['--precision', 'int4'], /int8 or float32, not "int4"/],
    [['--max-tokens', 'many'], /3 tokens or more, not many/],
    [['--graph', 'other'], /--graph can only be "none"/],
    [['--fast'], /Unknown option '--fast'/],
  ])('refuses %s', { timeout: 60_000 }, (args, message) => {
    expect(() => run(model, join(folder, 'no'), ...args)).toThrow(message);
  });
});
