/**
 * What the app shows, as one plain value. `session.ts` makes it, the views read it.
 */
import type { Hit, LoopSummary, Stage, StopReason, Turn, TurnRecord, Vote } from '../loop/types.ts';
import type { ErrorCode } from '../shared/errors.ts';
import type { EngineStatus } from '../shared/types.ts';
import type { LanguageCode } from './language.ts';
import type { RecordDraft, RoomEstimate } from './ports.ts';

/** A record that can be listed; `id` is null while it is only shown and not stored yet. */
export interface RecordItem extends RecordDraft {
  readonly id: string | null;
}

/** How far the records have come on their way into the index. */
export type Indexing =
  | { readonly state: 'waiting' }
  | { readonly state: 'running'; readonly done: number; readonly total: number }
  | { readonly state: 'ready' }
  | { readonly state: 'failed' };

/** A stored turn with the votes as they stand now. */
export interface TurnItem {
  readonly turn: Turn;
  readonly vote: Vote;
  readonly hitVotes: { readonly [id: string]: Vote };
}

/** A question that is being answered, or whose answer did not come to its end. */
export interface RunningTurn {
  readonly call: number;
  readonly question: string;
  readonly stage: Stage;
  readonly hits: readonly Hit[];
  /** What has arrived of the answer. */
  readonly text: string;
  /**
   * `stopped`: by the person; `failed`: see `problem`; `draft`: the generator ended it by a bound or
   * declined. What had arrived is shown, not stored.
   */
  readonly state: 'running' | 'stopped' | 'failed' | 'draft';
  /** Why it is a draft; null otherwise. */
  readonly draft: StopReason | null;
}

/** Hits without an answer: by words while there is no model, by meaning where nothing can be written. */
export interface Found {
  readonly query: string;
  readonly by: 'words' | 'meaning';
  readonly items: readonly { readonly record: RecordItem; readonly score: number }[];
}

/** Something went wrong: the code is put into words by the messages, the button by the views. */
export interface Problem {
  readonly code: ErrorCode;
  /** The engine's own words, in English; for the details. */
  readonly detail: string;
  readonly during: 'start' | 'model' | 'index' | 'ask' | 'rate' | 'record' | 'load';
  /** The question that was not answered: trying again asks it, where an answer can be seen. */
  readonly question?: string;
  readonly retry: (() => void) | null;
}

export interface AppState {
  readonly engine: EngineStatus;
  /** True once the store has been read: before that, "no turns" is not yet known. */
  readonly loaded: boolean;
  readonly records: readonly RecordItem[];
  readonly indexing: Indexing;
  readonly turns: readonly TurnItem[];
  readonly summary: LoopSummary | null;
  readonly running: RunningTurn | null;
  readonly found: Found | null;
  /** A question that is asked as soon as the records are ready. */
  readonly waiting: string | null;
  readonly claude: 'unknown' | 'key' | 'no_key' | 'unreachable';
  readonly room: RoomEstimate | null;
  /** True when the page itself starts without a network. */
  readonly isOffline: boolean;
  readonly problem: Problem | null;
}

export const INITIAL: AppState = {
  engine: { embedder: { state: 'idle' }, store: null, restarts: { embed: 0, index: 0 } },
  loaded: false,
  records: [],
  indexing: { state: 'waiting' },
  turns: [],
  summary: null,
  running: null,
  found: null,
  waiting: null,
  claude: 'unknown',
  room: null,
  isOffline: false,
  problem: null,
};

/** What the composer can do now. */
export type Ability =
  /** Ask the loop. */
  | 'ask'
  /** Search by words; a question waits for the model. */
  | 'words'
  /** Search by meaning; nothing can be written here. */
  | 'read';

export function abilityOf(state: AppState): Ability {
  const { embedder } = state.engine;
  if (state.indexing.state !== 'ready') return 'words';
  if (isReadOnly(state)) return embedder.state === 'ready' ? 'read' : 'words';
  return embedder.state === 'ready' || embedder.state === 'failed' ? 'ask' : 'words';
}

/** Whether nothing can be written here; a tab that does not lead writes through the one that does. */
export function isReadOnly({ engine }: AppState): boolean {
  return engine.store?.modes.includes('read_only') ?? false;
}

/** Sentences of an answer, counted for the verdict in words. */
export interface SentenceCount {
  /** Sentences that claim something. */
  readonly claims: number;
  readonly grounded: number;
  readonly unsupported: number;
  /** Claims that the check could not judge, as it reads English only. */
  readonly unchecked: number;
}

export function countSentences(turn: Pick<TurnRecord, 'verdict'>): SentenceCount {
  const count = (state: string) =>
    turn.verdict.sentences.filter((sentence) => sentence.state === state).length;
  const grounded = count('grounded');
  const unsupported = count('unsupported');
  const unchecked = count('abstained');
  return { claims: grounded + unsupported + unchecked, grounded, unsupported, unchecked };
}

/** What the person chose for the whole app. */
export interface Preferences {
  readonly language: LanguageCode;
  readonly theme: 'system' | 'light' | 'dark';
}

/** Whether the records can be asked about, so that nothing needs to be said of the model any more. */
export function isIndexed(state: AppState): boolean {
  const { embedder } = state.engine;
  return state.indexing.state === 'ready' && embedder.state === 'ready';
}
