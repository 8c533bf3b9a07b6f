/**
 * The one place where the app's state is made. It talks to the engine and the loop; views render
 * {@link Session.state} and call its methods. Dispatches `change` after every change of the state,
 * and `notice` (a CustomEvent of {@link Notice}) for what is worth saying aloud.
 */

import type { Loop, StopReason, Turn, Vote } from '../loop/types.ts';
import { asWhorlError, WhorlError } from '../shared/errors.ts';
import { Asking } from './asking.ts';
import {
  addRecord,
  fill,
  LOOP,
  missingFrom,
  readRecords,
  removeRecord,
  textOf,
} from './collection.ts';
import type { AppEngine, RecordDraft, SessionPorts } from './ports.ts';
import {
  type AppState,
  abilityOf,
  type Found,
  INITIAL,
  isReadOnly,
  type Problem,
  type RecordItem,
  type TurnItem,
} from './state.ts';

export type Notice =
  | { readonly kind: 'answered'; readonly turn: Turn }
  | { readonly kind: 'draft'; readonly reason: StopReason }
  | { readonly kind: 'rated'; readonly vote: Vote }
  | { readonly kind: 'added'; readonly name: string }
  | { readonly kind: 'removed'; readonly name: string };

/** Longest question, in UTF-16 units. */
export const MAX_QUESTION = 2_000;

const SEEDED = 'whorl.seeded';
const LOST = new WhorlError('storage_lost', 'The collection that was filled here is gone.');
const FOUND_LIMIT = 8;
const FOLLOW_MS = 2_000;

export class Session extends EventTarget {
  readonly #ports: SessionPorts;
  readonly #closing = new AbortController();
  #state: AppState = INITIAL;
  #engine: AppEngine | null = null;
  #loop: Loop | null = null;
  #searching: AbortController | null = null;
  readonly #asking: Asking;

  constructor(ports: SessionPorts) {
    super();
    this.#ports = ports;
    const show = (running: AppState['running']) => this.#set({ running });
    this.#asking = new Asking({ frame: ports.frame, show });
    this.#state = { ...INITIAL, records: ports.sample.map((draft) => ({ ...draft, id: null })) };
  }

  get state(): AppState {
    return this.#state;
  }

  /** Starts the engine, reads what is stored, fetches the model, fills the index on a first visit. */
  async start(): Promise<void> {
    void this.#askProxy();
    void this.#measureRoom();
    void this.#ports.keepSite().then((isOffline) => this.#set({ isOffline }));
    try {
      const engine = await this.#ports.startEngine();
      if (this.#closing.signal.aborted) return void engine.close();
      this.#engine = engine;
      engine.addEventListener('status', this.#onStatus);
      this.#set({ engine: engine.status });
    } catch (error) {
      return this.#fail('start', error, () => void this.start());
    }
    await this.#load();
  }

  /** Asks, or searches, by what can be done now; the newest call wins. */
  submit(question: string): void {
    const asked = question.trim().slice(0, MAX_QUESTION);
    if (asked === '') return;
    const ability = abilityOf(this.#state);
    if (ability === 'ask') return void this.#ask(asked);
    if (ability === 'words') this.#set({ waiting: this.#mayWait() ? asked : null });
    void this.search(asked);
  }

  /** Hits without an answer. An empty query clears them. */
  async search(query: string): Promise<void> {
    this.#searching?.abort();
    const asked = query.trim().slice(0, MAX_QUESTION);
    if (asked === '' || !this.#engine) return this.#set({ found: null });
    const abort = new AbortController();
    this.#searching = abort;
    try {
      const by = abilityOf(this.#state) === 'read' ? 'meaning' : 'words';
      const items = await (by === 'meaning'
        ? this.#byMeaning(asked, abort.signal)
        : this.#byWords(asked, abort.signal));
      if (!abort.signal.aborted) this.#set({ found: { query: asked, by, items } });
    } catch (error) {
      if (!abort.signal.aborted) this.#fail('ask', error, () => void this.search(query));
    }
  }

  /** Stops the running answer. What had arrived stays on screen and is not stored. */
  stop(): void {
    this.#asking.stop();
  }

  /** Asks the running or stopped question again. */
  retry(): void {
    const question = this.#state.running?.question;
    if (question) this.submit(question);
  }

  /** Forgets the question that waits for the model. */
  stopWaiting(): void {
    this.#set({ waiting: null });
  }

  /** Leaves a stopped answer, what went wrong with it, or a search behind, as when another turn is opened. */
  leave(): void {
    const { running, problem } = this.#state;
    const kept = running?.state === 'running' ? running : null;
    const other = problem?.question === undefined ? problem : null;
    this.#set({ found: null, running: kept, problem: other });
  }

  /** Rates an answer; shown at once, taken back on screen when it could not be stored. */
  async rate(id: string, vote: Vote): Promise<void> {
    const item = this.#turn(id);
    if (!item) return;
    this.#replace({ ...item, vote });
    await this.#keepVote(item, item.turn.rate(vote, this.#signal()), vote, () =>
      this.rate(id, vote),
    );
  }

  /** Rates one hit of a turn. */
  async rateHit(id: string, hitId: string, vote: Vote): Promise<void> {
    const item = this.#turn(id);
    if (!item) return;
    this.#replace({ ...item, hitVotes: { ...item.hitVotes, [hitId]: vote } });
    await this.#keepVote(item, item.turn.rateHit(hitId, vote, this.#signal()), vote, () =>
      this.rateHit(id, hitId, vote),
    );
  }

  /** A source was opened: a click, from which the loop learns. Losing one is no harm to the person. */
  openHit(id: string, hitId: string): void {
    this.#turn(id)
      ?.turn.openHit(hitId, this.#signal())
      .catch(() => {});
  }

  /** Adds a record; resolves to whether it was stored. */
  async add(draft: RecordDraft): Promise<boolean> {
    if (!this.#engine) return false;
    try {
      const record = await addRecord(this.#engine.milvus, draft, this.#signal());
      this.#set({ records: [...this.#state.records, record] });
      this.#say({ kind: 'added', name: draft.name });
      void this.#persist();
      return true;
    } catch (error) {
      this.#fail('record', error, null);
      return false;
    }
  }

  /** Deletes a record. */
  async remove(record: RecordItem): Promise<void> {
    const { id } = record;
    if (!this.#engine || id === null) return;
    try {
      await removeRecord(this.#engine.milvus, id, this.#signal());
      this.#set({ records: this.#state.records.filter((one) => one.id !== id) });
      this.#say({ kind: 'removed', name: record.name });
    } catch (error) {
      this.#fail('record', error, () => void this.remove(record));
    }
  }

  dismiss(): void {
    this.#set({ problem: null });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#asking.stop();
    this.#searching?.abort();
    this.#engine?.removeEventListener('status', this.#onStatus);
    this.#loop?.close();
    await this.#engine?.close();
  }

  readonly #onStatus = (): void => {
    if (!this.#engine) return;
    const before = this.#state.engine.store?.role;
    this.#set({ engine: this.#engine.status });
    const now = this.#state.engine.store?.role;
    // The other tab is gone: what it was to fill is for this one to fill.
    if (before === 'follower' && now === 'leader') void this.#load();
    this.#askWaiting();
  };

  /** Reads the store; then the model, and the first filling where there is nothing yet. */
  async #load(): Promise<void> {
    const engine = this.#engine;
    if (!engine) return;
    try {
      const records = await readRecords(engine.milvus, this.#signal());
      const isFilled = this.#ports.memo.read(SEEDED) !== null;
      const missing = isFilled && records ? [] : missingFrom(records ?? [], this.#ports.sample);
      // Filled once, and now there is not even a collection: the browser, not the person, took it away.
      if (isFilled && !records) this.#fail('index', LOST, null);
      if (missing.length > 0) return await this.#begin(engine, missing);
      this.#set({ records: records ?? [], indexing: { state: 'ready' } });
      this.#ports.memo.write(SEEDED, '1');
      await this.#openLoop(engine);
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#fail('load', error, () => void this.#load());
      return;
    }
    await this.#prepare();
  }

  /** The first visit, or its second half: the model, then the sample records that are not there yet. */
  async #begin(engine: AppEngine, missing: readonly RecordDraft[]): Promise<void> {
    this.#set({ loaded: true });
    const isReady = await this.#prepare();
    // Both would fill it: the tab that leads does.
    if (engine.status.store?.role === 'follower') return this.#follow();
    if (isReady) await this.#fill(engine, missing);
  }

  async #fill(engine: AppEngine, missing: readonly RecordDraft[]): Promise<void> {
    const total = this.#ports.sample.length;
    const before = total - missing.length;
    const onProgress = ({ done }: { readonly done: number }): void =>
      this.#set({ indexing: { state: 'running', done: before + done, total } });
    onProgress({ done: 0 });
    try {
      await fill(engine.milvus, missing, { ...this.#signal(), onProgress });
      await this.#load();
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#set({ indexing: { state: 'failed' } });
      this.#fail('index', error, () => void this.#load());
    }
  }

  /** Another tab fills the store: looks again until there is something. */
  #follow(): void {
    this.#ports.later(() => {
      if (!this.#closing.signal.aborted) void this.#load();
    }, FOLLOW_MS);
  }

  async #prepare(): Promise<boolean> {
    try {
      await this.#engine?.prepare(this.#signal());
      void this.#measureRoom();
      this.#askWaiting();
      return true;
    } catch (error) {
      if (this.#closing.signal.aborted) return false;
      this.#fail('model', error, () => void this.#load());
      return false;
    }
  }

  async #openLoop(engine: AppEngine): Promise<void> {
    this.#loop ??= engine.loop({ ...LOOP, generator: this.#ports.generator });
    const turns = await this.#loop.turns(this.#signal());
    this.#set({ turns: turns.map(itemOf), loaded: true });
    await this.#summarize();
    this.#askWaiting();
  }

  async #ask(question: string): Promise<void> {
    if (!this.#loop) return;
    this.#searching?.abort();
    this.#set({ found: null, waiting: null, problem: null });
    const outcome = await this.#asking.run(this.#loop, question);
    if (outcome.kind === 'answered') return this.#answered(outcome.turn, outcome.isNewest);
    if (outcome.kind === 'draft' && outcome.isNewest) this.#say(outcome);
    if (outcome.kind !== 'failed') return;
    this.#fail('ask', outcome.error, () => this.submit(question), question);
  }

  #answered(turn: Turn, isNewest: boolean): void {
    const turns = [...this.#state.turns, itemOf(turn)];
    this.#set(isNewest ? { turns, running: null } : { turns });
    if (isNewest) this.#say({ kind: 'answered', turn });
    void this.#summarize();
    void this.#persist();
  }

  #askWaiting(): void {
    const { waiting } = this.#state;
    if (waiting !== null && this.#loop && abilityOf(this.#state) === 'ask') void this.#ask(waiting);
  }

  /** Whether a question that cannot be asked now will be answered later. */
  #mayWait(): boolean {
    return !isReadOnly(this.#state);
  }

  async #byWords(query: string, signal: AbortSignal): Promise<Found['items']> {
    const { records } = this.#state;
    const options = { limit: FOUND_LIMIT, signal };
    const hits = (await this.#engine?.lexical(records.map(textOf), query, options)) ?? [];
    return hits.flatMap(({ index, score }) => {
      const record = records[index];
      return record ? [{ record, score }] : [];
    });
  }

  async #byMeaning(query: string, signal: AbortSignal): Promise<Found['items']> {
    const hits = (await this.#loop?.search(query, { limit: FOUND_LIMIT, signal })) ?? [];
    return hits.flatMap(({ id, score }) => {
      const record = this.#state.records.find((one) => one.id === id);
      return record ? [{ record, score }] : [];
    });
  }

  #turn(id: string): TurnItem | undefined {
    return this.#state.turns.find((item) => item.turn.id === id);
  }

  #replace(item: TurnItem): void {
    const turns = this.#state.turns.map((one) => (one.turn.id === item.turn.id ? item : one));
    this.#set({ turns });
  }

  async #keepVote(
    before: TurnItem,
    stored: Promise<void>,
    vote: Vote,
    again: () => Promise<void>,
  ): Promise<void> {
    try {
      await stored;
      this.#say({ kind: 'rated', vote });
      await this.#summarize();
    } catch (error) {
      this.#replace(before);
      this.#fail('rate', error, () => void again());
    }
  }

  async #summarize(): Promise<void> {
    const summary = await this.#loop?.summary(this.#signal()).catch(() => null);
    if (summary) this.#set({ summary });
  }

  async #askProxy(): Promise<void> {
    this.#set({ claude: await this.#ports.probe(this.#closing.signal) });
  }

  async #measureRoom(): Promise<void> {
    this.#set({ room: await this.#ports.room() });
  }

  async #persist(): Promise<void> {
    if (this.#state.room?.persisted !== true) await this.#ports.persist();
    await this.#measureRoom();
  }

  #signal(): { readonly signal: AbortSignal } {
    return { signal: this.#closing.signal };
  }

  #fail(during: Problem['during'], error: unknown, retry: Problem['retry'], asked?: string): void {
    const { code, message: detail } = asWhorlError(error);
    const about = asked === undefined ? {} : { question: asked };
    this.#set({ problem: { code, detail, during, retry, ...about } });
  }

  #say(notice: Notice): void {
    this.dispatchEvent(new CustomEvent('notice', { detail: notice }));
  }

  #set(change: Partial<AppState>): void {
    this.#state = { ...this.#state, ...change };
    this.dispatchEvent(new Event('change'));
  }
}

function itemOf(turn: Turn): TurnItem {
  return { turn, vote: turn.vote, hitVotes: turn.hitVotes };
}
