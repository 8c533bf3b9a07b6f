/** Admitted answers in `<name>__generated`: the text with its provenance, never context for others. */
import type { MilvusRow } from '../shared/milvus-types.ts';
import { withoutMarks } from './evaluate/index.ts';
import { quote, type Sibling } from './siblings.ts';
import { type SpacedVector, vectorOf } from './turn-store.ts';
import type { TurnRecord } from './types.ts';

/** Stored answers that a new one is compared with. */
const COMPARED = 32;
/** Answers are made of human records, which have depth 0. */
const DEPTH = 1;

/** A stored answer without its citation marks, for the search for duplicates. */
export interface StoredAnswer {
  readonly id: string;
  readonly text: string;
  readonly vector: Float32Array;
}

interface Call {
  readonly signal: AbortSignal;
}

/** Stored answers nearest to a new one: where a repeat would be. */
export async function answersNear(
  generated: Sibling,
  { vector, space }: SpacedVector,
  call: Call,
): Promise<StoredAnswer[]> {
  const filter = `space == ${quote(space)}`;
  const fields = ['id', 'text', 'vector'];
  const hits = await generated.search(vector, { filter, limit: COMPARED, fields }, call);
  return hits.flatMap(({ id, text, vector: stored }) => {
    const found = vectorOf(stored);
    if (found === null || typeof text !== 'string') return [];
    return [{ id: String(id), text: withoutMarks(text), vector: found }];
  });
}

/** Keeps an admitted answer; the turn's id is its key, so that a repeat of the call changes nothing. */
export async function keepAnswer(
  generated: Sibling,
  turn: TurnRecord,
  { vector, space }: SpacedVector,
  call: Call,
): Promise<void> {
  const { sentences: _sentences, ...verdict } = turn.verdict;
  const row: MilvusRow = {
    id: turn.id,
    text: turn.answer,
    question: turn.question,
    turn: turn.id,
    parents: JSON.stringify(turn.prompt.sources.map((source) => source.id)),
    prompt_hash: turn.prompt.hash,
    model: turn.model,
    depth: DEPTH,
    verdict: JSON.stringify(verdict),
    at: turn.at,
    space,
    vector,
  };
  await generated.upsert([row], call);
}
