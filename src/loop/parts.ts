/** What the loop is given from outside. */
import type { evaluate } from './evaluate/index.ts';
import type { LoopEmbedder, LoopStore } from './types.ts';

export interface LoopClock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
}

export interface LoopParts {
  readonly store: LoopStore;
  readonly embedder: LoopEmbedder;
  /** Default: `performance.now` and `Date.now`. */
  readonly clock?: LoopClock;
  /** Ids of turns and events. Default `crypto.randomUUID`; never the wall clock. */
  readonly randomId?: () => string;
  /** SHA-256 of UTF-8 text as hex digits. Default: WebCrypto. */
  readonly digest?: (text: string) => Promise<string>;
  readonly evaluate?: typeof evaluate;
}
