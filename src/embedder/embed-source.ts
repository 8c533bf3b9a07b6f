/** What the engine needs of whatever embeds: the workers with our model, or the host's embedder. */
import type { EmbedOptions } from '../shared/embed-job.ts';
import type { WhorlError } from '../shared/errors.ts';
import type {
  DownloadProgress,
  EmbedderInfo,
  EmbedLane,
  EmbedRequest,
  EmbedResult,
  LanePort,
} from '../shared/types.ts';

export interface SourceInfo extends EmbedderInfo {
  readonly lanes: readonly EmbedLane[];
}

/** What a source tells by itself. */
export interface SourceEvents {
  /** Something of the running source changed: its lanes, its backend, or why. */
  onInfo(info: SourceInfo): void;
  /** A further lane has joined: `open` makes a port to it. */
  onLane(open: () => Promise<LanePort>): void;
  /** A worker was lost. */
  onRestart(): void;
  /** Nothing is left that could embed: it has to be started again. */
  onLost(error: WhorlError): void;
}

export interface EmbedSource {
  /** Whether it can be asked now. */
  readonly running: boolean;
  /** Loads the program that a start will need, and nothing of the model. Never throws. */
  warm(): void;
  start(signal: AbortSignal, report: (progress: DownloadProgress) => void): Promise<SourceInfo>;
  /** Rejects with `embedder_unavailable` before a start. */
  embed(request: EmbedRequest, options: EmbedOptions): Promise<EmbedResult>;
  /** A fresh port to each lane, those for queries first; each replaces the one made before. */
  ports(): Promise<readonly LanePort[]>;
  /** So many texts wait somewhere: more lanes may be worth it. */
  expectBulk(texts: number): void;
  /** Asks every lane how it is: what has changed, also a death, is told by the events. Never rejects. */
  refresh(): Promise<void>;
  /** The index worker met a failure of the lane of this number that only a fresh worker mends. */
  failed(id: number, error: WhorlError): void;
  close(): void;
}
