/** An embedder of the host in the place of the embed workers: the same pool, ports and status around it. */
import type { EmbedOptions } from '../shared/embed-job.ts';
import { EmbedPool, type Lane, sliceTokensOf } from '../shared/embed-pool.ts';
import { isWhorlError, throwIfAborted, WhorlError } from '../shared/errors.ts';
import { serve } from '../shared/link.ts';
import { textDigest } from '../shared/text-digest.ts';
import type {
  EmbedContract,
  EmbedderInfo,
  EmbedProgress,
  EmbedRequest,
  EmbedResult,
  LanePort,
} from '../shared/types.ts';
import type { EmbedSource, SourceInfo } from './embed-source.ts';
import { HostQueue } from './host-queue.ts';
import { type UnitVectors, unitVectors } from './host-vectors.ts';
import type { Embedder } from './types.ts';

type PortContract = Pick<EmbedContract, 'embed' | 'info'>;

/** Embedded at each start: they show the dimension, and whether the answers are vectors at all. */
const PROBES = [
  'The innkeeper pours a mug of dark ale by the fire.',
  'Quarterly revenue rose by four percent.',
  '맑은 밤하늘에 별이 빛난다.',
  'function add(a, b) { return a + b; }',
];
/** Milliseconds for one slice: an API that is slow, a model that is still being downloaded. */
const PATIENCE_MS = 60_000;
const NEVER = new AbortController().signal;

export class HostEmbedder implements EmbedSource {
  readonly #embedder: Embedder;
  readonly #patienceMs: number;
  readonly #queue: HostQueue;
  readonly #pool = new EmbedPool();
  readonly #lane: Lane = {
    sliceTokens: sliceTokensOf('custom'),
    embed: (request, options) => this.#embed(request, options),
  };
  #info: EmbedderInfo | null = null;
  #served: MessagePort | null = null;

  /** @param patienceMs For tests. Default 60,000. */
  constructor(embedder: Embedder, patienceMs = PATIENCE_MS) {
    this.#embedder = embedder;
    this.#patienceMs = patienceMs;
    this.#queue = new HostQueue(patienceMs);
  }

  get running(): boolean {
    return this.#info !== null;
  }

  /** The host's embedder is there already. */
  warm(): void {}

  /** @throws WhorlError `backend_wrong`, or what the embedder throws. */
  async start(signal: AbortSignal): Promise<SourceInfo> {
    const probe = await this.#ask(PROBES, { signal, priority: 'query' });
    throwIfAborted(signal);
    checkProbe(probe);
    const isFirst = this.#info === null;
    this.#info = infoOf(this.#embedder.model, probe);
    if (isFirst) this.#pool.add(this.#lane);
    const { backend, threads } = this.#info;
    return { ...this.#info, lanes: [{ backend, threads, queries: true }] };
  }

  embed(request: EmbedRequest, options: EmbedOptions): Promise<EmbedResult> {
    return this.#pool.embed(request, options);
  }

  /** The index worker's calls come to the page on it, where the embedder lives. */
  async ports(): Promise<readonly LanePort[]> {
    const { port1, port2 } = new MessageChannel();
    this.#served?.close();
    this.#served = port1;
    serve<PortContract>(
      {
        embed: async (request, { signal, transfer, report }) => {
          const result = await this.#alive(this.#embed(request, { signal }), report);
          transfer([result.vectors.buffer as ArrayBuffer]);
          return result;
        },
        info: () => this.#info,
      },
      port1,
    );
    return [{ id: 0, port: port2 }];
  }

  /**
   * Shows life while a call waits: each call before it may take as long as the other side waits for a sign. What
   * hangs is given up by the queue.
   */
  async #alive<T>(work: Promise<T>, report: (progress: never) => void): Promise<T> {
    const show = () => report({ done: 0, total: 0 } satisfies EmbedProgress as never);
    const timer = setInterval(show, this.#patienceMs / 4);
    try {
      return await work;
    } finally {
      clearInterval(timer);
    }
  }

  expectBulk(): void {}

  async refresh(): Promise<void> {}

  /** There is no fresh start of somebody else's embedder: the next call asks it again. */
  failed(): void {}

  close(): void {
    const error = new WhorlError('closed', 'The engine was closed.');
    this.#queue.close(error);
    this.#pool.close(error);
    this.#served?.close();
    this.#info = null;
  }

  async #embed({ texts, priority = 'bulk' }: EmbedRequest, options: EmbedOptions) {
    const info = this.#info;
    if (info === null) throw new WhorlError('closed', 'The embedder is not running.');
    const { dimension, fingerprint } = info;
    if (texts.length === 0) {
      return { vectors: new Float32Array(0), dimension, fingerprint, tokens: 0 };
    }
    const found = await this.#ask(texts, { signal: options.signal ?? NEVER, priority });
    if (found.dimension !== dimension) {
      throw new WhorlError(
        'backend_wrong',
        `The embedder answered vectors of ${found.dimension} numbers, ${dimension} when it was started. Nothing was kept; another model needs another engine.`,
      );
    }
    // It does not say how many tokens it saw.
    return { vectors: found.vectors, dimension, fingerprint, tokens: 0 };
  }

  #ask(
    texts: readonly string[],
    how: { readonly signal: AbortSignal; readonly priority: 'query' | 'bulk' },
  ): Promise<UnitVectors> {
    const { signal, priority } = how;
    const work = async (): Promise<UnitVectors> => {
      // A list of its own: what it does to it is its affair.
      return unitVectors(await this.#call([...texts], { signal, priority }), texts.length);
    };
    return this.#queue.run(work, { urgent: priority === 'query', signal });
  }

  async #call(texts: readonly string[], how: Parameters<Embedder['embed']>[1]): Promise<unknown> {
    try {
      return await this.#embedder.embed(texts, how);
    } catch (error) {
      if (isWhorlError(error) || how.signal.aborted) throw error;
      const said = error instanceof Error ? error.message : String(error);
      throw new WhorlError('backend_failed', `The embedder failed: ${said}`, {
        retryable: true,
        cause: error,
      });
    }
  }
}

/** One vector for everything is no embedding: a wrong output was taken, or a model that was not loaded. */
function checkProbe({ vectors, dimension }: UnitVectors): void {
  const first = vectors.subarray(0, dimension);
  for (let row = 1; row < PROBES.length; row++) {
    const other = vectors.subarray(row * dimension, (row + 1) * dimension);
    if (dimension === 1 || first.some((value, i) => Math.abs(value - (other[i] ?? 0)) > 1e-4))
      return;
  }
  throw new WhorlError(
    'backend_wrong',
    'The embedder gives the same vector to texts that have nothing in common, so that nothing could be found by it. It was not started.',
  );
}

function infoOf(name: string | undefined, probe: UnitVectors): EmbedderInfo {
  const { dimension } = probe;
  const model = name ?? 'unnamed';
  const identity = name ?? `unnamed-${signature(probe)}`;
  return {
    model,
    fingerprint: `custom/${identity}/${dimension}`,
    dimension,
    maxTokens: Number.POSITIVE_INFINITY,
    backend: 'custom',
    why: 'The page brought its own embedder.',
    threads: 1,
    weights: 'unknown',
  };
}

/**
 * What stands for a model without a name: where the vectors of the probes are largest. The same model
 * gives the same places though its numbers tremble a little; another one does not.
 */
function signature({ vectors, dimension }: UnitVectors): string {
  const places = PROBES.map((_, row) => {
    const vector = vectors.subarray(row * dimension, (row + 1) * dimension);
    let largest = 0;
    vector.forEach((value, i) => {
      if (Math.abs(value) > Math.abs(vector[largest] ?? 0)) largest = i;
    });
    return `${(vector[largest] ?? 0) < 0 ? '-' : '+'}${largest}`;
  });
  return Array.from(textDigest(places.join(' ')).slice(0, 4), hex).join('');
}

function hex(unit: string): string {
  return unit.charCodeAt(0).toString(16).padStart(4, '0');
}
