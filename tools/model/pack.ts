/** A published model, packed; the same input always gives the same bytes. */
import { createTokenizer, type Tokenizer } from '../../workers/embed/tokenizer.ts';
import { type BertShape, bertShape, exactPlan, tensorPlan } from './bert.ts';
import { calibrationSequences } from './calibration.ts';
import { roundModel } from './compensation.ts';
import { type Answer, folderOf } from './folder.ts';
import { referenceEmbedding, type Weights } from './forward.ts';
import { KNOWN_TEXTS } from './known-texts.ts';
import { readSafetensors } from './safetensors.ts';
import { checkTensors, packWeights } from './weights.ts';

/** `int8`: matrices as int8 by row, rounded with compensation. `float32`: every weight as published. */
export type PackedPrecision = 'int8' | 'float32';

/** What a model's folder holds, and how it is to be packed. */
export interface ModelSource {
  readonly name: string;
  readonly safetensors: Uint8Array;
  /** Null: a model that only our own kernel runs. */
  readonly graph: Uint8Array | null;
  readonly tokenizer: Uint8Array;
  readonly config: unknown;
  /** Longest input in tokens, at most the model's positions. */
  readonly maxTokens: number;
  readonly precision: PackedPrecision;
  readonly licence: Uint8Array;
}

const STORED: Readonly<Record<PackedPrecision, string>> = {
  int8: 'int8 by output row, float32 scales; vectors and position embeddings float32',
  float32: 'float32 as published',
};

/** Names and bytes of the files to write, the manifest last. */
export async function packModel(source: ModelSource): Promise<Map<string, Uint8Array>> {
  const shape = bertShape(source.config as never);
  if (source.maxTokens > shape.positions) {
    throw new Error(`The model has ${shape.positions} positions, not ${source.maxTokens}.`);
  }
  const weights = readSafetensors(source.safetensors);
  const tokenizer = createTokenizer(source.tokenizer, source.maxTokens);
  return folderOf({
    name: source.name,
    source: `https://huggingface.co/sentence-transformers/${source.name}`,
    shape,
    maxTokens: source.maxTokens,
    tokenizer: source.tokenizer,
    graph: source.graph,
    weights: await storedWeights(source, weights, shape, tokenizer),
    stored: STORED[source.precision],
    licence: source.licence,
    notice: notice(source.name, source.precision),
    answers: knownAnswers(tokenizer, weights, shape),
  });
}

async function storedWeights(
  source: ModelSource,
  weights: Weights,
  shape: BertShape,
  tokenizer: Tokenizer,
): Promise<ReturnType<typeof packWeights>> {
  const plan = tensorPlan(shape);
  if (source.precision === 'float32') return packWeights(exactPlan(plan), weights, new Map());
  checkTensors(plan, weights);
  const sequences = calibrationSequences(source.tokenizer, tokenizer);
  const rounded = await roundModel(weights, shape, sequences);
  return packWeights(plan, rounded.weights, rounded.matrices);
}

function knownAnswers(tokenizer: Tokenizer, weights: Weights, shape: BertShape): Answer[] {
  return KNOWN_TEXTS.map(({ language, text }) => ({
    language,
    text,
    vector: referenceEmbedding(tokenizer.encode(text), weights, shape),
  }));
}

function notice(name: string, precision: PackedPrecision): string {
  const order = 'the tensors were put in the order in which they are used';
  const changes =
    precision === 'int8'
      ? `the matrices were quantised to 8 bits with one scale a row, rounded and the
biases moved so that typical outputs stay in place, neurons with outlying weights were rewritten
so that they compute the same with smaller ones, and ${order}.
The tokenizer and the graph are unchanged.`
      : `${order}. The tokenizer and the graph are unchanged.`;
  return `${name}

The weights, the tokenizer and the graph in this folder come from the model "${name}" of the
sentence-transformers project (https://huggingface.co/sentence-transformers/${name}), which is
licensed under the Apache License, Version 2.0; see LICENSE.

Changes made for Whorl: ${changes}
`;
}
