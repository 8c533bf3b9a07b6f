/**
 * The embed workers over ports of our own, so that text does not visit the page: a pool of lanes behind a
 * cache. Without a port calls reject at once.
 */
import { embedThroughCache } from '../../src/shared/cached-embed.ts';
import type { EmbedOptions } from '../../src/shared/embed-job.ts';
import { EmbedPool, isFollowed, type Lane, sliceTokensOf } from '../../src/shared/embed-pool.ts';
import { EmbeddingCache } from '../../src/shared/embedding-cache.ts';
import { isWhorlError, WhorlError } from '../../src/shared/errors.ts';
import { Link } from '../../src/shared/link.ts';
import type {
  CallOptions,
  EmbedContract,
  EmbedderInfo,
  EmbeddingNews,
  EmbedProgress,
  EmbedRequest,
  EmbedResult,
  LanePort,
} from '../../src/shared/types.ts';
import type { CoreEmbedder } from './embedder.ts';

type PortContract = Pick<EmbedContract, 'embed' | 'info'>;

/** Between two batches of texts, or before the first: a cold WebGPU pipeline takes long. */
const EMBED_DEADLINE_MS = 60_000;

/** Codes that say that nobody is behind the port any more. */
const GONE = new Set(['closed', 'worker_lost', 'worker_start_failed']);
/** Codes after which a worker is not to be asked again: the page, which is told, replaces it. */
const SPENT = new Set(['backend_failed', 'backend_wrong']);

/** One port to an embed worker. */
class PortLane implements Lane {
  readonly id: number;
  readonly sliceTokens: number;
  readonly bulkOnly: boolean;
  readonly fingerprint: string | null;
  /** The page can start another in its place; an embedder of the host is asked again as it is. */
  readonly isReplaceable: boolean;
  readonly #link: Link<PortContract>;

  private constructor(id: number, link: Link<PortContract>, info: EmbedderInfo | null) {
    this.id = id;
    this.#link = link;
    this.fingerprint = info?.fingerprint ?? null;
    this.bulkOnly = info?.backend === 'webgpu';
    this.isReplaceable = info?.backend !== 'custom';
    this.sliceTokens = sliceTokensOf(info?.backend ?? 'wasm');
  }

  /** @param onLost Called when the worker behind the port is gone. */
  static async open({ id, port }: LanePort, onLost: () => void): Promise<PortLane> {
    let isFresh = true;
    const link = new Link<PortContract>({
      name: 'embed worker',
      // A long batch of ONNX Runtime blocks its thread; one that was ended is noticed by its lock.
      hungMs: EMBED_DEADLINE_MS - 5_000,
      spawn: () => {
        // A port cannot be made anew from this side; the page brings the next one.
        if (!isFresh) throw unavailable();
        isFresh = false;
        return { endpoint: port, end: () => port.close() };
      },
      onLost,
    });
    return new PortLane(id, link, await link.call('info', {}, {}));
  }

  async embed(request: EmbedRequest, options: EmbedOptions): Promise<EmbedResult> {
    const { signal, onProgress } = options;
    const how: CallOptions<EmbedProgress> = {
      deadlineMs: EMBED_DEADLINE_MS,
      // The page's own embedder does one thing at a time and shows life while a call waits for its turn.
      ...(isFollowed(request) || !this.isReplaceable
        ? { onProgress: ({ done }: EmbedProgress) => onProgress?.(done) }
        : {}),
      ...(signal === undefined ? {} : { signal }),
    };
    try {
      return await this.#link.call('embed', request, how as CallOptions<never>);
    } catch (error) {
      // The port was replaced, or what was behind it died: the same call works on another port.
      throw isWhorlError(error) && GONE.has(error.code) ? unavailable(error) : error;
    }
  }

  close(): void {
    this.#link.close();
  }
}

export class EmbedPort implements CoreEmbedder {
  /** It is handed all texts of a call: they are sliced here, lane by lane. */
  readonly slices = true;
  readonly #pool: EmbedPool;
  readonly #onErased: () => void;
  readonly #watchers = new Set<(news: EmbeddingNews) => void>();
  #lanes: readonly PortLane[] = [];
  #cache = new EmbeddingCache(0);
  /** Of the model behind the first lane; null before there is one. */
  #fingerprint: string | null = null;

  /** @param onErased Called when texts were erased here: others may keep vectors of them, too. */
  constructor(onErased: () => void = () => {}) {
    this.#onErased = onErased;
    this.#pool = new EmbedPool({
      onBulk: (waiting) => this.#tell({ waiting }),
      onFailure: (lane, error) => this.#failed(lane as PortLane, error),
    });
  }

  #tell(news: EmbeddingNews): void {
    for (const watch of this.#watchers) watch(news);
  }

  #failed(lane: PortLane, { code, message }: WhorlError): void {
    if (code === 'embedder_unavailable') this.#drop(lane);
    if (!SPENT.has(code) || !lane.isReplaceable || !this.#lanes.includes(lane)) return;
    this.#drop(lane);
    this.#tell({ failed: { id: lane.id, code, message } });
  }

  /** Keeps vectors of what was embedded, up to so many bytes; 0 for none. Default 0. */
  keep(bytes: number): void {
    this.#cache = new EmbeddingCache(bytes);
  }

  /**
   * Takes ports, in the place of the present ones or (with `more`) beside them; the first is asked for
   * queries. Resolves with the fingerprint of the model behind them, null before one runs.
   */
  async connect(ports: readonly LanePort[], more = false): Promise<string | null> {
    const lanes = await this.#open(ports);
    const former = more ? [] : this.#lanes;
    this.#lanes = [...this.#lanes, ...lanes];
    for (const lane of lanes) this.#pool.add(lane);
    // Only now: what the former ones are at goes on with the new ones.
    for (const lane of former) this.#drop(lane);
    const fingerprint = this.#lanes[0]?.fingerprint ?? null;
    // Vectors of another model would be answered for as long as all texts of a call are known.
    if (fingerprint !== this.#fingerprint) this.#cache.clear();
    this.#fingerprint = fingerprint;
    return fingerprint;
  }

  /** Lanes that answered; rejects when none of them did. */
  async #open(ports: readonly LanePort[]): Promise<readonly PortLane[]> {
    const opened = await Promise.allSettled(ports.map((port) => this.#openLane(port)));
    const lanes = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const failed = opened.find((each) => each.status === 'rejected');
    if (lanes.length === 0 && failed !== undefined) throw failed.reason;
    return lanes;
  }

  async #openLane(port: LanePort): Promise<PortLane> {
    let lane: PortLane | null = null;
    lane = await PortLane.open(port, () => {
      if (lane !== null) this.#drop(lane);
    });
    return lane;
  }

  #drop(lane: PortLane): void {
    if (!this.#lanes.includes(lane)) return;
    this.#lanes = this.#lanes.filter((each) => each !== lane);
    this.#pool.remove(lane);
    lane.close();
  }

  embed(
    request: EmbedRequest,
    options: Parameters<CoreEmbedder['embed']>[1],
  ): Promise<EmbedResult> {
    const embed = (rest: EmbedRequest, how: EmbedOptions) => this.#pool.embed(rest, how);
    return embedThroughCache(this.#cache, embed, request, options);
  }

  erased(texts: readonly string[] | 'all'): void {
    if (texts === 'all') this.#cache.clear();
    else this.#cache.forget(texts);
    this.#onErased();
  }

  /** Forgets the vectors of all texts: some were erased elsewhere. */
  forget(): void {
    this.#cache.clear();
  }

  /** Calls `report` with the number of texts that wait whenever that changes, and with each lane that failed, until the signal aborts. */
  watch(report: (news: EmbeddingNews) => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const stop = (): void => {
        this.#watchers.delete(report);
        resolve();
      };
      if (signal.aborted) {
        stop();
        return;
      }
      this.#watchers.add(report);
      signal.addEventListener('abort', stop, { once: true });
      const { waiting } = this.#pool;
      if (waiting > 0) report({ waiting });
    });
  }

  close(): void {
    const error = new WhorlError('closed', 'The store was closed.');
    this.#pool.close(error);
    for (const lane of this.#lanes) lane.close();
    this.#lanes = [];
    this.#cache.clear();
  }
}

function unavailable(cause?: unknown): WhorlError {
  return new WhorlError(
    'embedder_unavailable',
    'No model is connected, so text cannot become vectors. Nothing was changed; start the model and try again.',
    { retryable: true, cause },
  );
}
