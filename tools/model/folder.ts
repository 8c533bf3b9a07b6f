/** A packed model as files in memory: the manifest is written from what lies beside it. */
import { createHash } from 'node:crypto';
import {
  type FileRole,
  fingerprintOf,
  MANIFEST_FORMAT,
  MANIFEST_VERSION,
  type ModelFile,
  type ModelTensor,
  PIECE_BYTES,
} from '../../workers/embed/manifest.ts';
import type { BertShape } from './bert.ts';
import { externalReferences } from './onnx.ts';

/** A text, its language and its unit vector. */
export interface Answer {
  readonly language: string;
  readonly text: string;
  readonly vector: Float32Array;
}

/** Everything that a folder says. */
export interface FolderContent {
  readonly name: string;
  /** Where the weights come from: an address. */
  readonly source: string;
  readonly shape: BertShape;
  readonly maxTokens: number;
  readonly tokenizer: Uint8Array;
  /** Null: the model cannot run on ONNX Runtime. */
  readonly graph: Uint8Array | null;
  readonly weights: { readonly bytes: Uint8Array; readonly tensors: readonly ModelTensor[] };
  /** How the weights are stored, in words. */
  readonly stored: string;
  readonly licence: Uint8Array;
  readonly notice: string;
  readonly answers: readonly Answer[];
}

type Entry = readonly [path: string, role: FileRole, content: Uint8Array];

/** Names and bytes of the files to write, the manifest last. */
export function folderOf(content: FolderContent): Map<string, Uint8Array> {
  const { graph, weights } = content;
  const entries: Entry[] = [
    ['tokenizer.json', 'tokenizer', content.tokenizer],
    ...(graph ? [['model.onnx', 'graph', graph] as const] : []),
    ['weights.bin', 'weights', weights.bytes],
    ['LICENSE', 'licence', content.licence],
    ['NOTICE', 'notice', new TextEncoder().encode(content.notice)],
  ];
  const packed = new Map(entries.map(([path, , bytes]) => [path, bytes]));
  packed.set('manifest.json', new TextEncoder().encode(manifestText(manifestOf(content, entries))));
  return packed;
}

function manifestOf(content: FolderContent, entries: readonly Entry[]): Record<string, unknown> {
  const { name, shape, maxTokens, tokenizer, weights } = content;
  return {
    format: MANIFEST_FORMAT,
    version: MANIFEST_VERSION,
    model: name,
    source: content.source,
    licence: 'Apache-2.0',
    architecture: { type: 'bert', ...shape },
    tokenizer: tokenizerType(tokenizer),
    pooling: 'mean',
    normalised: true,
    dimension: shape.hidden,
    maxTokens,
    weights: content.stored,
    fingerprint: fingerprintOf({
      model: name,
      weights: sha256(weights.bytes),
      tokenizer: sha256(tokenizer),
      pooling: 'mean',
      maxTokens,
    }),
    pieceBytes: PIECE_BYTES,
    files: entries.map(([path, role, bytes]) => describe(path, role, bytes)),
    ...graphNeeds(content),
    tensors: weights.tensors,
    knownAnswers: content.answers.map(({ language, text, vector }) => ({
      language,
      text,
      vector: Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64'),
    })),
  };
}

/** The graph's references, each to a tensor that is packed and all to one external file. */
function graphNeeds({ graph, weights }: FolderContent): Record<string, unknown> {
  if (!graph) return {};
  const packed = new Set(weights.tensors.map(({ name }) => name));
  const references = externalReferences(graph);
  if (references.length === 0) {
    throw new Error('The graph keeps its weights inside; pack without it: --graph none.');
  }
  const unknown = references.find(({ tensor }) => !packed.has(tensor));
  if (unknown) throw new Error(`The graph asks for "${unknown.tensor}", which is not packed.`);
  if (new Set(references.map(({ location }) => location)).size !== 1) {
    throw new Error('The graph must keep its weights in exactly one external file.');
  }
  const missing = packed.size - new Set(references.map(({ tensor }) => tensor)).size;
  if (missing > 0) throw new Error(`The graph does not ask for ${missing} of the packed tensors.`);
  return {
    externalName: references[0]?.location,
    external: references.map(({ tensor, offset, bytes }) => ({ tensor, offset, bytes })),
  };
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

function tokenizerType(file: Uint8Array): string {
  return JSON.parse(new TextDecoder().decode(file)).model.type;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
