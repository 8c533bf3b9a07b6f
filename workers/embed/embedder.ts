/**
 * Texts to vectors: tokenizer, queue, a checked backend, and what happens when that backend is lost or turns
 * out to be wrong. No global of a worker or a page is touched here.
 */
import { isWhorlError, throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import type { EmbedderInfo, EmbedRequest, EmbedResult, LentModel } from '../../src/shared/types.ts';
import { backendName } from './backend-error.ts';
import type { BackendOptions, RunningModel } from './backends.ts';
import type { Attempt } from './choose.ts';
import type { Encoder } from './encoder.ts';
import { checkKnownAnswers } from './known-answers.ts';
import { EncodeQueue } from './queue.ts';

export interface EmbedOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number) => void;
}

export interface Started {
  readonly running: RunningModel;
  readonly attempt: Attempt;
  readonly why: string;
  /** What takes over when the backend is lost or wrong, best first. */
  readonly successors: readonly Attempt[];
  readonly start: (attempt: Attempt, options: BackendOptions) => Promise<RunningModel>;
  /** Lets messages in between two pieces of work. */
  readonly breathe: () => Promise<void>;
  /** Milliseconds; never goes back. */
  readonly now: () => number;
}

/** Most texts a call; more belong into several calls, so that progress is kept. */
const MAX_TEXTS = 65_536;
/** Milliseconds of tokenizing without a look at the messages. */
const YIELD_MS = 4;
/** Tokens after which a browser has compiled the kernel for speed: the known answers are asked for again. */
const RIPE_TOKENS = 4_000;
/** Tokens after which that waits for no idle moment any more. */
const OVERRIPE_TOKENS = 40_000;
const NEVER = new AbortController().signal;

/** A running embedder. */
export class Embedder {
  readonly #started: Started;
  readonly #queue: EncodeQueue;
  #running: RunningModel;
  #attempt: Attempt;
  #successors: readonly Attempt[];
  #why: string;
  #recovery: Promise<void> | null = null;
  #tokens = 0;
  #asked = false;
  /** Ends what was begun for later: a newcomer's start, the known answers. */
  readonly #life = new AbortController();
  /** Why nothing is embedded any more. */
  #over: WhorlError | null = null;

  constructor(started: Started) {
    this.#started = started;
    this.#running = started.running;
    this.#attempt = started.attempt;
    this.#successors = started.successors;
    this.#why = started.why;
    this.#queue = new EncodeQueue({
      encoder: () => this.#running.encoder,
      recover: (error) => this.#recover(error),
      breathe: started.breathe,
      onEncoded: (tokens) => this.#ripen(tokens),
    });
  }

  get info(): EmbedderInfo {
    const { model, fingerprint, maxTokens, weights, encoder } = this.#running;
    const { dimension, backend, threads } = encoder;
    const why = this.#why;
    return { model, fingerprint, dimension, maxTokens, backend, why, threads, weights };
  }

  /**
   * @throws WhorlError `invalid_option`, `aborted`, `closed`, `out_of_memory`, `backend_failed`
   * (retryable: in a fresh worker), `backend_wrong`.
   */
  async embed(request: EmbedRequest, options: EmbedOptions): Promise<EmbedResult> {
    this.#checkAlive();
    const { texts, priority = 'bulk' } = request;
    const ids = await this.#read(texts, options.signal, priority);
    this.#checkAlive();
    const vectors = await this.#queue.run({
      ids,
      priority,
      signal: options.signal,
      onProgress: options.onProgress ?? (() => {}),
    });
    const { fingerprint, encoder } = this.#running;
    const tokens = ids.reduce((sum, { length }) => sum + length, 0);
    return { vectors, dimension: encoder.dimension, fingerprint, tokens };
  }

  /** Token ids of each text, cut to the model's length. */
  tokenize(texts: readonly string[], signal: AbortSignal = NEVER): Promise<Int32Array[]> {
    return this.#read(texts, signal, 'bulk');
  }

  /** Bulk work reads on when the queries are answered. */
  async #read(
    texts: readonly string[],
    signal: AbortSignal,
    priority: 'query' | 'bulk',
  ): Promise<Int32Array[]> {
    checkTexts(texts);
    const { breathe, now } = this.#started;
    const ids: Int32Array[] = [];
    throwIfAborted(signal);
    let since = now();
    for (const text of texts) {
      ids.push(this.#running.tokenizer.encode(text));
      if (now() - since < YIELD_MS) continue;
      await breathe();
      while (priority === 'bulk' && this.#queue.queries) await this.#queue.queries;
      throwIfAborted(signal);
      since = now();
    }
    return ids;
  }

  /** A copy of the running model for another worker; null where the running backend has none to lend. */
  lend(): LentModel | null {
    this.#checkAlive();
    return this.#running.lend?.() ?? null;
  }

  async close(): Promise<void> {
    if (this.#over?.code === 'closed') return;
    await this.#end(new WhorlError('closed', 'The embedder was closed.'));
  }

  /** The first reason stands, except that what was closed says so. */
  async #end(reason: WhorlError): Promise<void> {
    if (this.#over?.code !== 'closed') this.#over = reason;
    this.#life.abort();
    this.#queue.close(reason);
    await this.#running.encoder.close();
  }

  #checkAlive(): void {
    if (this.#over) throw this.#over;
  }

  /** Counts work; when enough was done for the code to be compiled for speed, all known answers are asked for. */
  #ripen(tokens: number): void {
    this.#tokens += tokens;
    const due = this.#tokens >= (this.#queue.idle ? RIPE_TOKENS : OVERRIPE_TOKENS);
    if (!due || this.#asked || this.#over || this.#running.lend === null) return;
    this.#asked = true;
    void this.#askAgain(this.#running);
  }

  /** Runs as bulk work, so that no query waits for it. */
  async #askAgain({ encoder, tokenizer, answers }: RunningModel): Promise<void> {
    try {
      await checkKnownAnswers(encoder, tokenizer, answers, this.#life.signal);
    } catch (error) {
      // Whatever else went wrong goes wrong for the next text, too, and is told there.
      if (!isWhorlError(error) || error.code !== 'backend_wrong') return;
      this.#queue.restart();
      // Where nothing may take over, nothing more is embedded.
      await this.#recover(error).catch((reason) =>
        this.#end(isWhorlError(reason) ? reason : error),
      );
    }
  }

  /** One recovery at a time; whoever fails meanwhile waits for the same one. */
  #recover(error: unknown): Promise<void> {
    this.#recovery ??= this.#replace(error).finally(() => {
      this.#recovery = null;
    });
    return this.#recovery;
  }

  /** The next of those that may take over. Every newcomer gives known answers first. */
  async #replace(error: unknown): Promise<void> {
    if (this.#over) throw this.#over;
    const { encoder } = this.#running;
    if (!isWhorlError(error) || !mayBeReplaced(encoder, error)) throw error;
    if (this.#successors.length === 0) throw error;
    await encoder.close();
    const refused: string[] = [];
    for (let next = this.#successors[0]; next && !this.#over; next = this.#successors[0]) {
      this.#successors = this.#successors.slice(1);
      const running = await this.#startNext(next, refused);
      if (running) return this.#takeOver(running, next, error);
    }
    const spent = this.#over ?? unmended(error, refused);
    await this.#end(spent);
    throw spent;
  }

  #takeOver(running: RunningModel, attempt: Attempt, { message }: WhorlError): void {
    this.#why = `${this.#started.why} ${whatBecame(this.#attempt, attempt)}: ${message}`;
    this.#running = running;
    this.#attempt = attempt;
    this.#tokens = 0;
    this.#asked = false;
  }

  /** Null where it does not start either, or has another vector space by now; then `refused` says why. */
  async #startNext(next: Attempt, refused: string[]): Promise<RunningModel | null> {
    const { signal } = this.#life;
    try {
      const running = await this.#started.start(next, { signal, onProgress: () => {} });
      if (!this.#over && running.fingerprint === this.#running.fingerprint) return running;
      await running.encoder.close();
      refused.push(`What ${nameOf(next)} loaded is another model (${running.fingerprint}).`);
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      refused.push(`${capital(nameOf(next))} could not take over: ${said}`);
    }
    return null;
  }
}

/** The failure, with what was tried to mend it. */
function unmended(error: WhorlError, refused: readonly string[]): WhorlError {
  return new WhorlError(error.code, [error.message, ...refused].join(' '), {
    cause: error,
    retryable: error.retryable,
  });
}

function capital(words: string): string {
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** A GPU can be lost and a build be wrong; what else fails is for a fresh worker. */
function mayBeReplaced({ backend }: Encoder, { code }: WhorlError): boolean {
  if (code === 'backend_wrong') return true;
  return backend === 'webgpu' && code === 'backend_failed';
}

function whatBecame(former: Attempt, next: Attempt): string {
  const failed = `${nameOf(former)} failed while running and was`;
  return former.backend === next.backend && former.backend !== 'wasm'
    ? `${failed} started afresh`
    : `${failed} replaced by ${nameOf(next)}`;
}

function nameOf(attempt: Attempt): string {
  if (attempt.backend !== 'wasm') return backendName(attempt.backend);
  return `the build "${attempt.variant}" of Whorl's own kernel`;
}

function checkTexts(texts: unknown): void {
  if (!Array.isArray(texts)) throw new WhorlError('invalid_option', 'texts must be a list.');
  if (texts.length > MAX_TEXTS) {
    throw new WhorlError(
      'invalid_option',
      `${texts.length} texts are too many for one call; hand over at most ${MAX_TEXTS} at a time.`,
    );
  }
  const wrong = texts.findIndex((text) => typeof text !== 'string');
  if (wrong >= 0) throw new WhorlError('invalid_option', `texts[${wrong}] is not a text.`);
}
