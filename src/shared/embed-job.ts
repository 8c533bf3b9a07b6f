/** One bulk call on its way through the lanes of a pool: what is cut off, out, done, and where it lands. */
import { abortedError, asWhorlError, WhorlError } from './errors.ts';
import { estimateTokens } from './text-tokens.ts';
import type { EmbedResult } from './types.ts';

export interface EmbedOptions {
  readonly signal?: AbortSignal | undefined;
  /** Texts that are done. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Texts `from` to `to` (not included), and on how many lanes they failed. */
interface Range {
  readonly from: number;
  readonly to: number;
  readonly failures: number;
}

/** A range that is with a lane. */
export interface Slice extends Range {
  /** Texts of it that its lane says are done. */
  done: number;
}

/** Fewest tokens that are worth a message of their own: one batch of our kernel. */
const MIN_SLICE_TOKENS = 640;
/** Lanes that a text may fail on. */
const MAX_FAILURES = 2;

export class BulkJob {
  readonly promise: Promise<EmbedResult>;
  /** When it was served last; the smallest is next. */
  turn: number;
  readonly #texts: readonly string[];
  readonly #costs: Uint16Array;
  readonly #options: EmbedOptions;
  readonly #abort = new AbortController();
  /** What is with no lane. */
  readonly #waiting: Range[];
  readonly #out = new Set<Slice>();
  readonly #refused = new Set<object>();
  #result: EmbedResult | null = null;
  #tokens = 0;
  /** Estimated tokens of what is with no lane. */
  #left: number;
  #done = 0;
  #told = 0;
  #failure: WhorlError | null = null;
  #settled = false;
  #resolve: (result: EmbedResult) => void = () => {};
  #reject: (error: WhorlError) => void = () => {};

  constructor(texts: readonly string[], options: EmbedOptions, turn: number) {
    this.turn = turn;
    this.#texts = texts;
    this.#options = options;
    this.#costs = Uint16Array.from(texts, estimateTokens);
    this.#waiting = [{ from: 0, to: texts.length, failures: 0 }];
    this.#left = this.#costs.reduce((sum, cost) => sum + cost, 0);
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Fires when nobody waits for the vectors any more. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Texts that are not embedded. */
  get remaining(): number {
    return this.#texts.length - this.#done;
  }

  /** Whether some texts are with no lane. */
  get hasUntaken(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether some texts are with a lane. */
  get isOut(): boolean {
    return this.#out.size > 0;
  }

  /** What the last lane said that did not finish a slice. */
  get failure(): WhorlError | null {
    return this.#failure;
  }

  textsOf({ from, to }: Slice): readonly string[] {
    return this.#texts.slice(from, to);
  }

  mayUse(lane: object): boolean {
    return !this.#refused.has(lane);
  }

  /**
   * The next slice for a lane, null when there is none for it.
   *
   * @param share Part of the texts that are left which the lane should take, 0..1.
   */
  take(lane: { readonly sliceTokens: number }, share: number): Slice | null {
    if (this.#settled || !this.mayUse(lane)) return null;
    const range = this.#waiting.shift();
    if (range === undefined) return null;
    const slice = this.#cut(range, Math.min(lane.sliceTokens, this.#left * share));
    if (slice.to < range.to) this.#waiting.unshift({ ...range, from: slice.to });
    this.#out.add(slice);
    return slice;
  }

  #cut({ from, to: end, failures }: Range, tokens: number): Slice {
    const room = Math.max(MIN_SLICE_TOKENS, tokens);
    let to = from;
    let cost = 0;
    while (to < end && (to === from || cost + this.#cost(to) <= room)) {
      cost += this.#cost(to);
      to += 1;
    }
    this.#left -= cost;
    return { from, to, failures, done: 0 };
  }

  #cost(index: number): number {
    return this.#costs[index] ?? 0;
  }

  /** Takes the progress of a slice that is out. */
  advance(slice: Slice, done: number): void {
    if (this.#settled || !this.#out.has(slice)) return;
    slice.done = Math.max(slice.done, Math.min(done, slice.to - slice.from));
    this.#tell();
  }

  /** Takes the vectors of a slice; the last one resolves the call. */
  put(slice: Slice, result: EmbedResult): void {
    if (this.#settled) return;
    const size = slice.to - slice.from;
    checkCount(result, size);
    const into = this.#ground(result);
    checkSpace(into, result);
    into.vectors.set(result.vectors, slice.from * into.dimension);
    this.#tokens += result.tokens;
    this.#out.delete(slice);
    this.#done += size;
    this.#tell();
    if (this.#done === this.#texts.length) this.#settle();
  }

  /** A lane did not finish a slice: another one may, if it is the first that did not. */
  refuse(lane: object, slice: Slice, error: WhorlError): void {
    const { from, to, failures } = slice;
    this.#out.delete(slice);
    this.#refused.add(lane);
    this.#failure = error;
    if (failures + 1 >= MAX_FAILURES) {
      this.fail(error);
      return;
    }
    this.#waiting.unshift({ from, to, failures: failures + 1 });
    for (let at = from; at < to; at++) this.#left += this.#cost(at);
  }

  /** Rejects the call and cancels what is out; once. */
  fail(error: WhorlError): void {
    if (this.#settled) return;
    this.#end();
    this.#reject(error);
    this.#abort.abort(error);
  }

  readonly #onAbort = (): void => this.fail(abortedError(this.#options.signal));

  #settle(): void {
    if (this.#settled || this.#result === null) return;
    this.#end();
    this.#resolve({ ...this.#result, tokens: this.#tokens });
  }

  #end(): void {
    this.#settled = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
  }

  /** Room for all vectors, made when the first slice says how long a vector is. */
  #ground(first: EmbedResult): EmbedResult {
    if (this.#result === null) {
      const { dimension, fingerprint } = first;
      // A slice that holds all texts is the answer.
      const isAll = first.vectors.length === this.#texts.length * dimension;
      const vectors = isAll ? first.vectors : new Float32Array(this.#texts.length * dimension);
      this.#result = { vectors, dimension, fingerprint, tokens: 0 };
    }
    return this.#result;
  }

  #tell(): void {
    let done = this.#done;
    for (const slice of this.#out) done += slice.done;
    // A slice that starts over does not take the bar back.
    if (done <= this.#told) return;
    this.#told = done;
    try {
      this.#options.onProgress?.(done);
    } catch (error) {
      // The listener is the caller's: no lane is to blame.
      this.fail(asWhorlError(error));
    }
  }
}

function checkCount({ vectors, dimension }: EmbedResult, texts: number): void {
  if (vectors.length === texts * dimension) return;
  throw new WhorlError('backend_wrong', 'The embedder gave another number of vectors than texts.');
}

function checkSpace(into: EmbedResult, { fingerprint, dimension }: EmbedResult): void {
  if (fingerprint === into.fingerprint && dimension === into.dimension) return;
  const message =
    'The model changed during the call; nothing of it was kept. Make it again. (vector spaces ' +
    `${into.fingerprint} and ${fingerprint})`;
  throw new WhorlError('fingerprint_mismatch', message, { retryable: true });
}
