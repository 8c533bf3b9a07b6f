/** Everything of a packed model as files in memory; the same input always gives the same bytes. */
import { createHash } from 'node:crypto';
import {
  type FileRole,
  fingerprintOf,
  MANIFEST_FORMAT,
  MANIFEST_VERSION,
  type ModelFile,
  PIECE_BYTES,
} from '../../workers/embed/manifest.ts';
import { createTokenizer, type Tokenizer } from '../../workers/embed/tokenizer.ts';
import { bertShape, tensorPlan } from './bert.ts';
import { inputMoments } from './calibration.ts';
import { referenceEmbedding } from './forward.ts';
import { KNOWN_TEXTS } from './known-texts.ts';
import { externalReferences } from './onnx.ts';
import { readSafetensors } from './safetensors.ts';
import { packWeights } from './weights.ts';

/** What a model's folder holds. */
export interface ModelSource {
  readonly name: string;
  readonly safetensors: Uint8Array;
  readonly graph: Uint8Array;
  readonly tokenizer: Uint8Array;
  readonly config: unknown;
  /** Longest input in tokens. */
  readonly maxTokens: number;
  readonly licence: Uint8Array;
}

/** Names and bytes of the files to write, the manifest last. */
export function packModel(source: ModelSource): Map<string, Uint8Array> {
  const shape = bertShape(source.config as never);
  const plan = tensorPlan(shape);
  const weights = readSafetensors(source.safetensors);
  const tokenizer = createTokenizer(source.tokenizer, source.maxTokens);
  const { bytes, tensors } = packWeights(plan, weights, inputMoments(weights, shape, tokenizer));
  const external = checkedReferences(source.graph, new Set(plan.map(({ name }) => name)));
  const entries: readonly (readonly [string, FileRole, Uint8Array])[] = [
    ['tokenizer.json', 'tokenizer', source.tokenizer],
    ['model.onnx', 'graph', source.graph],
    ['weights.bin', 'weights', bytes],
    ['LICENSE', 'licence', source.licence],
    ['NOTICE', 'notice', new TextEncoder().encode(notice(source.name))],
  ];
  const files = entries.map(([path, role, content]) => describe(path, role, content));
  const manifest = {
    format: MANIFEST_FORMAT,
    version: MANIFEST_VERSION,
    model: source.name,
    source: `https://huggingface.co/sentence-transformers/${source.name}`,
    licence: 'Apache-2.0',
    architecture: { type: 'bert', ...shape },
    tokenizer: tokenizerType(source.tokenizer),
    pooling: 'mean',
    normalised: true,
    dimension: shape.hidden,
    maxTokens: source.maxTokens,
    weights: 'int8 by output row, float32 scales; vectors and position embeddings float32',
    fingerprint: fingerprintOf({
      model: source.name,
      weights: sha256(bytes),
      tokenizer: sha256(source.tokenizer),
      pooling: 'mean',
      maxTokens: source.maxTokens,
    }),
    pieceBytes: PIECE_BYTES,
    files,
    externalName: external[0]?.location,
    external: external.map(({ tensor, offset, bytes: length }) => ({
      tensor,
      offset,
      bytes: length,
    })),
    tensors,
    knownAnswers: knownAnswers(tokenizer, weights, shape),
  };
  const packed = new Map(entries.map(([path, , content]) => [path, content]));
  packed.set('manifest.json', new TextEncoder().encode(manifestText(manifest)));
  return packed;
}

/** One entry a line: a manifest that a person can read and a diff can show. */
function manifestText(manifest: Record<string, unknown>): string {
  const fields = Object.entries(manifest).map(([name, value]) => {
    const text =
      Array.isArray(value) && typeof value[0] === 'object'
        ? `[\n    ${value.map((entry) => JSON.stringify(entry)).join(',\n    ')}\n  ]`
        : JSON.stringify(value);
    return `  ${JSON.stringify(name)}: ${text}`;
  });
  return `{\n${fields.join(',\n')}\n}\n`;
}

function describe(path: string, role: FileRole, content: Uint8Array): ModelFile {
  const pieces: string[] = [];
  for (let at = 0; at < content.length; at += PIECE_BYTES) {
    pieces.push(sha256(content.subarray(at, at + PIECE_BYTES)));
  }
  return { path, role, bytes: content.length, sha256: sha256(content), pieces };
}

/** The graph's references, each to a tensor that is packed and all to one external file. */
function checkedReferences(graph: Uint8Array, packed: ReadonlySet<string>) {
  const references = externalReferences(graph);
  const unknown = references.find(({ tensor }) => !packed.has(tensor));
  if (unknown) throw new Error(`The graph asks for "${unknown.tensor}", which is not packed.`);
  if (new Set(references.map(({ location }) => location)).size !== 1) {
    throw new Error('The graph must keep its weights in exactly one external file.');
  }
  const missing = packed.size - new Set(references.map(({ tensor }) => tensor)).size;
  if (missing > 0) throw new Error(`The graph does not ask for ${missing} of the packed tensors.`);
  return references;
}

function knownAnswers(
  tokenizer: Tokenizer,
  weights: ReturnType<typeof readSafetensors>,
  shape: ReturnType<typeof bertShape>,
) {
  return KNOWN_TEXTS.map(({ language, text }) => {
    const vector = referenceEmbedding(tokenizer.encode(text), weights, shape);
    return { language, text, vector: Buffer.from(vector.buffer).toString('base64') };
  });
}

function tokenizerType(file: Uint8Array): string {
  return JSON.parse(new TextDecoder().decode(file)).model.type;
}

function notice(name: string): string {
  return `${name}

The weights, the tokenizer and the graph in this folder come from the model "${name}" of the
sentence-transformers project (https://huggingface.co/sentence-transformers/${name}), which is
licensed under the Apache License, Version 2.0; see LICENSE.

Changes made for Whorl: the matrices were quantised to 8 bits with one scale a row, rounded so that
typical outputs stay in place, and the tensors were put in the order in which they are used. The tokenizer and the graph are unchanged.
`;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
