/**
 * The manifest of a packed model (`docs/model-format.md`): what lies beside it, how many bytes, and by
 * which digests each 4 MiB piece is recognised. It comes from the network, so every number in it is
 * bounded and every path is a plain relative one before anything is fetched by it.
 */
import { WhorlError } from '../../src/shared/errors.ts';
import type { Fingerprint } from '../../src/shared/types.ts';
import {
  asBytes,
  asDigest,
  asInteger,
  asList,
  asOneOf,
  asPath,
  asRecord,
  asText,
  refuse,
} from './manifest-fields.ts';

export const MANIFEST_FORMAT = 'whorl-model';
export const MANIFEST_VERSION = 1;
/** Bytes of a piece; a file's last piece is shorter. */
export const PIECE_BYTES = 4 * 1024 * 1024;
/** Largest manifest that is read. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Largest file that a manifest may announce; int8 weights of the multilingual L12 take 118 MB. */
const MAX_FILE_BYTES = 512 * 1024 * 1024;
const MAX_FILES = 32;
const MAX_TENSORS = 4_096;
const MAX_ELEMENTS = 1 << 29;

/** What a file is for. `weights` and `tokenizer` are needed to run, `graph` only by ONNX Runtime. */
export type FileRole = 'weights' | 'graph' | 'tokenizer' | 'licence' | 'notice';
const ROLES = ['weights', 'graph', 'tokenizer', 'licence', 'notice'] as const;

export interface ModelFile {
  /** Relative to the manifest. */
  readonly path: string;
  readonly role: FileRole;
  readonly bytes: number;
  /** SHA-256 of the whole, lower-case hex. */
  readonly sha256: string;
  /** SHA-256 of each piece, in order. */
  readonly pieces: readonly string[];
}

/** A tensor inside the weights file, row-major, little-endian. Offsets are bytes. */
export interface ModelTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** `int8-rows`: value = code x scale of its row (first dimension); `float32`: the value itself. */
  readonly type: 'int8-rows' | 'float32';
  readonly offset: number;
  readonly bytes: number;
  /** Offset of the float32 scales, one a row; present exactly for `int8-rows`. */
  readonly scalesOffset?: number;
}

/** A weight that the graph looks for outside of itself, and the tensor that belongs there. */
export interface ExternalWeight {
  readonly tensor: string;
  readonly offset: number;
  readonly bytes: number;
}

export interface Architecture {
  readonly type: 'bert';
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly vocabulary: number;
  readonly positions: number;
  readonly tokenTypes: number;
  readonly layerNormEps: number;
}

/** A text and its vector, computed in float32 from the published weights. */
export interface KnownAnswer {
  readonly language: string;
  readonly text: string;
  /** Unit length. */
  readonly vector: Float32Array;
}

export interface ModelManifest {
  readonly model: string;
  readonly source: string;
  readonly licence: string;
  readonly architecture: Architecture;
  readonly tokenizer: 'WordPiece' | 'Unigram';
  readonly pooling: 'mean';
  readonly normalised: true;
  readonly dimension: number;
  readonly maxTokens: number;
  readonly weights: string;
  readonly fingerprint: Fingerprint;
  readonly files: readonly ModelFile[];
  readonly tensors: readonly ModelTensor[];
  /** Name under which the graph asks for its external data; empty for a model without a graph. */
  readonly externalName: string;
  /** Empty for a model without a graph. */
  readonly external: readonly ExternalWeight[];
  readonly knownAnswers: readonly KnownAnswer[];
}

/**
 * The identity of the vector space: model, weights, tokenizer, pooling, and not the backend.
 *
 * @param parts SHA-256 of the weights and of the tokenizer, and how vectors are made of them.
 */
export function fingerprintOf(parts: {
  readonly model: string;
  readonly weights: string;
  readonly tokenizer: string;
  readonly pooling: string;
  readonly maxTokens: number;
}): Fingerprint {
  const { model, weights, tokenizer, pooling, maxTokens } = parts;
  return `${model}/w-${weights.slice(0, 16)}/t-${tokenizer.slice(0, 16)}/${pooling}-l2-${maxTokens}`;
}

/**
 * Reads a manifest strictly.
 *
 * @throws WhorlError `asset_corrupt` that names the field.
 */
export function parseManifest(bytes: Uint8Array): ModelManifest {
  const raw = asRecord(parseJson(bytes), 'the manifest');
  if (raw.format !== MANIFEST_FORMAT) refuse(`format is not "${MANIFEST_FORMAT}"`);
  if (raw.version !== MANIFEST_VERSION) {
    throw new WhorlError(
      'unsupported',
      `The model's manifest has version ${String(raw.version)}; this version of Whorl reads version ${MANIFEST_VERSION}. Pack the model again, or update Whorl.`,
    );
  }
  const files = asList(raw.files, MAX_FILES, 'files').map(readFile);
  const manifest: ModelManifest = {
    model: asText(raw.model, 'model', 200),
    source: asText(raw.source, 'source', 500),
    licence: asText(raw.licence, 'licence', 100),
    architecture: readArchitecture(asRecord(raw.architecture, 'architecture')),
    tokenizer: asOneOf(raw.tokenizer, ['WordPiece', 'Unigram'] as const, 'tokenizer'),
    pooling: asOneOf(raw.pooling, ['mean'] as const, 'pooling'),
    normalised: asOneOf(raw.normalised, [true] as const, 'normalised'),
    dimension: asInteger(raw.dimension, 1, 8_192, 'dimension'),
    maxTokens: asInteger(raw.maxTokens, 3, 8_192, 'maxTokens'),
    weights: asText(raw.weights, 'weights', 200),
    fingerprint: asText(raw.fingerprint, 'fingerprint', 500),
    files,
    tensors: asList(raw.tensors, MAX_TENSORS, 'tensors').map(readTensor),
    ...readGraphNeeds(raw, files),
    knownAnswers: readAnswers(raw),
  };
  checkWhole(manifest);
  return manifest;
}

/** The one file of a role. Every manifest that was parsed has one `weights` and one `tokenizer`. */
export function fileOf(manifest: ModelManifest, role: FileRole): ModelFile {
  const found = manifest.files.filter((file) => file.role === role);
  const [file] = found;
  if (found.length !== 1 || !file) return refuse(`files has ${found.length} of role "${role}"`);
  return file;
}

/**
 * The graph that ONNX Runtime needs; our own kernel does without.
 *
 * @throws WhorlError `unsupported` for a model that was packed without one.
 */
export function graphOf(manifest: ModelManifest): ModelFile {
  if (manifest.files.some(({ role }) => role === 'graph')) return fileOf(manifest, 'graph');
  throw new WhorlError(
    'unsupported',
    `The model "${manifest.model}" was packed without a graph, so ONNX Runtime cannot run it. Use the backend "wasm", or pack the model again with its onnx/model.onnx.`,
  );
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    return refuse('it is not JSON', error);
  }
}

function readArchitecture(raw: Record<string, unknown>): Architecture {
  const size = (name: string, most: number): number =>
    asInteger(raw[name], 1, most, `architecture.${name}`);
  const { layerNormEps } = raw;
  if (typeof layerNormEps !== 'number' || !(layerNormEps > 0 && layerNormEps < 1)) {
    return refuse('architecture.layerNormEps is not between 0 and 1');
  }
  return {
    type: asOneOf(raw.type, ['bert'] as const, 'architecture.type'),
    layers: size('layers', 128),
    hidden: size('hidden', 8_192),
    heads: size('heads', 256),
    intermediate: size('intermediate', 65_536),
    vocabulary: size('vocabulary', 2_000_000),
    positions: size('positions', 65_536),
    tokenTypes: size('tokenTypes', 64),
    layerNormEps,
  };
}

function readFile(value: unknown, index: number): ModelFile {
  const at = `files[${index}]`;
  const raw = asRecord(value, at);
  const bytes = asInteger(raw.bytes, 1, MAX_FILE_BYTES, `${at}.bytes`);
  const pieces = asList(raw.pieces, MAX_FILE_BYTES / PIECE_BYTES, `${at}.pieces`);
  const wanted = Math.ceil(bytes / PIECE_BYTES);
  if (pieces.length !== wanted) refuse(`${at}.pieces has ${pieces.length} digests for ${wanted}`);
  return {
    path: asPath(raw.path, `${at}.path`),
    role: asOneOf(raw.role, ROLES, `${at}.role`),
    bytes,
    sha256: asDigest(raw.sha256, `${at}.sha256`),
    pieces: pieces.map((piece, i) => asDigest(piece, `${at}.pieces[${i}]`)),
  };
}

function readTensor(value: unknown, index: number): ModelTensor {
  const at = `tensors[${index}]`;
  const raw = asRecord(value, at);
  const shape = asList(raw.shape, 4, `${at}.shape`).map((size, i) =>
    asInteger(size, 1, MAX_ELEMENTS, `${at}.shape[${i}]`),
  );
  const count = shape.reduce((product, size) => product * size, 1);
  const type = asOneOf(raw.type, ['int8-rows', 'float32'] as const, `${at}.type`);
  const place = {
    name: asText(raw.name, `${at}.name`, 200),
    shape,
    offset: asInteger(raw.offset, 0, MAX_FILE_BYTES, `${at}.offset`),
    bytes: asInteger(raw.bytes, 1, MAX_FILE_BYTES, `${at}.bytes`),
  };
  if (place.bytes !== count * (type === 'float32' ? 4 : 1)) {
    return refuse(`${at}.bytes is not what its shape takes`);
  }
  if (place.offset % 4 !== 0) return refuse(`${at}.offset is not a multiple of 4`);
  if (type === 'float32') return { ...place, type };
  const scalesOffset = asInteger(raw.scalesOffset, 0, MAX_FILE_BYTES, `${at}.scalesOffset`);
  if (scalesOffset % 4 !== 0) return refuse(`${at}.scalesOffset is not a multiple of 4`);
  return { ...place, type, scalesOffset };
}

function readExternal(value: unknown, index: number): ExternalWeight {
  const at = `external[${index}]`;
  const raw = asRecord(value, at);
  return {
    tensor: asText(raw.tensor, `${at}.tensor`, 200),
    offset: asInteger(raw.offset, 0, 4 * MAX_FILE_BYTES, `${at}.offset`),
    bytes: asInteger(raw.bytes, 1, 4 * MAX_FILE_BYTES, `${at}.bytes`),
  };
}

/** Present exactly when there is a graph: without one nothing could ask for external weights. */
function readGraphNeeds(
  raw: Record<string, unknown>,
  files: readonly ModelFile[],
): Pick<ModelManifest, 'externalName' | 'external'> {
  if (files.some(({ role }) => role === 'graph')) {
    return {
      externalName: asPath(raw.externalName, 'externalName'),
      external: asList(raw.external, MAX_TENSORS, 'external').map(readExternal),
    };
  }
  if (raw.externalName !== undefined) refuse('externalName is there without a graph');
  if (raw.external !== undefined) refuse('external is there without a graph');
  return { externalName: '', external: [] };
}

function readAnswers(raw: Record<string, unknown>): KnownAnswer[] {
  const answers = asList(raw.knownAnswers, 64, 'knownAnswers').map((value, index) => {
    const at = `knownAnswers[${index}]`;
    const answer = asRecord(value, at);
    const bytes = asBytes(answer.vector, `${at}.vector`);
    if (bytes.length !== Number(raw.dimension) * 4) refuse(`${at}.vector has another dimension`);
    return {
      language: asText(answer.language, `${at}.language`, 20),
      text: asText(answer.text, `${at}.text`, 2_000),
      vector: new Float32Array(bytes.buffer),
    };
  });
  if (answers.length < 8) refuse('knownAnswers has fewer than eight vectors');
  return answers;
}

/** What the parts say about each other. */
function checkWhole(manifest: ModelManifest): void {
  const weights = fileOf(manifest, 'weights');
  const tokenizer = fileOf(manifest, 'tokenizer');
  if (manifest.files.filter(({ role }) => role === 'graph').length > 1) fileOf(manifest, 'graph');
  const paths = new Set(manifest.files.map((file) => file.path));
  if (paths.size !== manifest.files.length) refuse('files names a path twice');
  const tensors = new Map(manifest.tensors.map((tensor) => [tensor.name, tensor]));
  if (tensors.size !== manifest.tensors.length) refuse('tensors names a tensor twice');
  for (const tensor of manifest.tensors) checkInside(tensor, weights.bytes);
  for (const { tensor: name, bytes } of manifest.external) {
    const tensor = tensors.get(name);
    if (!tensor) throw refuse(`external names the unknown tensor "${name}"`);
    const values = tensor.shape.reduce((product, size) => product * size, 1);
    if (bytes !== values * 4) refuse(`external has ${bytes} bytes for "${name}"`);
  }
  const { model, pooling, maxTokens } = manifest;
  const expected = fingerprintOf({
    model,
    weights: weights.sha256,
    tokenizer: tokenizer.sha256,
    pooling,
    maxTokens,
  });
  if (manifest.fingerprint !== expected) refuse('fingerprint is not that of its files');
  if (manifest.maxTokens > manifest.architecture.positions) refuse('maxTokens exceeds positions');
  if (manifest.dimension !== manifest.architecture.hidden) refuse('dimension is not hidden');
}

function checkInside(tensor: ModelTensor, fileBytes: number): void {
  const rows = tensor.shape[0] ?? 0;
  const scalesEnd = tensor.scalesOffset === undefined ? 0 : tensor.scalesOffset + rows * 4;
  if (tensor.offset + tensor.bytes > fileBytes || scalesEnd > fileBytes) {
    refuse(`the tensor "${tensor.name}" reaches over the end of the weights`);
  }
}
