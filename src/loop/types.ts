/**
 * The nouns of one turn. Types only; the stages are declared against them and do not know each other.
 */
import type { MilvusClient, MilvusRow } from '../shared/milvus-types.ts';
import type {
  CallOptions,
  CandidatesRequest,
  CandidatesResult,
  EmbedResult,
} from '../shared/types.ts';

/** What the loop needs of a store: `engine.milvus`, or a client of a Milvus cluster. */
export interface LoopStore
  extends Pick<
    MilvusClient,
    | 'createCollection'
    | 'describeCollection'
    | 'hasCollection'
    | 'loadCollection'
    | 'insert'
    | 'upsert'
    | 'delete'
    | 'get'
    | 'query'
    | 'search'
  > {
  /** Dense and lexical candidates in one call; the page's own store has it. */
  candidates(request: CandidatesRequest, options?: CallOptions): Promise<CandidatesResult>;
  /**
   * False where a write would be refused, such as in a tab that cannot reach the one that writes: nothing is
   * then generated that could not be kept. Absent: always true.
   */
  canWrite?(): boolean;
  /**
   * Runs work alone among all who share the store, in other tabs as well: what reads and then writes loses
   * nothing to others between. Rejects with `aborted` while it waits. Absent: alone in this page only.
   */
  alone?<T>(name: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** What the loop needs of an embedder. */
export interface LoopEmbedder {
  /** False while no model is ready: the turn is then lexical and says so. */
  readonly ready: boolean;
  embed(
    texts: readonly string[],
    options?: { readonly signal?: AbortSignal; readonly priority?: 'query' | 'bulk' },
  ): Promise<EmbedResult>;
}

// ---------------------------------------------------------------------------------------------
// Retrieval

/** The parts of a score; their sum is the score. */
export interface ScoreParts {
  /** Cosine of the question and the record; 0 on a lexical turn. */
  readonly similarity: number;
  /** .3 x bm25 / the largest bm25 of this question. */
  readonly words: number;
  /** What feedback added or took away; 0 when nothing was learnt. */
  readonly learnt: number;
}

/** Why feedback moved a hit. */
export interface Why {
  /** Places gained (positive) or lost against the order without feedback. */
  readonly places: number;
  /** The past question that weighed most. */
  readonly question: string;
  /** Turn of that question. */
  readonly turnId: string;
  /** Cosine of that question to the present one. */
  readonly similarity: number;
  readonly liked: boolean;
}

export interface Hit {
  readonly id: string;
  /** From 1. */
  readonly rank: number;
  readonly score: number;
  readonly parts: ScoreParts;
  /** The record without its vectors. */
  readonly row: MilvusRow;
  /** The text that was searched and that may be quoted. */
  readonly text: string;
  readonly why: Why | null;
  /** Fields that a generation filled: shown as generated, never quoted as evidence. Absent: none. */
  readonly generatedFields?: readonly string[];
}

/** What feedback on similar past questions says about the present one; see `memory.ts`. */
export interface Learnt {
  /** Trust of the memory in itself, 0..1. */
  readonly lambda: number;
  /** Expected clicks for one examination where nothing else is known. */
  readonly p0: number;
  /** By record id: what is above or below expectation, and the past question that weighed most. */
  readonly records: ReadonlyMap<string, LearntRecord>;
}

export interface LearntRecord {
  /** `(C + p0) / (X + 1) - p0`: clicks for one examination, above (positive) or below expectation. */
  readonly u: number;
  readonly why: Omit<Why, 'places'>;
}

// ---------------------------------------------------------------------------------------------
// Prompt and generation

export interface PromptSource {
  /** The number the answer cites, from 1. */
  readonly number: number;
  readonly id: string;
  /** The text as sent: cut to the budget, cleaned, fenced. */
  readonly text: string;
  /** The part of `text`, at its start, that names the record (`name: ...`) and is no prose. Absent: none. */
  readonly heading?: string;
}

export interface Prompt {
  readonly system: string;
  readonly messages: readonly { readonly role: 'user' | 'assistant'; readonly content: string }[];
  readonly sources: readonly PromptSource[];
  readonly question: string;
  /** SHA-256 (hex) of the system text and messages. */
  readonly hash: string;
  /** Estimated tokens of the whole. */
  readonly tokens: number;
}

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Why a generation ended. Anything but `end_turn` and `stop_sequence` makes the turn a draft. */
export type StopReason =
  | 'end_turn'
  | 'stop_sequence'
  | 'max_tokens'
  | 'refusal'
  | 'pause_turn'
  | 'tool_use'
  | 'model_context_window_exceeded';

export interface Generation {
  readonly text: string;
  readonly model: string;
  readonly stopReason: StopReason;
  readonly usage: Usage;
  /** True when this text was selected from the sources. Absent: the generator's own `extractive`. */
  readonly extractive?: boolean;
  /** Why another generator than the first choice answered. Absent: it was the first choice. */
  readonly instead?: Instead;
}

/** Why a generator stepped in for another. */
export interface Instead {
  /** Code of the error that the first choice ended with: `no_key`, `network`, ... */
  readonly code: string;
  readonly message: string;
}

export interface GenerateOptions {
  readonly signal?: AbortSignal;
  readonly onToken?: (text: string) => void;
  /** Default 1,024. */
  readonly maxTokens?: number;
}

export interface Generator {
  /** Shown to people: `claude-...`, `extractive`. */
  readonly name: string;
  /** True when the text is selected from the sources and nothing is written anew. */
  readonly extractive: boolean;
  /**
   * Resolves only for a generation that ended by itself; a cut stream rejects with
   * `stream_incomplete`, an abort with `aborted`.
   */
  generate(prompt: Prompt, options?: GenerateOptions): Promise<Generation>;
}

// ---------------------------------------------------------------------------------------------
// Verdict

export interface Citation {
  /** Offset of the mark in the answer, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  readonly number: number;
  /** Id of the source, or null when no source has that number. */
  readonly id: string | null;
}

export interface SentenceVerdict {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly state: 'grounded' | 'unsupported' | 'abstained' | 'framing';
  /** Best cosine to a source sentence; null where no vectors were at hand. */
  readonly cosine: number | null;
  readonly recall: number | null;
  readonly reason: string;
}

export interface Verdict {
  readonly sentences: readonly SentenceVerdict[];
  /** Grounded share of the sentences that claim something, 0..1; null when the gate abstained on all. */
  readonly groundedShare: number | null;
  /** Share of citations that name a source that was sent; 1 when there is none. */
  readonly citationValidity: number;
  readonly refusal: boolean;
  readonly duplicateOf: string | null;
  readonly decision: 'admitted' | 'quarantined' | 'dropped';
  /** In words, for people. */
  readonly reason: string;
}

// ---------------------------------------------------------------------------------------------
// Turn

export interface Timings {
  /** Milliseconds, by a monotonic clock. */
  readonly embed: number;
  readonly retrieve: number;
  readonly generate: number;
  readonly evaluate: number;
  readonly store: number;
  readonly total: number;
}

export type Vote = 'up' | 'down' | null;

/** A turn as it is stored and listed: plain data. */
export interface TurnRecord {
  readonly id: string;
  readonly question: string;
  /** ISO 8601. */
  readonly at: string;
  readonly retrieval: 'hybrid' | 'lexical';
  readonly generator: string;
  readonly extractive: boolean;
  readonly model: string;
  readonly hits: readonly Hit[];
  readonly prompt: Prompt;
  readonly answer: string;
  readonly citations: readonly Citation[];
  readonly verdict: Verdict;
  readonly usage: Usage;
  readonly timings: Timings;
  readonly vote: Vote;
  /** Votes on single hits, by record id. */
  readonly hitVotes: { readonly [id: string]: Vote };
  /** Id in the generated collection; null when the answer was not stored there. */
  readonly generatedId: string | null;
  /** Why another generator than the first choice answered. Absent: it was the first choice. */
  readonly instead?: Instead;
  /** Present when the generation did not end by itself: the turn is shown, not stored, and cannot be rated. */
  readonly draft?: StopReason;
}

export interface Turn extends TurnRecord {
  /** Rates the answer: a vote for every record that it cites. Durable when it resolves; null takes it back. */
  rate(vote: Vote, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Rates one hit. */
  rateHit(id: string, vote: Vote, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Says that a person opened a source: a click. */
  openHit(id: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
}

export type Stage = 'embed' | 'retrieve' | 'generate' | 'evaluate' | 'store';

export interface AskOptions {
  /** Hits, 1..50. Default 5. */
  readonly limit?: number;
  readonly onToken?: (text: string) => void;
  readonly onStage?: (stage: Stage) => void;
  /** The hits, as soon as they are known. */
  readonly onHits?: (hits: readonly Hit[]) => void;
  readonly signal?: AbortSignal;
  /** Overrides the loop's generator for this turn. */
  readonly generator?: Generator;
}

export interface LoopOptions {
  /** Human records; answers, turns and feedback go to `<name>__generated` and `<name>__memory`. */
  readonly collectionName: string;
  /** VarChar field that is searched and quoted. */
  readonly textField: string;
  /** Further VarChar fields whose words count in lexical search and that are sent as headings. Default: every other VarChar field. */
  readonly lexicalFields?: readonly string[];
  /** Vector field. Default: the only one. */
  readonly annsField?: string;
  readonly generator: Generator;
  /** Tokens of sources in a prompt, 64..8,000. Default 2,000. */
  readonly tokenBudget?: number;
}

export interface EnrichOptions {
  /**
   * Records to enrich; each must have the fields that the template names. One that carries its primary key
   * is upserted, others are inserted; a key that the collection generates is refused.
   */
  readonly rows: readonly MilvusRow[];
  /** Text with `{field}` places. */
  readonly template: string;
  /** Field that takes the generated text. */
  readonly into: string;
  /** Generations at a time, 1..16. Default 2. */
  readonly concurrency?: number;
  /** Tokens (input and output) of this run after which no further generation starts. Default: no bound. */
  readonly tokenBudget?: number;
  /** Tokens of one generation, 1..8,192. Default 1,024. */
  readonly maxTokens?: number;
  /** Fields whose value must appear in the text. Default: the fields that the template names. */
  readonly mention?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EnrichProgress) => void;
}

/** Counts of records; equal records, which are done once, count as often as they were given. */
export interface EnrichProgress {
  /** Inserted, quarantined or failed, now or in an earlier run. */
  readonly done: number;
  readonly total: number;
  /** Generations that this run got and that count against its budget, also those that were not used. */
  readonly generated: number;
  /** Done by an earlier run, so that nothing was generated or inserted; equal records count once. */
  readonly skipped: number;
  readonly failed: number;
}

export interface EnrichResult extends EnrichProgress {
  /** Of this run. */
  readonly usage: Usage;
  /**
   * Why it stopped early, or null. `generator`: no further call can succeed (no key, budget spent, ...), or
   * five in a row failed that a later run may get (overload, silence, ...).
   */
  readonly stopped: 'aborted' | 'token_budget' | 'generator' | null;
  /** One for each given record, in their order. */
  readonly records: readonly {
    /** Idempotency key: hash of collection, template, target field and the record's other fields. */
    readonly key: string;
    /**
     * `quarantined`: the gate refused the text; it is kept and not generated again. `failed`: tried again by
     * the next run. `pending`: the run ended before.
     */
    readonly state: 'inserted' | 'quarantined' | 'failed' | 'pending';
    /** Primary key of the inserted record; null where there is none. */
    readonly id: string | null;
    /** In words; null for an inserted record. */
    readonly reason: string | null;
  }[];
}

/** What the loop has learnt, in numbers a person can read. */
export interface LoopSummary {
  /** Stored turns that can be read. */
  readonly turns: number;
  /** Turns with a vote on the answer or on a hit, or with an opened hit. */
  readonly rated: number;
  /** By their verdict; the turns that are neither were dropped as answers and are kept as turns. */
  readonly admitted: number;
  readonly quarantined: number;
  /** Trust of the memory in itself, 0..1. */
  readonly lambda: number;
  /** Stored turns that could not be read and are left out. */
  readonly broken: number;
}

/**
 * A loop over one collection. All methods reject with `aborted` when their signal is, and with `closed`
 * after `close()`. `ask` and `enrich` reject with `not_leader`, before anything is generated, where nothing
 * can be written.
 */
export interface Loop {
  /**
   * One turn: embed, retrieve, generate, judge, keep. Rejects with what the generator or the store says, and
   * with `invalid_request` where a record that it shows was deleted meanwhile; nothing is kept then.
   */
  ask(question: string, options?: AskOptions): Promise<Turn>;
  /** Retrieval alone: the hits and why, nothing generated, nothing stored. */
  search(
    question: string,
    options?: { readonly limit?: number; readonly signal?: AbortSignal },
  ): Promise<readonly Hit[]>;
  /**
   * Fills a field of records by generation, each once. Resolves also when it stopped early; what was paid for
   * is kept, and the next run goes on. Rejects with `invalid_option` before anything is generated, and with
   * errors of the store. Runs over one collection wait for each other.
   */
  enrich(options: EnrichOptions): Promise<EnrichResult>;
  /** Stored turns, oldest first. */
  turns(options?: { readonly signal?: AbortSignal }): Promise<readonly Turn[]>;
  summary(options?: { readonly signal?: AbortSignal }): Promise<LoopSummary>;
  /** Ends what runs; the collections stay open. */
  close(): void;
}
