/** One embed worker from its spawning to its end: a lane of the pool. What is lost is not revived; another takes its place. */
import type { EmbedOptions } from '../shared/embed-job.ts';
import { isFollowed, type Lane, sliceTokensOf } from '../shared/embed-pool.ts';
import { isWhorlError, type WhorlError } from '../shared/errors.ts';
import { type Far, Link } from '../shared/link.ts';
import type {
  CallOptions,
  DownloadProgress,
  EmbedContract,
  EmbedderInfo,
  EmbedRequest,
  EmbedResult,
  EmbedStartRequest,
  LanePort,
  LentModel,
} from '../shared/types.ts';

/** Longest silence: a batch, or the making of a session, on a slow machine. */
const BATCH_MS = 60_000;
/** How a start refuses a model that was lent by another kernel or another version. */
const NOT_LENT = new Set(['invalid_option', 'unsupported']);

export interface StartOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

export class EmbedWorker implements Lane {
  /** By which the index worker names it to the page. */
  readonly id: number;
  readonly #link: Link<EmbedContract>;
  #info: EmbedderInfo | null = null;
  #lost: WhorlError | null = null;

  constructor(
    id: number,
    spawn: () => Far,
    onLost: (worker: EmbedWorker, error: WhorlError) => void,
  ) {
    this.id = id;
    this.#link = new Link<EmbedContract>({
      name: 'embed worker',
      // Making a session or running a long batch blocks its thread for seconds on a slow machine; one that
      // was terminated is noticed by its lock, at once. Before the deadline, so that the next call finds another.
      hungMs: BATCH_MS - 5_000,
      spawn,
      onLost: (error) => {
        this.#lost = error;
        this.#link.close();
        onLost(this, error);
      },
    });
  }

  /** What runs in it; null before a successful start. */
  get info(): EmbedderInfo | null {
    return this.#info;
  }

  get lost(): boolean {
    return this.#lost !== null;
  }

  get sliceTokens(): number {
    return sliceTokensOf(this.#info?.backend ?? 'wasm');
  }

  get bulkOnly(): boolean {
    return this.#info?.backend === 'webgpu';
  }

  /** Spawns the worker. Whether that fails shows when it is asked for something. */
  warm(): void {
    this.#link.call('info', {}).catch(() => {});
  }

  /** Starts a model; with `lent`, that of a sister where it can be taken, else by a download as without. */
  async start(
    request: EmbedStartRequest,
    { signal, onProgress = () => {} }: StartOptions = {},
  ): Promise<EmbedderInfo> {
    const { lent, ...plain } = request;
    const how = { deadlineMs: BATCH_MS, onProgress, ...(signal ? { signal } : {}) };
    try {
      const transfer = lent ? buffersOf(lent) : [];
      const options = { ...how, transfer } as CallOptions<never>;
      this.#info = await this.#link.call('start', request, options);
    } catch (error) {
      const isRefused = lent !== undefined && isWhorlError(error) && NOT_LENT.has(error.code);
      if (!isRefused) throw error;
      this.#info = await this.#link.call('start', plain, how as CallOptions<never>);
    }
    return this.#info;
  }

  embed(request: EmbedRequest, { signal, onProgress }: EmbedOptions): Promise<EmbedResult> {
    const report = ({ done }: { readonly done: number }) => onProgress?.(done);
    const how = {
      deadlineMs: BATCH_MS,
      ...(isFollowed(request) ? { onProgress: report } : {}),
      ...(signal ? { signal } : {}),
    };
    return this.#link.call('embed', request, how as CallOptions<never>);
  }

  /** A copy of the running model; null where there is none to lend. */
  lend(): Promise<LentModel | null> {
    return this.#link.call('lend', {}, { deadlineMs: BATCH_MS });
  }

  /** A port on which it answers `embed` and `info`; the one before is closed. */
  async attach(): Promise<LanePort> {
    const { port1, port2 } = new MessageChannel();
    await this.#link.call('attach', { port: port1 }, { transfer: [port1] });
    return { id: this.id, port: port2 };
  }

  /** Asks again what runs: a backend may have been replaced inside. True when something is different. */
  async refresh(): Promise<boolean> {
    const before = this.#info;
    const now = await this.#link.call('info', {}, { deadlineMs: BATCH_MS });
    if (before === null || now === null) return false;
    this.#info = now;
    return before.why !== now.why || before.backend !== now.backend;
  }

  /** Ends it as lost: what is pending rejects with the error. */
  replace(error: WhorlError): void {
    this.#link.replace(error);
  }

  close(): void {
    this.#link.close();
  }
}

/** Each once: two views may lie in one buffer, which can change hands once only. */
function buffersOf({ image, manifest, tokenizer }: LentModel): readonly ArrayBuffer[] {
  return [...new Set([image, manifest.buffer, tokenizer.buffer])];
}
