/** A turn as it is kept, put together from what its stages gave. Pure. */
import type { evaluate } from './evaluate/index.ts';
import type { SpacedVector } from './turn-store.ts';
import type { Generation, Hit, Learnt, Prompt, TurnRecord } from './types.ts';

/** What retrieval gave. */
export interface Found {
  readonly hits: readonly Hit[];
  readonly learnt: Learnt | null;
  /** Null: the turn is lexical. */
  readonly at: SpacedVector | null;
}

/** What generation gave. */
export interface Said {
  readonly prompt: Prompt;
  readonly generation: Generation;
  readonly extractive: boolean;
  readonly generator: string;
}

/** What evaluation gave. */
export type Judged = Awaited<ReturnType<typeof evaluate>>;

const NO_TIME = { embed: 0, retrieve: 0, generate: 0, evaluate: 0, store: 0, total: 0 };

export function recordOf(
  mark: Pick<TurnRecord, 'id' | 'question' | 'at'>,
  found: Found,
  said: Said,
  judged: Judged,
): TurnRecord {
  const { generation, prompt, extractive, generator } = said;
  return {
    ...mark,
    retrieval: found.at ? 'hybrid' : 'lexical',
    generator,
    extractive,
    model: generation.model,
    hits: found.hits,
    prompt,
    answer: generation.text,
    citations: judged.citations,
    verdict: judged.verdict,
    usage: generation.usage,
    timings: NO_TIME,
    vote: null,
    hitVotes: {},
    generatedId: null,
    ...(generation.instead ? { instead: generation.instead } : {}),
  };
}

/** A generation that was cut by a bound or refused is shown and not kept. */
export function endedByItself({ stopReason }: Generation): boolean {
  return stopReason === 'end_turn' || stopReason === 'stop_sequence';
}
