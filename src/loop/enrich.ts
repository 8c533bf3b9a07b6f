/**
 * Enrichment: for each record, render a template, generate, gate, insert. Resumable: the state of each
 * record is durable under an idempotency key, the text before anything is done with it, and a second
 * run generates nothing again.
 *
 * The text goes into a field of a human record. Its provenance lies in the memory collection; the
 * loop shows the field as generated and never quotes it as evidence.
 */
import { asWhorlError, isWhorlError, WhorlError } from '../shared/errors.ts';
import type { MilvusRow, VectorValue } from '../shared/milvus-types.ts';
import type { BaseCollection } from './collection.ts';
import { type EnrichRules, type TakenText, whyNotOf, whyRepeated } from './enrich-gate.ts';
import { findSame, presentKeys } from './enrich-records.ts';
import { type EnrichState, keepState, readStates } from './enrich-state.ts';
import type { CheckedEnrich } from './options.ts';
import { Serial } from './serial.ts';
import type { Sibling } from './siblings.ts';
import { fieldsOf, hasValue, render } from './template.ts';
import type {
  EnrichProgress,
  EnrichResult,
  Generation,
  Generator,
  LoopEmbedder,
  LoopStore,
  Prompt,
} from './types.ts';

export interface EnrichParts {
  readonly store: LoopStore;
  readonly embedder: LoopEmbedder;
  readonly base: BaseCollection;
  readonly memory: Sibling;
  readonly generator: Generator;
  readonly prompt: (text: string) => Promise<Prompt>;
  readonly digest: (text: string) => Promise<string>;
  readonly timestamp: () => string;
  readonly rules: EnrichRules;
}

type Outcome = EnrichResult['records'][number];
type Options = CheckedEnrich & { readonly signal: AbortSignal };

/** After these no other record can fare better. */
const HOPELESS: ReadonlySet<string> = new Set([
  'no_key',
  'unauthorized',
  'forbidden',
  'budget_exhausted',
  'unsupported',
  'network',
]);
/** Generations in a row that failed by errors which pass by themselves, until the run gives up for now. */
const MOST_FAILURES = 5;
const ONLY_QUOTES = 'The offline generator answered, and it cannot write a text.';
/** What is paid for is kept, also when the run is cancelled meanwhile. */
const NEVER = new AbortController().signal;

/** Runs an enrichment. Resolves also when it was cancelled; rejects for storage errors and bad options. */
export async function enrich(options: Options, parts: EnrichParts): Promise<EnrichResult> {
  checkRows(options, parts);
  const run = new Run(options, parts);
  await run.start();
  return run.finish();
}

function checkRows(options: Options, { base, generator }: EnrichParts): void {
  if (generator.extractive)
    throw new WhorlError(
      'invalid_option',
      `enrich: the generator "${generator.name}" only quotes sources and cannot write a text. Give the loop one that writes.`,
    );
  const known = base.fields.some(({ name, type }) => name === options.into && type === 'VarChar');
  if (!known && !base.dynamic)
    throw new WhorlError(
      'invalid_option',
      `enrich: the collection has no VarChar field "${options.into}" to take the text.`,
    );
  const needed = [...fieldsOf(options.template), ...(options.mention ?? [])];
  options.rows.forEach((row, i) => {
    if (base.autoId && hasValue(row, base.keyField))
      throw new WhorlError(
        'invalid_option',
        `enrich: record ${i} has "${base.keyField}", which the collection generates (autoID), so that it could not be inserted; nothing was generated. Leave it out.`,
      );
    const missing = needed.find((field) => !hasValue(row, field));
    if (missing !== undefined)
      throw new WhorlError(
        'invalid_option',
        `enrich: record ${i} has no "${missing}", which the template or "mention" names; nothing was generated.`,
      );
  });
}

class Run {
  readonly #options: Options;
  readonly #parts: EnrichParts;
  readonly #mentions: readonly string[];
  /** Gate and insertion see one text at a time, or two equal ones could pass side by side. */
  readonly #admission = new Serial();
  readonly #outcomes = new Map<string, Outcome>();
  readonly #taken: TakenText[] = [];
  #keys: string[] = [];
  #states = new Map<string, EnrichState>();
  #generated = 0;
  #skipped = 0;
  #usage = { inputTokens: 0, outputTokens: 0 };
  #stopped: EnrichResult['stopped'] = null;
  #why: string | null = null;
  #broken = false;
  #failuresInARow = 0;

  constructor(options: Options, parts: EnrichParts) {
    this.#options = options;
    this.#parts = parts;
    this.#mentions = options.mention ?? fieldsOf(options.template);
  }

  async start(): Promise<void> {
    const { rows, into, signal, concurrency } = this.#options;
    this.#keys = await Promise.all(rows.map((row) => this.#keyOf(row)));
    this.#states = await readStates(this.#parts.memory, into, { signal });
    await this.#reopenGone();
    for (const { state, key, text, vector } of this.#states.values())
      if (state === 'inserted' && vector) this.#taken.push({ id: key, text, vector });
    const waiting = new Map(this.#keys.map((key, i) => [key, rows[i] as MilvusRow]));
    const queue = waiting.entries();
    await settled(Array.from({ length: concurrency }, () => this.#work(queue)));
  }

  /** A record that was deleted, or whose collection was dropped, is inserted again: its text is kept. */
  async #reopenGone(): Promise<void> {
    const inserted = [...this.#states.values()].filter(({ state }) => state === 'inserted');
    const ids = inserted.map(({ recordId }) => recordId);
    const { signal } = this.#options;
    const present = await presentKeys(this.#parts, ids, { signal });
    for (const state of inserted)
      if (!present.has(state.recordId))
        this.#states.set(state.key, { ...state, state: 'generated', recordId: '' });
  }

  finish(): EnrichResult {
    const records = this.#keys.map(
      (key): Outcome =>
        this.#outcomes.get(key) ?? { key, state: 'pending', id: null, reason: this.#why },
    );
    return { ...this.#progress(), usage: this.#usage, stopped: this.#stopped, records };
  }

  async #work(queue: Iterable<[string, MilvusRow]>): Promise<void> {
    try {
      for (const [key, row] of queue) {
        if (this.#mayStop()) return;
        await this.#one(key, row);
        this.#options.onProgress?.(this.#progress());
      }
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }

  /** Whether the run ends before the next record. */
  #mayStop(): boolean {
    if (this.#options.signal.aborted) this.#stopped ??= 'aborted';
    return this.#broken || this.#stopped !== null;
  }

  async #one(key: string, row: MilvusRow): Promise<void> {
    const known = this.#states.get(key);
    if (known?.state === 'inserted' || known?.state === 'quarantined') {
      this.#skipped += 1;
      this.#settle(known);
      return;
    }
    const resumed = known?.state === 'generated';
    const state = resumed ? known : await this.#generate(key, row);
    if (state === null) return;
    try {
      await this.#admission.run(() => this.#admit(state, row, resumed));
    } catch (error) {
      // The text is kept as generated: the next run inserts it without generating.
      const { code, message } = asWhorlError(error);
      if (code === 'aborted' || code === 'closed') this.#stopped ??= 'aborted';
      else if (isOfRecord(error)) this.#settle({ ...state, state: 'failed', reason: message });
      else throw error;
    }
  }

  /** A generated and kept text, or null where there is none. */
  async #generate(key: string, row: MilvusRow): Promise<EnrichState | null> {
    const { template, into, maxTokens, signal, tokenBudget } = this.#options;
    const { generator, memory, timestamp } = this.#parts;
    if (tokenBudget !== undefined && this.#spent() >= tokenBudget) {
      this.#stopped ??= 'token_budget';
      return null;
    }
    const prompt = await this.#parts.prompt(render(template, row));
    const blankState = { key, into, recordId: '', vector: null, promptHash: prompt.hash };
    try {
      const generation = await generator.generate(prompt, { signal, maxTokens });
      if (generation.extractive) {
        this.#stopped ??= 'generator';
        this.#why ??= generation.instead?.message ?? ONLY_QUOTES;
        return null;
      }
      this.#book(generation);
      this.#failuresInARow = 0;
      const reason = whyUnusable(generation);
      const { model, usage } = generation;
      const text = generation.text.trim();
      const state = reason === null ? 'generated' : 'failed';
      const made = { ...blankState, state, text, model, usage, reason, at: timestamp() } as const;
      await keepState(memory, made, { signal: NEVER });
      if (reason === null) return made;
      this.#settle(made);
    } catch (error) {
      await this.#generationFailed(error, { ...blankState, at: timestamp() });
    }
    return null;
  }

  async #generationFailed(
    error: unknown,
    state: Pick<EnrichState, 'key' | 'into' | 'recordId' | 'vector' | 'promptHash' | 'at'>,
  ): Promise<void> {
    const { generator, memory } = this.#parts;
    const { code, message, retryable } = asWhorlError(error);
    if (STORAGE.has(code)) throw error;
    if (code === 'aborted' || code === 'closed') {
      this.#stopped ??= 'aborted';
      return;
    }
    if (HOPELESS.has(code)) {
      this.#stopped ??= 'generator';
      this.#why ??= message;
      return;
    }
    this.#failuresInARow += retryable ? 1 : 0;
    if (this.#failuresInARow >= MOST_FAILURES) {
      this.#stopped ??= 'generator';
      this.#why ??= message;
    }
    const usage = { inputTokens: 0, outputTokens: 0 };
    const failed = { ...state, state: 'failed', text: '', model: generator.name, usage } as const;
    await keepState(memory, { ...failed, reason: message }, { signal: NEVER });
    this.#settle({ ...failed, reason: message });
  }

  async #admit(state: EnrichState, row: MilvusRow, resumed: boolean): Promise<void> {
    const { memory, rules } = this.#parts;
    const { text } = state;
    const unfit = whyNotOf(rules, text, row, this.#mentions);
    const vector = unfit === null ? await this.#embed(text) : null;
    const reason = unfit ?? (vector && whyRepeated(rules, text, vector, this.#taken));
    if (reason !== null) {
      const quarantined = { ...state, state: 'quarantined', reason, vector } as const;
      await keepState(memory, quarantined, { signal: NEVER });
      this.#settle(quarantined);
      return;
    }
    if (vector === null) return;
    const recordId = await this.#insert(row, text, vector, resumed);
    const inserted = { ...state, state: 'inserted', recordId, vector } as const;
    await keepState(memory, inserted, { signal: NEVER });
    this.#taken.push({ id: state.key, text, vector });
    this.#settle(inserted);
  }

  async #embed(text: string): Promise<Float32Array> {
    const { signal } = this.#options;
    const { vectors } = await this.#parts.embedder.embed([text], { signal, priority: 'bulk' });
    return vectors;
  }

  /** Inserts the record; a resumed one may be there already. Returns its key. */
  async #insert(
    row: MilvusRow,
    text: string,
    vector: Float32Array,
    resumed: boolean,
  ): Promise<string> {
    const { base, store } = this.#parts;
    const { into } = this.#options;
    const whole: MilvusRow = {
      ...row,
      [into]: text,
      ...(await this.#vectorFor(row, text, vector)),
    };
    const call = { signal: NEVER };
    const body = { collectionName: base.name, data: [whole] };
    if (!base.autoId && hasValue(row, base.keyField)) {
      const { upsertIds } = await store.upsert(body, call);
      return String(upsertIds[0]);
    }
    // A crash may have fallen between its insertion and the note of it.
    const { signal } = this.#options;
    const there = resumed ? await findSame(this.#parts, whole, into, { signal }) : null;
    if (there !== null) return there;
    const { insertIds } = await store.insert(body, call);
    return String(insertIds[0]);
  }

  /** The vector of a record whose collection does not embed by itself. */
  async #vectorFor(
    row: MilvusRow,
    text: string,
    vector: Float32Array,
  ): Promise<{ readonly [field: string]: VectorValue }> {
    const { base } = this.#parts;
    if (base.embeddedFrom !== null || hasValue(row, base.annsField)) return {};
    if (base.textField === this.#options.into) return { [base.annsField]: vector };
    const searched = row[base.textField];
    const of = typeof searched === 'string' && searched !== '' ? searched : text;
    return { [base.annsField]: await this.#embed(of) };
  }

  #keyOf(row: MilvusRow): Promise<string> {
    const { template, into } = this.#options;
    const fields = Object.entries(row)
      .filter(([field, value]) => field !== into && !ArrayBuffer.isView(value))
      .map(([field, value]) => [field, typeof value === 'bigint' ? value.toString() : value])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
    return this.#parts.digest(JSON.stringify([this.#parts.base.name, template, into, fields]));
  }

  #spent(): number {
    return this.#usage.inputTokens + this.#usage.outputTokens;
  }

  #book({ usage }: Generation): void {
    this.#generated += 1;
    this.#usage = {
      inputTokens: this.#usage.inputTokens + usage.inputTokens,
      outputTokens: this.#usage.outputTokens + usage.outputTokens,
    };
  }

  #settle({ key, state, recordId, reason }: EnrichState): void {
    const settled = state === 'generated' ? 'pending' : state;
    const id = recordId === '' ? null : recordId;
    this.#outcomes.set(key, { key, state: settled, id, reason });
  }

  #progress(): EnrichProgress {
    const outcomes = this.#keys.flatMap((key) => this.#outcomes.get(key) ?? []);
    return {
      done: outcomes.length,
      total: this.#keys.length,
      generated: this.#generated,
      skipped: this.#skipped,
      failed: outcomes.filter(({ state }) => state === 'failed').length,
    };
  }
}

/** Errors of the store itself: the run ends, since no other record could be kept either. */
const STORAGE: ReadonlySet<string> = new Set([
  'not_leader',
  'storage_unavailable',
  'storage_full',
  'storage_lost',
  'storage_too_new',
  'storage_blocked',
  'worker_lost',
  'worker_start_failed',
]);

/** Milvus codes of a value that its field does not take: invalid, missing, too large, insert data. */
const RECORD_CODES: ReadonlySet<number> = new Set([1100, 1101, 1102, 1804, 1806]);

/** Errors that concern one record. */
function isOfRecord(error: unknown): boolean {
  return isWhorlError(error) && RECORD_CODES.has(error.milvusCode ?? 0);
}

function whyUnusable(generation: Generation): string | null {
  const { stopReason, text } = generation;
  if (stopReason !== 'end_turn' && stopReason !== 'stop_sequence')
    return `the generation ended by "${stopReason}"`;
  return text.trim() === '' ? 'the generation is empty' : null;
}

/** Waits for all, then throws the first failure: nothing of a run goes on behind its back. */
async function settled(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
