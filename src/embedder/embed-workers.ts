/**
 * The embed workers of an engine. One starts with the engine's model and answers queries; when bulk work
 * comes, further ones take its model over from it, without the network, and the work is shared out. A GPU
 * joins for very much work. Lanes that are lost are replaced, those that rest are ended.
 */
import type { EmbedOptions } from '../shared/embed-job.ts';
import { EmbedPool, type Lane } from '../shared/embed-pool.ts';
import { asWhorlError, throwIfAborted, WhorlError } from '../shared/errors.ts';
import type { Far } from '../shared/link.ts';
import type {
  DownloadProgress,
  EmbedderInfo,
  EmbedLane,
  EmbedRequest,
  EmbedResult,
  EmbedStartRequest,
  LanePort,
} from '../shared/types.ts';
import type { EmbedSource, SourceEvents, SourceInfo } from './embed-source.ts';
import { EmbedWorker } from './embed-worker.ts';

/** Failures of a backend after which `auto` tries once more in a fresh worker. */
const BACKEND_FAILURES = new Set([
  'backend_failed',
  'backend_wrong',
  'worker_lost',
  'out_of_memory',
]);
/** Failures that the same worker would meet again. */
const SPENT = new Set(['backend_failed', 'backend_wrong']);

/** Texts from which further workers pay: they start in about the time that one needs for as many. */
export const POOL_TEXTS = 32;
/** Texts from which a GPU lane pays: 14 MB of runtime and seconds of compiling come before its first vector. */
export const GPU_TEXTS = 1_000;
/** Milliseconds without bulk work after which all lanes but the first are ended. */
const REST_MS = 60_000;

export interface WorkersOptions {
  readonly request: EmbedStartRequest;
  /** Most workers with our own kernel, 1..4; with 1 no GPU lane joins either. */
  readonly size: number;
  /** Whether the platform has WebGPU at all. */
  readonly gpu: boolean;
  readonly spawn: () => Far;
  readonly events: SourceEvents;
  /** For tests. Default 60,000. */
  readonly restMs?: number;
}

export class EmbedWorkers implements EmbedSource {
  readonly #options: WorkersOptions;
  readonly #pool: EmbedPool;
  /** Those that run, in the order of their start. */
  #running: readonly EmbedWorker[] = [];
  /** Those that were spawned and do not run yet. */
  readonly #starting = new Set<EmbedWorker>();
  /** The first one, kept over a start that failed or was given up, so that the next one need not spawn. */
  #idle: EmbedWorker | null = null;
  #wanted = 1;
  #spawned = 0;
  #filling: Promise<void> | null = null;
  #gpuTried = false;
  /** Why things are not as they could be, for people; by what they concern. */
  readonly #notes = new Map<'start' | 'pool' | 'gpu', string>();
  #restTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#pool = new EmbedPool({
      onBulk: (waiting) => this.expectBulk(waiting),
      onFailure: (lane, error) => this.#failed(lane, error),
    });
  }

  get running(): boolean {
    return this.#running.length > 0;
  }

  /** The script of a worker takes a good part of a start; it is read while the store is opened. */
  warm(): void {
    if (this.#closed || this.running) return;
    this.#idle ??= this.#spawn();
    this.#idle.warm();
  }

  async start(
    signal: AbortSignal,
    report: (progress: DownloadProgress) => void,
  ): Promise<SourceInfo> {
    const { request } = this.#options;
    try {
      await this.#startFirst(request, signal, report);
    } catch (error) {
      const failure = asWhorlError(error);
      if (request.backend !== 'auto' || !BACKEND_FAILURES.has(failure.code)) throw error;
      // A runtime that failed to start is not to be trusted with a second start.
      this.#idle?.replace(failure);
      const backend = request.onnx ? 'onnx' : 'wasm';
      await this.#startFirst({ ...request, backend }, signal, report);
      this.#notes.set('start', `Before that: ${failure.message}`);
    }
    return this.#told();
  }

  async #startFirst(
    request: EmbedStartRequest,
    signal: AbortSignal,
    onProgress: (progress: DownloadProgress) => void,
  ): Promise<void> {
    this.#idle ??= this.#spawn();
    const worker = this.#idle;
    this.#notes.clear();
    await worker.start(request, { signal, onProgress });
    throwIfAborted(signal);
    this.#idle = null;
    // A GPU lane may have outlived the kernels; what lies at the address may have changed since.
    for (const lane of this.#running) if (!isSameSpace(lane, worker)) this.#end(lane);
    this.#join(worker);
  }

  embed(request: EmbedRequest, options: EmbedOptions): Promise<EmbedResult> {
    return this.#pool.embed(request, options);
  }

  async ports(): Promise<readonly LanePort[]> {
    const opened = await Promise.allSettled(this.#running.map((worker) => worker.attach()));
    const ports = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const failed = opened.find((each) => each.status === 'rejected');
    if (ports.length === 0 && failed !== undefined) throw failed.reason;
    return ports;
  }

  expectBulk(texts: number): void {
    if (this.#closed || !this.running || texts === 0) return;
    this.#rest();
    if (texts > POOL_TEXTS && this.#canGrow) {
      this.#wanted = this.#options.size;
      this.#fill();
    }
    if (texts >= GPU_TEXTS) void this.#tryGpu();
  }

  async refresh(): Promise<void> {
    const asked = this.#running.map((worker) => worker.refresh().catch(() => false));
    const changed = await Promise.all(asked);
    if (changed.includes(true) && this.running) this.#tell();
  }

  failed(id: number, error: WhorlError): void {
    this.#running.find((worker) => worker.id === id)?.replace(error);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#restTimer);
    this.#pool.close(new WhorlError('closed', 'The engine was closed.'));
    for (const worker of [...this.#running, ...this.#starting]) worker.close();
    this.#running = [];
    this.#starting.clear();
    this.#idle = null;
  }

  /** Only our own kernel has a model to lend and memory to spare for several. */
  get #canGrow(): boolean {
    return this.#first?.info?.backend === 'wasm' && !this.#notes.has('pool');
  }

  /** The lane for queries. */
  get #first(): EmbedWorker | undefined {
    return this.#running.find(({ bulkOnly }) => !bulkOnly) ?? this.#running[0];
  }

  get #kernels(): readonly EmbedWorker[] {
    return this.#running.filter(({ info }) => info?.backend === 'wasm');
  }

  #spawn(): EmbedWorker {
    this.#spawned += 1;
    const onLost = (lost: EmbedWorker, error: WhorlError): void => this.#lost(lost, error);
    const worker = new EmbedWorker(this.#spawned, this.#options.spawn, onLost);
    this.#starting.add(worker);
    return worker;
  }

  #join(worker: EmbedWorker): void {
    this.#starting.delete(worker);
    this.#running = [...this.#running, worker];
    this.#pool.add(worker);
    this.#options.events.onLane(() => worker.attach());
  }

  #leave(worker: EmbedWorker): void {
    this.#starting.delete(worker);
    this.#running = this.#running.filter((each) => each !== worker);
    this.#pool.remove(worker);
  }

  #end(worker: EmbedWorker): void {
    this.#leave(worker);
    worker.close();
  }

  /** Starts kernels, one after the other, until there are as many as wanted. */
  #fill(): void {
    this.#filling ??= this.#startKernels()
      .catch((error) => {
        this.#notes.set('pool', `No further embed worker started: ${asWhorlError(error).message}`);
        if (this.running && !this.#closed) this.#tell();
      })
      .finally(() => {
        this.#filling = null;
      });
  }

  async #startKernels(): Promise<void> {
    const { request } = this.#options;
    while (!this.#closed && this.#kernels.length < this.#wanted) {
      const lender = this.#kernels[0];
      if (lender === undefined) return;
      const lent = await lender.lend().catch((error) => {
        // The next one may lend it as well.
        if (lender.lost) return 'lost' as const;
        throw error;
      });
      if (lent === 'lost') continue;
      await this.#startFurther({ ...request, backend: 'wasm', ...(lent ? { lent } : {}) });
    }
  }

  async #startFurther(request: EmbedStartRequest): Promise<void> {
    const worker = this.#spawn();
    try {
      const info = await worker.start(request);
      this.#checkSpace(info);
      this.#join(worker);
      this.#tell();
    } catch (error) {
      this.#starting.delete(worker);
      worker.close();
      throw error;
    }
  }

  /** A lane of another model would mix vector spaces: what lies at the address has changed since. */
  #checkSpace({ fingerprint }: EmbedderInfo): void {
    const present = this.#first?.info?.fingerprint;
    if (present === undefined || present === fingerprint) return;
    throw new WhorlError(
      'fingerprint_mismatch',
      `It found another model than the one that runs (${fingerprint} instead of ${present}).`,
    );
  }

  /** Once for an engine: a GPU that was refused, or lost, is not asked again. */
  async #tryGpu(): Promise<void> {
    const { request, gpu, size } = this.#options;
    const isWanted = gpu && size > 1 && request.backend === 'auto' && request.onnx === undefined;
    if (this.#gpuTried || !isWanted || this.#first?.info?.backend !== 'wasm') return;
    this.#gpuTried = true;
    const { precision: _, ...plain } = request;
    try {
      await this.#startFurther({ ...plain, backend: 'webgpu' });
    } catch (error) {
      if (this.#closed) return;
      this.#notes.set('gpu', `No GPU for bulk work: ${asWhorlError(error).message}`);
      if (this.running) this.#tell();
    }
  }

  #failed(lane: Lane, error: WhorlError): void {
    const worker = this.#running.find((each) => each === lane);
    if (SPENT.has(error.code)) worker?.replace(error);
  }

  #lost(worker: EmbedWorker, error: WhorlError): void {
    const wasRunning = this.#running.includes(worker);
    if (this.#idle === worker) this.#idle = null;
    this.#leave(worker);
    if (this.#closed) return;
    this.#options.events.onRestart();
    if (!wasRunning) return;
    if (worker.bulkOnly && this.running) {
      this.#notes.set('gpu', `The GPU lane was dropped: ${error.message}`);
    }
    if (this.#kernels.length > 0) this.#fill();
    if (this.running && !this.#first?.bulkOnly) this.#tell();
    else this.#options.events.onLost(error);
  }

  /** Counts the rest anew. */
  #rest(): void {
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => this.#trim(), this.#options.restMs ?? REST_MS);
  }

  /** Memory back: the first lane stays, the others come again with the next bulk work. */
  #trim(): void {
    if (this.#pool.waiting > 0) {
      this.#rest();
      return;
    }
    this.#wanted = 1;
    const stays = this.#first;
    const ended = this.#running.filter((worker) => worker !== stays);
    for (const worker of ended) {
      if (worker.bulkOnly) this.#gpuTried = false;
      this.#end(worker);
    }
    if (ended.length > 0) this.#tell();
  }

  #tell(): void {
    this.#options.events.onInfo(this.#told());
  }

  #told(): SourceInfo {
    const first = this.#first;
    const info = first?.info;
    if (!info) throw new WhorlError('embedder_unavailable', 'No embed worker runs.');
    const lanes = this.#running.flatMap((worker) => laneOf(worker, worker === first));
    return { ...info, why: [info.why, ...this.#notes.values()].join(' '), lanes };
  }
}

function isSameSpace(one: EmbedWorker, other: EmbedWorker): boolean {
  return one.info?.fingerprint === other.info?.fingerprint;
}

function laneOf({ info }: EmbedWorker, queries: boolean): readonly EmbedLane[] {
  return info === null ? [] : [{ backend: info.backend, threads: info.threads, queries }];
}
