/**
 * Packed models of any shape with random weights and a small vocabulary, for tests of whatever loads
 * and runs a model. They are packed by the same code as published ones and carry no graph.
 */

import { tensorValues } from '../../workers/embed/dequantise.ts';
import { type ModelManifest, parseManifest } from '../../workers/embed/manifest.ts';
import { createTokenizer } from '../../workers/embed/tokenizer.ts';
import { type BertShape, exactPlan, tensorPlan } from './bert.ts';
import { folderOf } from './folder.ts';
import { referenceEmbedding } from './forward.ts';
import { unigramFile, wordPieceFile } from './made-up-tokenizer.ts';
import { madeUpWeights } from './made-up-weights.ts';
import type { Tensor } from './safetensors.ts';
import { packWeights } from './weights.ts';

export interface MadeUpOptions {
  readonly layers: number;
  /** A multiple of `heads`. */
  readonly hidden: number;
  readonly heads: number;
  readonly intermediate: number;
  /** Tokens, special ones included; at least 8. From about 200 the known texts have few unknown ones. */
  readonly vocabulary: number;
  readonly positions: number;
  /** At most `positions`. */
  readonly maxTokens: number;
  readonly tokenizer: 'WordPiece' | 'Unigram';
  /** How matrices are stored. Default `int8`, rounded to the nearest. */
  readonly precision?: 'int8' | 'float32';
  readonly seed: number;
}

/** Short, so that a deep model is made up quickly. */
const TEXTS: readonly { readonly language: string; readonly text: string }[] = [
  { language: 'en', text: 'An inn by the river.' },
  { language: 'en', text: 'Is the bridge open?' },
  { language: 'ja', text: '川の宿' },
  { language: 'ja', text: '山の茶屋 2' },
  { language: 'zh', text: '客栈' },
  { language: 'zh', text: '酒馆, 山' },
  { language: 'ko', text: '여관' },
  { language: 'ko', text: '강 여관?' },
];

/** A packed model: paths and bytes, as `model:pack` would write them. */
export function makeUpModel(options: MadeUpOptions): Map<string, Uint8Array<ArrayBuffer>> {
  const { maxTokens, precision = 'int8', seed } = options;
  const shape = checkedShape(options);
  const plan = tensorPlan(shape);
  const weights = madeUpWeights(plan, seed);
  const file = options.tokenizer === 'Unigram' ? unigramFile : wordPieceFile;
  const tokenizerFile = file(options.vocabulary);
  const tokenizer = createTokenizer(tokenizerFile, maxTokens);
  const stored = precision === 'float32' ? exactPlan(plan) : plan;
  const files = folderOf({
    name: `made-up-${options.tokenizer}-${shape.layers}x${shape.hidden}-${seed}`,
    source: 'made up for tests',
    shape,
    maxTokens,
    tokenizer: tokenizerFile,
    graph: null,
    weights: packWeights(stored, weights, new Map()),
    stored: precision,
    licence: new TextEncoder().encode('Made up; no licence is needed.\n'),
    notice: 'Random weights.\n',
    answers: TEXTS.map(({ language, text }) => ({
      language,
      text,
      vector: referenceEmbedding(tokenizer.encode(text), weights, shape),
    })),
  });
  return new Map([...files].map(([path, bytes]) => [path, new Uint8Array(bytes)]));
}

/** A packed model read back: its manifest, and its weights as the float32 values that are stored. */
export function unpackModel(files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): {
  readonly manifest: ModelManifest;
  readonly weights: Map<string, Tensor>;
} {
  const bytes = files.get('weights.bin');
  const manifest = parseManifest(files.get('manifest.json') ?? new Uint8Array());
  if (!bytes) throw new Error('The packed model has no weights.bin.');
  const read = manifest.tensors.map((tensor): [string, Tensor] => [
    tensor.name,
    { shape: tensor.shape, data: tensorValues(tensor, bytes) },
  ]);
  return { manifest, weights: new Map(read) };
}

function checkedShape(options: MadeUpOptions): BertShape {
  const { layers, hidden, heads, intermediate, vocabulary, positions, maxTokens } = options;
  if (hidden % heads !== 0) throw new Error(`${hidden} is not a multiple of ${heads} heads.`);
  if (vocabulary < 8) throw new Error('A vocabulary has at least 8 tokens.');
  if (maxTokens > positions) throw new Error(`${maxTokens} tokens need as many positions.`);
  return {
    layers,
    hidden,
    heads,
    intermediate,
    vocabulary,
    positions,
    tokenTypes: 2,
    layerNormEps: 1e-12,
  };
}
