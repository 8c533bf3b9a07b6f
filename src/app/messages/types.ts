/**
 * Every word of the app. One file a language implements this; a missing word does not compile.
 */
import type { Hit, LoopSummary, Stage } from '../../loop/types.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import type { SentenceCount } from '../state.ts';

/** What happened, what was kept, what to do. */
export interface ProblemWords {
  readonly what: string;
  readonly next: string;
}

export interface Messages {
  readonly nav: {
    readonly label: string;
    readonly skip: string;
    readonly ask: string;
    readonly records: string;
    readonly learning: string;
    readonly status: string;
  };
  readonly composer: {
    readonly label: string;
    readonly placeholder: string;
    readonly ask: string;
    readonly search: string;
    readonly stop: string;
    readonly byWords: string;
    readonly readOnly: string;
  };
  readonly welcome: {
    readonly title: string;
    readonly lead: (records: number) => string;
    readonly tryThese: string;
    readonly examples: readonly string[];
    readonly someRecords: string;
    readonly allRecords: (records: number) => string;
  };
  readonly model: {
    readonly title: string;
    readonly stage: {
      readonly download: string;
      readonly cache: string;
      readonly verify: string;
      readonly compile: string;
      readonly check: string;
      readonly start: string;
    };
    readonly bytes: (loaded: string, total: string) => string;
    readonly once: string;
    readonly indexing: (done: number, total: number) => string;
  };
  readonly found: {
    readonly title: (query: string) => string;
    readonly byMeaning: string;
    readonly nothing: string;
    readonly waiting: string;
    readonly dontWait: string;
  };
  readonly turn: {
    readonly number: (n: number) => string;
    readonly answeredIn: (time: string) => string;
    readonly retrieval: (time: string) => string;
    readonly byWordsOnly: string;
    readonly stage: { readonly [stage in Stage]: string };
    readonly answer: string;
    readonly sources: string;
    readonly noSources: string;
    readonly offline: string;
    readonly offlineNoKey: string;
    readonly offlineAway: string;
    readonly stopped: string;
    readonly cut: string;
    /** The question failed before a word of an answer had come. */
    readonly unanswered: string;
    /** Why a generation did not end by itself. */
    readonly draft: {
      readonly max_tokens: string;
      readonly refusal: string;
      readonly other: string;
    };
    readonly retry: string;
    readonly askAgain: string;
    readonly missing: string;
    readonly newest: string;
    readonly unsupported: string;
    readonly citation: (n: number, name: string) => string;
    readonly citationMissing: (n: number) => string;
    readonly notPlaced: string;
    readonly ready: (verdict: string) => string;
  };
  readonly verdict: {
    /** A count in words; the emphasised part and the rest, with the space between them where there is one. */
    readonly counted: (count: SentenceCount) => { readonly strong: string; readonly rest: string };
    readonly refusal: string;
    readonly nothingClaimed: string;
    readonly decision: {
      readonly admitted: string;
      readonly quarantined: string;
      readonly dropped: string;
    };
    readonly badCitations: string;
  };
  readonly rate: {
    readonly answer: string;
    readonly helpful: string;
    readonly notHelpful: string;
    readonly hit: (name: string) => string;
    readonly thanks: string;
    readonly taken: string;
  };
  readonly hit: {
    readonly visitor: string;
    readonly score: (score: string) => string;
    readonly similarity: string;
    readonly words: string;
    readonly learnt: string;
    /** `isRated`: this very record was rated so for that question, and not only opened, left, or near one. */
    readonly why: (why: NonNullable<Hit['why']> & { readonly isRated: boolean }) => string;
    readonly more: string;
    readonly less: string;
  };
  readonly sent: {
    readonly open: string;
    readonly title: string;
    readonly toClaude: (model: string) => string;
    readonly nowhere: string;
    readonly system: string;
    readonly user: string;
    readonly assistant: string;
    readonly tokens: (n: string) => string;
    readonly close: string;
  };
  readonly records: {
    readonly title: string;
    readonly count: (shown: number, total: number) => string;
    readonly filter: string;
    readonly none: string;
    readonly add: string;
    readonly name: string;
    readonly location: string;
    readonly visitor: string;
    readonly description: string;
    readonly language: string;
    readonly save: string;
    readonly saving: string;
    readonly cancel: string;
    readonly saved: (name: string) => string;
    readonly remove: string;
    readonly removeNamed: (name: string) => string;
    readonly removeSure: string;
    readonly keep: string;
    readonly removed: (name: string) => string;
    readonly notYet: string;
  };
  readonly spiral: {
    readonly title: string;
    readonly label: (turns: number) => string;
    readonly dot: (n: number, question: string, verdict: string, vote: string) => string;
    readonly empty: string;
    readonly liked: string;
    readonly unrated: string;
    readonly disliked: string;
    readonly size: string;
    readonly asList: string;
  };
  readonly learning: {
    readonly title: string;
    readonly lead: string;
    readonly numbers: string;
    readonly summary: { readonly [key in keyof LoopSummary]: string };
    readonly table: string;
    readonly columns: {
      readonly turn: string;
      readonly question: string;
      readonly backed: string;
      readonly rating: string;
      readonly when: string;
    };
    /** Stands for a number that nothing has been measured for. */
    readonly notYet: string;
    readonly none: string;
  };
  readonly status: {
    readonly title: string;
    readonly starting: string;
    readonly loading: string;
    readonly readyOffline: string;
    readonly ready: string;
    readonly modelFailed: string;
    readonly kept: string;
    readonly notKept: string;
    readonly readOnly: string;
    readonly recordCount: (n: number) => string;
    readonly model: string;
    readonly name: string;
    readonly backend: string;
    readonly why: string;
    readonly dimension: string;
    readonly weights: string;
    readonly threads: string;
    readonly storage: string;
    readonly where: string;
    readonly role: string;
    readonly leader: string;
    readonly through: string;
    readonly used: string;
    readonly usedOf: (used: string, quota: string) => string;
    readonly persisted: string;
    readonly promised: string;
    readonly mayClear: string;
    readonly unknown: string;
    readonly restarts: string;
    readonly restartCount: (embed: number, index: number) => string;
    readonly answers: string;
    readonly claude: {
      readonly unknown: string;
      readonly key: string;
      readonly no_key: string;
      readonly unreachable: string;
    };
    readonly settings: string;
    readonly language: string;
    readonly theme: string;
    readonly themes: { readonly system: string; readonly light: string; readonly dark: string };
    readonly memory: string;
    readonly indexeddb: string;
  };
  readonly problem: {
    readonly title: string;
    readonly byCode: { readonly [code in ErrorCode]?: ProblemWords };
    /** The stored data is gone, and the page has begun again by itself. */
    readonly begunAnew: ProblemWords;
    /** For codes without words of their own. */
    readonly other: ProblemWords;
    readonly details: string;
    readonly retry: string;
    readonly reload: string;
    readonly dismiss: string;
  };
}
