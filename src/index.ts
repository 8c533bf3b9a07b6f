/** The public surface: re-exports, nothing else. */

export type { ExportOptions, ImportOptions } from './archive/options.ts';
export { createEngine } from './create-engine.ts';
export { type OnnxOptions, type OnnxSpec, onnx } from './embedder/onnx.ts';
export {
  type FeatureExtractor,
  fromPipeline,
  type PipelineOptions,
  type PipelinePooling,
  type PipelineTensor,
} from './embedder/transformers.ts';
export type { Embedder, EmbedderCall, EmbedderVectors } from './embedder/types.ts';
export type { Engine } from './engine.ts';
export type { EngineOptions } from './engine-options.ts';
export type { EraseAllRequest } from './erase-all-request.ts';
export type { EraseRequest, EraseResult } from './loop/erase.ts';
export { type ClaudeOptions, type ClaudeTimeouts, claude } from './loop/generate/claude.ts';
export { extractive } from './loop/generate/extractive.ts';
export { type FallbackOptions, fallback } from './loop/generate/fallback.ts';
export type * from './loop/types.ts';
export { type TextCollectionOptions, textCollection } from './milvus/text-collection.ts';
export type {
  ArchiveProgress,
  ImportConflict,
  ImportedCollection,
  ImportResult,
} from './shared/archive-types.ts';
export type { AssetsSpec } from './shared/assets.ts';
export { type ErrorCode, isWhorlError, WhorlError } from './shared/errors.ts';
export type * from './shared/milvus-types.ts';
export type {
  Backend,
  CallOptions,
  Candidate,
  CandidatesRequest,
  CandidatesResult,
  DownloadProgress,
  EmbedderInfo,
  EmbedLane,
  EmbedProgress,
  EmbedResult,
  EngineStatus,
  Fingerprint,
  LexicalHit,
  Precision,
  StoreMode,
  StoreStatus,
} from './shared/types.ts';
