/** A core for tests in Node: a disk in memory, a lock, a clock and an embedder that can be told what to do. */

import { createMilvusClient, MILVUS_METHODS } from '../../../src/milvus/client.ts';
import { WhorlError } from '../../../src/shared/errors.ts';
import type { MilvusClient } from '../../../src/shared/milvus-types.ts';
import type { EmbedRequest, EmbedResult } from '../../../src/shared/types.ts';
import { type CoreOptions, IndexCore } from '../../../workers/index/core.ts';
import type { CoreEmbedder } from '../../../workers/index/embedder.ts';
import type { LeaderLock, LockHold } from '../../../workers/index/leader.ts';

export { MILVUS_METHODS };

/** Letters of a text as a unit vector: equal texts are equal, similar texts are near. */
export function letterVector(text: string, dimension: number, salt = 0): Float32Array {
  const vector = new Float32Array(dimension);
  for (const character of text.toLowerCase()) {
    const at = ((character.codePointAt(0) ?? 0) + salt) % dimension;
    vector[at] = (vector[at] ?? 0) + 1;
  }
  vector[0] = (vector[0] ?? 0) + 0.01;
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

export class LetterEmbedder implements CoreEmbedder {
  fingerprint = 'letters-1';
  dimension = 16;
  salt = 0;
  calls = 0;
  texts: string[] = [];
  /** Throws from this call on, when set. */
  failFrom = Number.POSITIVE_INFINITY;
  /** Waits for this before each answer. */
  gate: Promise<void> = Promise.resolve();

  async embed(
    request: EmbedRequest,
    { signal }: { readonly signal?: AbortSignal | undefined },
  ): Promise<EmbedResult> {
    this.calls += 1;
    await this.gate;
    if (signal?.aborted) throw new WhorlError('aborted', 'The call was cancelled.');
    if (this.calls >= this.failFrom) {
      throw new WhorlError('embedder_unavailable', 'No model is connected.', { retryable: true });
    }
    this.texts.push(...request.texts);
    const vectors = new Float32Array(request.texts.length * this.dimension);
    request.texts.forEach((text, i) => {
      vectors.set(letterVector(text, this.dimension, this.salt), i * this.dimension);
    });
    const { fingerprint, dimension } = this;
    return { vectors, dimension, fingerprint, tokens: request.texts.length };
  }
}

/** A lock that several cores of one process share, as tabs share a Web Lock. */
export class SharedLock implements LeaderLock {
  #holder: { readonly lost: () => void } | null = null;
  readonly #queue: (() => void)[] = [];

  async acquire(
    _name: string,
    { wait, signal }: { readonly wait: boolean; readonly signal: AbortSignal },
  ): Promise<LockHold | null> {
    while (this.#holder !== null) {
      if (!wait) return null;
      await new Promise<void>((resolve, reject) => {
        this.#queue.push(resolve);
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    }
    let lose = (): void => {};
    const lost = new Promise<void>((resolve) => {
      lose = resolve;
    });
    const holder = { lost: lose };
    this.#holder = holder;
    return {
      lost,
      release: () => {
        if (this.#holder === holder) this.#free();
      },
    };
  }

  /** Takes the lock away without telling: the holder is frozen. */
  seize(): void {
    this.#holder = null;
    this.#wake();
  }

  /** Takes the lock away and tells the holder, as `steal` does. */
  steal(): void {
    const holder = this.#holder;
    this.#holder = { lost: () => {} };
    holder?.lost();
  }

  #free(): void {
    this.#holder = null;
    this.#wake();
  }

  #wake(): void {
    this.#queue.shift()?.();
  }
}

export interface TestCore {
  readonly core: IndexCore;
  readonly milvus: MilvusClient;
  readonly embedder: LetterEmbedder;
}

export const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

export async function openCore(options: Partial<CoreOptions> = {}): Promise<TestCore> {
  const embedder = (options.embedder as LetterEmbedder | undefined) ?? new LetterEmbedder();
  const core = await IndexCore.open({
    name: 'test',
    openStorage: null,
    lock: null,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    pause: tick,
    ...options,
    embedder,
  });
  const milvus = createMilvusClient((endpoint, body, { signal, onProgress } = {}) =>
    core.milvus(endpoint, body, { signal, report: onProgress }),
  );
  return { core, milvus, embedder };
}
