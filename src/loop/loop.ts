/**
 * The loop: the only file that composes the stages. A question is embedded, the search is shifted by
 * what feedback taught for this kind of question, the hits become a prompt of human sources, the
 * generator streams, the verdict is formed, and the turn is kept. Ratings close the loop.
 */
import { isWhorlError, throwIfAborted, WhorlError } from '../shared/errors.ts';
import { type BaseCollection, baseCollection } from './collection.ts';
import { enrich } from './enrich.ts';
import { presentKeys } from './enrich-records.ts';
import {
  contradicts,
  coverEntities,
  evaluate,
  findRepeat,
  withoutMarks,
} from './evaluate/index.ts';
import { answersNear, keepAnswer } from './generated.ts';
import { learn, pullingIds, shiftQuestion, trust, unit } from './memory.ts';
import {
  type CheckedLoop,
  checkAsk,
  checkEnrich,
  checkLimit,
  checkLoop,
  checkQuestion,
  refuseUnknown,
} from './options.ts';
import type { LoopClock, LoopParts } from './parts.ts';
import { orAborted, sha256 } from './platform.ts';
import { buildPlainPrompt, buildPrompt } from './prompt.ts';
import { Rating } from './rating.ts';
import { unitVectors } from './record-vectors.ts';
import { rankCandidates } from './retrieve.ts';
import { type Serial, sharedSerial } from './serial.ts';
import { Sibling } from './siblings.ts';
import { Stopwatch } from './stopwatch.ts';
import { endedByItself, type Found, type Judged, recordOf, type Said } from './turn-record.ts';
import { MemoryStore, type SpacedVector } from './turn-store.ts';
import type {
  AskOptions,
  EnrichOptions,
  EnrichResult,
  Hit,
  Learnt,
  Loop,
  LoopOptions,
  LoopSummary,
  Turn,
  TurnRecord,
} from './types.ts';

/** Candidates by vector and by words, each. */
const DEPTH = 100;
/** Records that may pull a question toward them. */
const PULLING = 64;

/** A loop over one collection. Throws `invalid_option`. */
export function createLoop(parts: LoopParts, options: LoopOptions): Loop {
  return new FeedbackLoop(parts, checkLoop(options));
}

interface Call {
  readonly signal: AbortSignal;
}

const CLOCK: LoopClock = { now: () => performance.now(), wall: () => Date.now() };

class FeedbackLoop implements Loop {
  readonly #parts: Required<LoopParts>;
  readonly #options: CheckedLoop;
  readonly #memory: MemoryStore;
  readonly #memorySibling: Sibling;
  readonly #generated: Sibling;
  readonly #closing = new AbortController();
  readonly #rating: Rating;
  readonly #answers: Serial;
  readonly #enriching: Serial;
  #base: Promise<BaseCollection> | null = null;
  #lastWall = 0;

  constructor(parts: LoopParts, options: CheckedLoop) {
    this.#parts = {
      clock: CLOCK,
      randomId: () => crypto.randomUUID(),
      digest: sha256,
      evaluate,
      ...parts,
    };
    this.#options = options;
    const dimension = async () => (await this.#collection(this.#closing.signal)).dimension;
    const { store } = this.#parts;
    this.#memorySibling = new Sibling(store, options.collectionName, 'memory', dimension);
    this.#generated = new Sibling(store, options.collectionName, 'generated', dimension);
    this.#memory = new MemoryStore(this.#memorySibling);
    this.#answers = sharedSerial(store, `${options.collectionName} answers`);
    this.#enriching = sharedSerial(store, `${options.collectionName} enrichment`);
    this.#rating = new Rating({
      memory: this.#memory,
      queue: sharedSerial(store, `${options.collectionName} ratings`),
      embed: (text, call) => this.#embed(text, call),
      run: (signal, work) => this.#run(signal, work),
      randomId: this.#parts.randomId,
      timestamp: () => this.#timestamp(),
    });
  }

  async ask(question: string, options: AskOptions = {}): Promise<Turn> {
    const asked = checkQuestion('ask', question);
    checkAsk(options);
    const limit = checkLimit('ask', options.limit);
    this.#requireWriter();
    return this.#run(options.signal, async (call) => {
      const watch = new Stopwatch(this.#parts.clock.now, options.onStage);
      const found = await this.#find(asked, limit, watch, call);
      options.onHits?.(found.hits);
      const said = await watch.time('generate', () => this.#say(asked, found.hits, options, call));
      // One answer at a time is compared and kept, or two equal ones could pass side by side.
      return this.#answers.run(() => this.#finish(asked, found, said, watch, call), call.signal);
    });
  }

  async #finish(
    question: string,
    found: Found,
    said: Said,
    watch: Stopwatch,
    call: Call,
  ): Promise<Turn> {
    const judged = await watch.time('evaluate', () => this.#judge(said, found.at, call));
    const mark = { id: this.#parts.randomId(), question, at: this.#timestamp() };
    const draft = recordOf(mark, found, said, judged);
    if (!endedByItself(said.generation)) {
      const { stopReason } = said.generation;
      return this.#rating.turn({ ...draft, timings: watch.timings(), draft: stopReason });
    }
    throwIfAborted(call.signal);
    return this.#rating.turn(await this.#keep(draft, judged.answerVector, found, watch, call));
  }

  async search(
    question: string,
    options: { readonly limit?: number; readonly signal?: AbortSignal } = {},
  ): Promise<readonly Hit[]> {
    const asked = checkQuestion('search', question);
    refuseUnknown('search', options, ['limit', 'signal']);
    const limit = checkLimit('search', options.limit);
    return this.#run(options.signal, async (call) => {
      const watch = new Stopwatch(this.#parts.clock.now);
      return (await this.#find(asked, limit, watch, call)).hits;
    });
  }

  async enrich(options: EnrichOptions): Promise<EnrichResult> {
    const checked = checkEnrich(options);
    this.#requireWriter();
    // A second run beside the first would not see its states and pay for every text again.
    return this.#run(options.signal, ({ signal }) =>
      this.#enriching.run(() => this.#enrich({ ...checked, signal }), signal),
    );
  }

  async #enrich(options: Parameters<typeof enrich>[0]): Promise<EnrichResult> {
    const { store, embedder, digest } = this.#parts;
    const base = await this.#collection(options.signal);
    return enrich(options, {
      store,
      embedder,
      base,
      memory: this.#memorySibling,
      generator: this.#options.generator,
      prompt: (text) => buildPlainPrompt(text, digest),
      digest,
      timestamp: () => this.#timestamp(),
      rules: { coverEntities, contradicts, findRepeat },
    });
  }

  async turns(options: { readonly signal?: AbortSignal } = {}): Promise<readonly Turn[]> {
    return this.#run(options.signal, async (call) => {
      const { turns } = await this.#memory.turns(call);
      return turns.map((turn) => this.#rating.turn(turn));
    });
  }

  async summary(options: { readonly signal?: AbortSignal } = {}): Promise<LoopSummary> {
    return this.#run(options.signal, async (call) => {
      const { turns, broken } = await this.#memory.turns(call);
      const decided = (decision: string) =>
        turns.filter((turn) => turn.verdict.decision === decision).length;
      return {
        turns: turns.length,
        rated: await this.#memory.count('kind == "turn" and rated == true', call),
        admitted: decided('admitted'),
        quarantined: decided('quarantined'),
        lambda: trust(await this.#memory.calibration(call)),
        broken,
      };
    });
  }

  close(): void {
    this.#closing.abort(new WhorlError('closed', 'The loop was closed.'));
  }

  /** What a generator gives is paid for: none is asked for what could not be kept. */
  #requireWriter(): void {
    if (this.#parts.store.canWrite?.() ?? true) return;
    throw new WhorlError(
      'not_leader',
      'Nothing can be written to the storage from here, so that an answer could not be kept. Nothing was generated; the status of the store says why.',
      { retryable: true },
    );
  }

  /** Every call ends when its own signal or the loop does. */
  async #run<T>(outer: AbortSignal | undefined, work: (call: Call) => Promise<T>): Promise<T> {
    const closed = () =>
      new WhorlError('closed', 'The loop was closed; what was stored is kept. Make a new loop.');
    if (this.#closing.signal.aborted) throw closed();
    const own = outer ? [outer] : [];
    const signal = AbortSignal.any([...own, this.#closing.signal]);
    throwIfAborted(outer);
    try {
      return await work({ signal });
    } catch (error) {
      if (this.#closing.signal.aborted) throw closed();
      // The collection may come back with another schema.
      this.#base = null;
      throw error;
    }
  }

  async #find(question: string, limit: number, watch: Stopwatch, call: Call): Promise<Found> {
    const at = await watch.time('embed', () => this.#embed(question, call));
    return watch.time('retrieve', async () => {
      const base = await this.#collection(call.signal);
      const learnt = at ? await this.#learn(at, call) : null;
      const pulling = learnt ? pullingIds(learnt, PULLING) : [];
      const pull = await unitVectors(this.#parts.store, base, pulling, call);
      const shifted = at && learnt ? shiftQuestion(at.vector, learnt, pull) : null;
      const result = await this.#parts.store.candidates(
        {
          collectionName: base.name,
          text: question,
          textFields: [base.textField, ...base.headingFields],
          annsField: base.annsField,
          depth: DEPTH,
          ...(at ? { vector: at.vector } : {}),
          ...(shifted ? { shifted } : {}),
          ...(pulling.length > 0 ? { include: pulling } : {}),
        },
        call,
      );
      const ranked = rankCandidates(result, { textField: base.textField, limit, learnt });
      return { hits: await this.#markGenerated(ranked, call), learnt, at };
    });
  }

  /** Null while no model is ready: nothing waits for a download, and the turn says `lexical`. */
  async #embed(text: string, call: Call): Promise<SpacedVector | null> {
    const { embedder } = this.#parts;
    if (!embedder.ready) return null;
    try {
      const { vectors, fingerprint } = await embedder.embed([text], { ...call, priority: 'query' });
      const vector = unit(vectors);
      return vector && { vector, space: fingerprint };
    } catch (error) {
      if (isWhorlError(error) && error.code === 'embedder_unavailable') return null;
      throw error;
    }
  }

  async #learn(at: SpacedVector, call: Call): Promise<Learnt | null> {
    const past = await this.#memory.recall(at, call);
    return past.length === 0 ? null : learn(past, await this.#memory.calibration(call));
  }

  async #markGenerated(hits: readonly Hit[], call: Call): Promise<readonly Hit[]> {
    const ids = hits.map(({ id }) => id);
    const fields = await this.#memory.generatedFields(ids, call);
    return hits.map((hit) => {
      const generatedFields = fields.get(hit.id);
      return generatedFields ? { ...hit, generatedFields } : hit;
    });
  }

  async #say(
    question: string,
    hits: readonly Hit[],
    { onToken, generator = this.#options.generator }: AskOptions,
    call: Call,
  ): Promise<Said> {
    const base = await this.#collection(call.signal);
    const prompt = await buildPrompt({
      question,
      hits,
      textField: base.textField,
      headingFields: base.headingFields,
      tokenBudget: this.#options.tokenBudget,
      digest: this.#parts.digest,
    });
    const how = { ...call, ...(onToken ? { onToken } : {}) };
    // A generator that does not listen to its signal must not hold the turn.
    const generation = await orAborted(generator.generate(prompt, how), call.signal);
    const extractive = generation.extractive ?? generator.extractive;
    return { prompt, generation, extractive, generator: generator.name };
  }

  async #judge(said: Said, at: SpacedVector | null, call: Call): Promise<Judged> {
    const { embedder } = this.#parts;
    const { prompt, generation, extractive } = said;
    const embed = async (texts: readonly string[]) =>
      (await embedder.embed(texts, { ...call, priority: 'query' })).vectors;
    const input = {
      question: prompt.question,
      answer: generation.text,
      prompt,
      extractive,
      stopReason: generation.stopReason,
    };
    try {
      const own = at && (await this.#embed(withoutMarks(generation.text), call));
      const recent = own ? await answersNear(this.#generated, own, call) : [];
      return await this.#parts.evaluate({ ...input, recent }, at ? embed : null, call);
    } catch (error) {
      // The answer is paid for: it is judged by words alone, and the verdict says so.
      if (!isModelLost(error)) throw error;
      return this.#parts.evaluate(input, null, call);
    }
  }

  /** The answer first, then the turn that names it: a crash between leaves an answer too many, never a dangling name. */
  async #keep(
    draft: TurnRecord,
    answer: Float32Array | null,
    found: Found,
    watch: Stopwatch,
    call: Call,
  ): Promise<TurnRecord> {
    const admitted = draft.verdict.decision === 'admitted' && answer !== null && found.at !== null;
    const named = admitted ? { ...draft, generatedId: draft.id } : draft;
    await this.#requireSources(draft, call);
    await watch.time('store', async () => {
      if (admitted) {
        const at = { vector: answer, space: found.at.space };
        await keepAnswer(this.#generated, named, at, call);
      }
      const timed = { ...named, timings: watch.timings() };
      await this.#memory.append(timed, found.learnt, found.at, call);
    });
    return { ...named, timings: watch.timings() };
  }

  /** A record that was deleted while its answer was written must not live on in the turn. */
  async #requireSources({ hits }: TurnRecord, call: Call): Promise<void> {
    const ids = hits.map(({ id }) => id);
    const place = { store: this.#parts.store, base: await this.#collection(call.signal) };
    const present = await presentKeys(place, ids, call);
    if (ids.every((id) => present.has(id))) return;
    throw new WhorlError(
      'invalid_request',
      'A record that this answer was written from was deleted meanwhile, so that neither the answer nor the turn was kept. Ask again.',
      { retryable: true },
    );
  }

  /** What the collection is like; read once, read again after a failure. */
  #collection(signal: AbortSignal): Promise<BaseCollection> {
    const { collectionName } = this.#options;
    this.#base ??= this.#parts.store
      .describeCollection({ collectionName }, { signal: this.#closing.signal })
      .then((found) => baseCollection(found, this.#options))
      .catch((error) => {
        this.#base = null;
        throw error;
      });
    return orAborted(this.#base, signal);
  }

  /** ISO 8601; later than the one before, also when the clock was set back. */
  #timestamp(): string {
    this.#lastWall = Math.max(this.#parts.clock.wall(), this.#lastWall + 1);
    return new Date(this.#lastWall).toISOString();
  }
}

/** Errors of an embedder that was there when the question was embedded. */
const MODEL_LOST: ReadonlySet<string> = new Set([
  'embedder_unavailable',
  'worker_lost',
  'worker_start_failed',
  'backend_failed',
  'backend_wrong',
  'out_of_memory',
  'deadline',
]);

function isModelLost(error: unknown): boolean {
  return isWhorlError(error) && MODEL_LOST.has(error.code);
}
