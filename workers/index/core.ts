/**
 * The index and store without a worker around it: storage, lock, clock and embedder come from outside,
 * so the same code runs in a worker, in Node and in tests.
 */
import { throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import type { MilvusEnvelope } from '../../src/shared/milvus-types.ts';
import type {
  CandidatesRequest,
  CandidatesResult,
  EmbedProgress,
  EmbedRequest,
  EmbedResult,
  LexicalHit,
  StorageUsage,
  StoreMode,
  StoreStatus,
} from '../../src/shared/types.ts';
import { IMPORT } from './archive-request.ts';
import { Archives } from './archives.ts';
import { Background } from './background.ts';
import { invalid, isObject } from './body.ts';
import { candidates } from './candidates.ts';
import type { Collection } from './collection.ts';
import type { CoreEmbedder } from './embedder.ts';
import { answer, type CallScope, type Clock } from './endpoints.ts';
import { graphJob, wantsGraph } from './graph-job.ts';
import type { LeaderLock } from './leader.ts';
import { Ledger } from './ledger.ts';
import { LexicalIndex } from './lexical/lexical-index.ts';
import type { MirroredStorage } from './mirror/mirrored-storage.ts';
import { type MirrorPlace, type OpenStorage, openStorage } from './open-storage.ts';
import { QuotaGate } from './quota.ts';
import { reembedJob } from './reembed-job.ts';
import { StatusBoard, type StoreFacts } from './status-board.ts';
import { Store } from './store.ts';
import { Sweeper } from './sweep-job.ts';
import type { TabOptions } from './tabs/channel.ts';
import { Place } from './tabs/place.ts';
import type { MadeCall } from './tabs/tabs.ts';

export type { Clock } from './endpoints.ts';

export interface CoreOptions {
  /** Name of the database; also of the lock. */
  readonly name: string;
  /**
   * Opens durable storage; null: memory was asked for. `onRetired` is to be called when it can be used no
   * more: another tab upgraded or deleted it, or the browser did.
   */
  readonly openStorage: OpenStorage | null;
  /** Where a second copy of durable storage goes. Default: there is none. */
  readonly mirror?: MirrorPlace | null;
  /** Null: nobody else can open this storage. */
  readonly lock: LeaderLock | null;
  /** How the tabs that share the storage reach each other. Default: they do not, and one of them writes. */
  readonly tabs?: TabOptions | null;
  readonly clock: Clock;
  readonly embedder: CoreEmbedder;
  /** Lets waiting calls run between slices of background work. */
  readonly pause: () => Promise<void>;
  /** Removes the durable storage; called after it was closed. Default: it stays. */
  readonly deleteDatabase?: () => Promise<void>;
  /** What the browser says of the space that is left, or null. Default: nothing. */
  readonly estimate?: () => Promise<StorageUsage | null>;
}

export interface CoreCall {
  readonly signal?: AbortSignal | undefined;
  readonly report?: ((progress: EmbedProgress) => void) | undefined;
}

const MAX_LEXICAL_TEXTS = 100_000;
/** What {@link IndexCore.candidates} is called between tabs. */
const CANDIDATES = 'whorl/candidates';

export class IndexCore {
  readonly #options: CoreOptions;
  readonly #ledger: Ledger;
  readonly #background: Background;
  readonly #closing = new AbortController();
  readonly #board: StatusBoard;
  readonly #embedder: CoreEmbedder;
  readonly #sweeper: Sweeper;
  readonly #place: Place;
  readonly #quota: QuotaGate;
  readonly #mirrored: MirroredStorage | null;
  #fingerprint: string | null = null;

  private constructor(options: CoreOptions, ledger: Ledger, mirrored: MirroredStorage | null) {
    this.#options = options;
    this.#mirrored = mirrored;
    this.#ledger = ledger;
    this.#quota = ledger.quota;
    this.#board = new StatusBoard(() => this.#facts());
    const { embedder } = options;
    this.#embedder = {
      slices: embedder.slices ?? false,
      embed: (request, how) => this.#embed(request, how),
      erased: (texts) => embedder.erased?.(texts),
    };
    this.#background = new Background({
      pause: options.pause,
      onEnd: (trouble) => this.#backgroundEnded(trouble),
    });
    this.#sweeper = new Sweeper({
      ledger,
      background: this.#background,
      closing: this.#closing.signal,
      monotonic: options.clock.monotonic,
    });
    this.#place = new Place(options, {
      ledger,
      embedder: this.#embedder,
      run: (endpoint, body, call) => this.#run(endpoint, body, call),
      claim: () => this.#lead(),
      readOnly: (why) => this.#board.set('read_only', why),
    });
  }

  /**
   * Opens the database and takes the lead where it is free. Where the browser denies storage the
   * collections live in memory and the status says `volatile` and why. Rejects with `storage_too_new`,
   * `storage_blocked`, `storage_full`, `storage_lost`.
   */
  static async open(options: CoreOptions): Promise<IndexCore> {
    let core: IndexCore | null = null;
    const { storage, mirrored, modes } = await openStorage({
      ...options,
      onRetired: (why) => core?.retired(why),
      onMode: (mode, why) => core?.modeChanged(mode, why),
      onReplaced: () => core?.replaced(),
      onThrough: () => core?.mirroredMore(),
    });
    const store = new Store(storage);
    try {
      const quota = new QuotaGate({
        probe: storage.probe?.bind(storage) ?? null,
        estimate: options.estimate ?? (async () => null),
        onChange: (why) => core?.spaceChanged(why),
        onRoom: () => core?.roomAgain(),
      });
      const ledger = await Ledger.open(store, options.clock, () => core?.demoted(), quota);
      core = new IndexCore(options, ledger, mirrored);
      for (const [mode, why] of modes) core.#board.set(mode, why);
      await core.#place.open();
      return core;
    } catch (error) {
      storage.close();
      throw error;
    }
  }

  /** The lock is ours: claims the lead. Resolves to whether this tab leads now. */
  async #lead(): Promise<boolean> {
    await this.#mirrored?.attach();
    await this.#ledger.lead();
    if (this.#ledger.role !== 'leader') {
      await this.#mirrored?.detach();
      return false;
    }
    this.#sweeper.look();
    Archives.sweep(this.#ledger, this.#background);
    this.#place.led();
    // What another model embedded was left to who led.
    if (this.#fingerprint !== null) this.modelConnected(this.#fingerprint);
    this.#tell();
    return true;
  }

  /** The storage is another tab's now, or gone: this one writes no more and says why. */
  retired(why: WhorlError): void {
    this.#place.retire();
    this.#ledger.demote();
    this.#board.set('read_only', why.message);
  }

  /** The database is another one than it was: what is shown is read again. */
  replaced(): void {
    this.#ledger.distrust();
    this.#tell();
  }

  /** What the mirror can and cannot do. */
  modeChanged(mode: StoreMode, why: string | null): void {
    this.#board.set(mode, why);
  }

  /** More of what was written is in the mirror. */
  mirroredMore(): void {
    this.#board.tellSoon();
  }

  /** The storage is full, and why, or no longer so. */
  spaceChanged(why: string | null): void {
    this.#board.set('quota', why);
  }

  /** Background work that found no room is tried again. */
  roomAgain(): void {
    this.#background.resume();
  }

  /** The right to write is gone; this tab reads on and queues for it again. */
  demoted(): void {
    this.#quota.reset();
    void this.#mirrored?.detach();
    this.#place.demoted();
    this.#tell();
  }

  /** Answers a Milvus REST v2 endpoint; rejects with its code in `milvusCode`. */
  async milvus(endpoint: string, body: unknown, call: CoreCall = {}): Promise<MilvusEnvelope> {
    throwIfAborted(call.signal);
    const before = this.#ledger.size;
    const envelope = await this.#place.answer(endpoint, body, call);
    // What another tab changed for us is seen with the next look at the storage.
    const isFollower = this.#ledger.role === 'follower';
    if (isFollower && endpoint.startsWith('collections/')) await this.#ledger.view(async () => {});
    if (isFollower && this.#ledger.size !== before) this.#tell();
    return envelope;
  }

  /** Answers here; a change is refused with `not_leader`, untouched, where this tab does not lead. */
  async #run(endpoint: string, body: unknown, call: MadeCall): Promise<MilvusEnvelope> {
    if (this.#ledger.role === 'leader') {
      await this.#quota.askAgain(endpoint);
      this.#quota.admitCall(endpoint);
    }
    const before = this.#ledger.size;
    const envelope = await this.#answer(endpoint, body, this.#scope(call));
    this.#buildGraphs();
    if (this.#ledger.role === 'leader' && this.#ledger.size !== before) this.#tell();
    return envelope;
  }

  async #answer(endpoint: string, body: unknown, scope: CallScope): Promise<MilvusEnvelope> {
    if (endpoint === IMPORT) return Archives.here(scope, body);
    if (endpoint !== CANDIDATES) return answer(endpoint, body, scope);
    if (!isObject(body)) throw invalid('the request for candidates is no object');
    return { code: 0, data: await candidates(scope, body as unknown as CandidatesRequest) };
  }

  /** See {@link CandidatesRequest}. */
  async candidates(request: CandidatesRequest, call: CoreCall = {}): Promise<CandidatesResult> {
    throwIfAborted(call.signal);
    const { data } = await this.#place.answer(CANDIDATES, request, call);
    return data as CandidatesResult;
  }

  /** Whole collections out of the store and into it. */
  get archives(): Archives {
    return new Archives(this.#ledger, (endpoint, body, call) => this.milvus(endpoint, body, call));
  }

  /** BM25 over texts that are in no collection, best first. */
  lexical(request: {
    readonly texts: readonly string[];
    readonly query: string;
    readonly limit: number;
  }): { readonly hits: LexicalHit[] } {
    if (request.texts.length > MAX_LEXICAL_TEXTS) {
      throw invalid(`at most ${MAX_LEXICAL_TEXTS} texts, got ${request.texts.length}`);
    }
    const index = new LexicalIndex();
    for (const [row, text] of request.texts.entries()) index.add(row, text);
    const { rows, scores } = index.search(request.query, request.limit);
    return { hits: Array.from(rows, (row, i) => ({ index: row, score: scores[i] ?? 0 })) };
  }

  status(): StoreStatus {
    return this.#board.status();
  }

  #facts(): StoreFacts {
    const { storage } = this.#ledger.store;
    const mirroredThrough = this.#mirrored?.mirroredThrough;
    return {
      storage: storage.kind,
      durability: storage.durable ? 'durable' : 'volatile',
      role: this.#ledger.role,
      collections: this.#ledger.size,
      ...(this.#quota.usage === null ? {} : { usage: this.#quota.usage }),
      ...(mirroredThrough === undefined ? {} : { mirroredThrough }),
    };
  }

  /** Calls `report` with each change of the status until the signal aborts or the core is closed. */
  watch(report: (status: StoreStatus) => void, signal: AbortSignal): Promise<void> {
    return this.#board.watch(report, [signal, this.#closing.signal]);
  }

  /** A model was connected: fields of another model's vectors are embedded again. */
  modelConnected(fingerprint: string): void {
    this.#fingerprint = fingerprint;
    for (const collection of this.#ledger.collections) {
      for (const { output } of collection.record.spec.functions) {
        const stored = collection.record.vectors[output]?.fingerprint ?? null;
        if (stored !== null && stored !== fingerprint) {
          this.#reembed(collection, output, fingerprint);
        }
      }
    }
  }

  /** Resolves when no background work is left; for tests and for closing. */
  idle(): Promise<void> {
    this.#sweeper.begin();
    return this.#background.idle();
  }

  /** Waits for what was accepted, then lets go of storage and lock. Later calls reject with `closed`. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#quota.close();
    this.#place.close();
    await this.#background.close();
    await this.#mirrored?.finish();
    await this.#ledger.close();
    await this.#mirrored?.detach();
    this.#place.leave();
  }

  /** Closes; where this tab leads, mirror and database are gone then. Rejects with what hinders their removal. */
  async destroy(): Promise<void> {
    const isMine = this.#ledger.role === 'leader' && this.#ledger.store.storage.durable;
    await this.close();
    if (!isMine) return;
    await this.#mirrored?.wipe();
    await this.#options.deleteDatabase?.();
  }

  #scope(call: MadeCall): CallScope {
    if (this.#closing.signal.aborted) throw new WhorlError('closed', 'The store was closed.');
    const { embedder = this.#embedder } = call;
    return {
      ledger: this.#ledger,
      embedder,
      clock: this.#options.clock,
      signal: call.signal,
      report: call.report,
      call: call.id === undefined ? {} : { call: call.id },
      fingerprint: () => this.#fingerprint,
      grown: () => this.#buildGraphs(),
      tidy: (collection, onPage) => this.#sweeper.finish(collection, call.signal, onPage),
      differs: (collection, field, present) => this.#reembed(collection, field, present, embedder),
    };
  }

  async #embed(
    request: EmbedRequest,
    options: Parameters<CoreEmbedder['embed']>[1],
  ): Promise<EmbedResult> {
    const result = await this.#options.embedder.embed(request, options);
    this.#fingerprint = result.fingerprint;
    return result;
  }

  /** What calls leave to do: rows to tidy up after, graphs to build. */
  #buildGraphs(): void {
    this.#sweeper.look();
    for (const collection of this.#ledger.collections) {
      for (const field of collection.openVectors) {
        if (!wantsGraph(field)) continue;
        const { monotonic } = this.#options.clock;
        const name = `graph ${collection.record.id} ${field.field.name}`;
        this.#background.add(name, graphJob(this.#ledger, collection, field, monotonic));
      }
    }
  }

  #reembed(
    collection: Collection,
    field: string,
    present: string,
    embedder: CoreEmbedder = this.#embedder,
  ): void {
    if (this.#ledger.role !== 'leader') return;
    const options = { ledger: this.#ledger, collection, field, present, embedder };
    this.#background.add(`embed ${collection.record.id} ${field}`, reembedJob(options));
  }

  #backgroundEnded(trouble: WhorlError | null): void {
    this.#quota.backgroundFailed(trouble);
    const why = trouble === null ? null : `Background work stopped: ${trouble.message}`;
    this.#board.set('background_failed', why);
  }

  #tell(): void {
    this.#board.tell();
  }
}
