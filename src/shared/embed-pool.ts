/**
 * Text shared out over several embedders, on the page and in the index worker. Contract:
 *
 * - a query goes to the first lane for queries, whole and at once, whatever bulk work there is;
 * - bulk work is cut into slices; a lane takes the next slice when it has finished one, calls take turns;
 * - a slice whose lane was lost or failed goes to another lane, once; that lane gets no more of the call;
 * - a call rejects with what stopped it, and its other slices are cancelled then.
 */
import { BulkJob, type EmbedOptions, type Slice } from './embed-job.ts';
import { abortedError, asWhorlError, WhorlError } from './errors.ts';
import type { EmbedderInfo, EmbedRequest, EmbedResult } from './types.ts';

/** Something that embeds: a worker, a port to one, the host's embedder. Known by its identity. */
export interface Lane {
  /** Tokens, roughly, that are worth handing over at once; a slice is no larger, a single text apart. */
  readonly sliceTokens: number;
  /** Gets queries only where no other lane is. Default false. */
  readonly bulkOnly?: boolean;
  /** Rejects with a `WhorlError`; must settle soon after the signal fires. */
  embed(request: EmbedRequest, options: EmbedOptions): Promise<EmbedResult>;
}

export interface PoolOptions {
  /** Told of every slice and query that a lane did not finish, before it goes elsewhere. */
  readonly onFailure?: (lane: Lane, error: WhorlError) => void;
  /** Told how many texts of bulk calls are not embedded: with each call, and with each slice that is done. */
  readonly onBulk?: (waiting: number) => void;
}

/** Failures that another lane would meet as well. */
const FINAL = new Set(['aborted', 'invalid_option', 'unsupported', 'fingerprint_mismatch']);

/**
 * {@link Lane.sliceTokens} by backend. Our kernel: three of its batches, half a second of one core. ONNX
 * Runtime pads, so it wants many texts to find some of like length; a GPU wants much at once, too.
 */
const SLICE_TOKENS = { wasm: 2_000, custom: 4_000, onnx: 16_000, webgpu: 16_000 } as const;

export function sliceTokensOf(backend: EmbedderInfo['backend']): number {
  return SLICE_TOKENS[backend];
}

/** Texts of a query, at most, that are over before anybody could follow them. */
const FEW = 16;

/**
 * Whether progress is worth asking for. A call that reports takes a message channel of its own, which is a good
 * part of the time that a single query takes.
 */
export function isFollowed({ priority, texts }: EmbedRequest): boolean {
  return priority !== 'query' || texts.length > FEW;
}

export class EmbedPool {
  readonly #options: PoolOptions;
  #lanes: readonly Lane[] = [];
  readonly #busy = new Set<Lane>();
  /** Bulk calls that are not settled. */
  #jobs: readonly BulkJob[] = [];
  /** Slices given out so far. */
  #turns = 0;

  constructor(options: PoolOptions = {}) {
    this.#options = options;
  }

  get lanes(): readonly Lane[] {
    return this.#lanes;
  }

  /** Texts of bulk calls that are not embedded yet. */
  get waiting(): number {
    return this.#jobs.reduce((sum, job) => sum + (job.settled ? 0 : job.remaining), 0);
  }

  /** A further lane; it takes part at once. */
  add(lane: Lane): void {
    this.#lanes = [...this.#lanes, lane];
    this.#share();
  }

  /** The lane gets nothing more. What it is at is waited for: whoever ends it makes that reject. */
  remove(lane: Lane): void {
    this.#lanes = this.#lanes.filter((each) => each !== lane);
    for (const job of this.#jobs) this.#checkHope(job);
  }

  /**
   * Vectors of all texts, row-major in the order of `texts`. Progress counts texts and never goes back.
   *
   * @throws WhorlError `embedder_unavailable` (no lane), `aborted`, `fingerprint_mismatch` (lanes of
   * differing models), or what the last lane said.
   */
  embed(request: EmbedRequest, options: EmbedOptions = {}): Promise<EmbedResult> {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(abortedError(signal));
    const first = this.#queryLane(null);
    if (first === undefined) return Promise.reject(noLane());
    if (request.priority === 'query' || request.texts.length === 0) {
      return this.#query(first, request, options);
    }
    // After those that wait longer, before the one that was served last: also a stream of small calls
    // neither waits for a large one nor starves it.
    const job = new BulkJob(request.texts, options, this.#turns - 0.5);
    const drop = (): void => {
      this.#jobs = this.#jobs.filter((each) => each !== job);
    };
    job.promise.then(drop, drop);
    this.#jobs = [...this.#jobs, job];
    this.#options.onBulk?.(this.waiting);
    this.#share();
    return job.promise;
  }

  /** Rejects everything that waits; the lanes are their owner's to end. */
  close(error: WhorlError): void {
    this.#lanes = [];
    for (const job of this.#jobs) job.fail(error);
  }

  #queryLane(failed: Lane | null): Lane | undefined {
    const lanes = this.#lanes.filter((lane) => lane !== failed);
    return lanes.find(({ bulkOnly }) => !bulkOnly) ?? lanes[0];
  }

  async #query(lane: Lane, request: EmbedRequest, options: EmbedOptions): Promise<EmbedResult> {
    try {
      return await lane.embed(request, options);
    } catch (thrown) {
      const error = asWhorlError(thrown);
      if (options.signal?.aborted || FINAL.has(error.code)) throw error;
      this.#options.onFailure?.(lane, error);
      const other = this.#queryLane(lane);
      if (other === undefined) throw error;
      return other.embed(request, options);
    }
  }

  /** Gives every free lane a slice, as long as there are any. */
  #share(): void {
    for (const lane of this.#lanes) {
      if (this.#busy.has(lane)) continue;
      const part = this.#shareOf(lane);
      for (const job of this.#jobs.toSorted((a, b) => a.turn - b.turn)) {
        const slice = job.take(lane, part);
        if (slice === null) continue;
        this.#turns += 1;
        job.turn = this.#turns;
        void this.#run(lane, job, slice);
        break;
      }
    }
  }

  /**
   * Guided self-scheduling (Polychronopoulos and Kuck, 1987): a lane takes half of its share of what is
   * left, so that slices grow small towards the end and all lanes finish together.
   */
  #shareOf(lane: Lane): number {
    if (this.#lanes.length === 1) return 1;
    const all = this.#lanes.reduce((sum, { sliceTokens }) => sum + sliceTokens, 0);
    return lane.sliceTokens / all / 2;
  }

  async #run(lane: Lane, job: BulkJob, slice: Slice): Promise<void> {
    this.#busy.add(lane);
    try {
      const request = { texts: job.textsOf(slice), priority: 'bulk' } as const;
      const onProgress = (done: number): void => job.advance(slice, done);
      job.put(slice, await lane.embed(request, { signal: job.signal, onProgress }));
    } catch (thrown) {
      this.#sliceFailed(lane, job, slice, asWhorlError(thrown));
    } finally {
      this.#busy.delete(lane);
      this.#options.onBulk?.(this.waiting);
      this.#share();
      this.#checkHope(job);
    }
  }

  #sliceFailed(lane: Lane, job: BulkJob, slice: Slice, error: WhorlError): void {
    if (job.settled) return;
    if (FINAL.has(error.code)) {
      job.fail(error);
      return;
    }
    job.refuse(lane, slice, error);
    this.#options.onFailure?.(lane, error);
  }

  /**
   * What waits must have a lane that may take it; one that is busy will come to it. While slices are out,
   * their ends decide, which also say what went wrong.
   */
  #checkHope(job: BulkJob): void {
    if (job.settled || job.isOut || !job.hasUntaken) return;
    if (this.#lanes.some((lane) => job.mayUse(lane))) return;
    job.fail(job.failure ?? noLane());
  }
}

function noLane(): WhorlError {
  return new WhorlError(
    'embedder_unavailable',
    'No model is connected, so text cannot become vectors. Nothing was changed; start the model and try again.',
    { retryable: true },
  );
}
