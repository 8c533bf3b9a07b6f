/**
 * What the app needs of the world: the engine, the network, storage, time. `main.ts` hands in the
 * real ones; tests hand in doubles.
 */
import type { Generator, Loop, LoopOptions } from '../loop/types.ts';
import type { MilvusClient } from '../shared/milvus-types.ts';
import type { DownloadProgress, EmbedderInfo, EngineStatus, LexicalHit } from '../shared/types.ts';
import type { LanguageCode } from './language.ts';

/** The part of `Engine` that the app uses. Dispatches `status`. */
export interface AppEngine extends EventTarget {
  readonly status: EngineStatus;
  readonly milvus: MilvusClient;
  prepare(options?: {
    readonly signal?: AbortSignal;
    readonly onProgress?: (progress: DownloadProgress) => void;
  }): Promise<EmbedderInfo>;
  lexical(
    texts: readonly string[],
    query: string,
    options?: { readonly limit?: number; readonly signal?: AbortSignal },
  ): Promise<readonly LexicalHit[]>;
  loop(options: LoopOptions): Loop;
  close(): Promise<void>;
}

/** One record as a person writes it. */
export interface RecordDraft {
  readonly name: string;
  readonly location: string;
  readonly famous_visitor: string;
  readonly description: string;
  readonly lang: LanguageCode;
}

/** Small values that outlive a reload. A storage that is blocked answers null and keeps nothing. */
export interface Memo {
  read(key: string): string | null;
  write(key: string, value: string): void;
}

/** How much room the browser gives, in bytes; null where it does not say. */
export interface RoomEstimate {
  readonly usedBytes: number | null;
  readonly quotaBytes: number | null;
  /** True when the browser promised not to clear it by itself. */
  readonly persisted: boolean;
}

/** The world. Only `startEngine` may reject; the others answer what they know. */
export interface SessionPorts {
  readonly startEngine: () => Promise<AppEngine>;
  readonly sample: readonly RecordDraft[];
  /** Answers; falls back to quoting when there is no key or network. */
  readonly generator: Generator;
  /** Whether the proxy has a key. */
  readonly probe: (signal: AbortSignal) => Promise<'key' | 'no_key' | 'unreachable'>;
  readonly memo: Memo;
  readonly room: () => Promise<RoomEstimate>;
  /** Asks the browser to keep the data; resolves to whether it promised. */
  readonly persist: () => Promise<boolean>;
  /** Keeps the page's own files; resolves to whether it will start without a network. */
  readonly keepSite: () => Promise<boolean>;
  /** Calls back before the next picture. */
  readonly frame: (callback: () => void) => void;
  /** Calls back after so many milliseconds. */
  readonly later: (callback: () => void, ms: number) => void;
}
