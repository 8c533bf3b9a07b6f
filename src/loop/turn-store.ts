/**
 * The feedback memory as it is kept: turns, events and the calibration in `<name>__memory`. Changes of
 * one rating go in with one upsert; on our store that is one transaction. Rows that cannot be read
 * are left out and counted.
 */
import { WhorlError } from '../shared/errors.ts';
import type { MilvusRow } from '../shared/milvus-types.ts';
import type { Change, FeedbackEvent } from './feedback.ts';
import {
  type Calibration,
  type Feedback,
  isTouched,
  type PastTurn,
  UNCALIBRATED,
} from './memory.ts';
import { MEMORY_OUTPUT, quote, type Sibling } from './siblings.ts';
import {
  CALIBRATION_ID,
  calibrationRow,
  eventRow,
  isLearnable,
  type MemoryRow,
  parseCalibration,
  parseFeedback,
  parseRow,
  parseTurn,
  toMilvus,
  turnRow,
} from './turn-rows.ts';
import type { Learnt, TurnRecord } from './types.ts';

/** Past questions that are recalled for one question, nearest first. */
const RECALLED = 200;
const TEXT_FIELDS = MEMORY_OUTPUT.filter((name) => name !== 'vector');

interface Call {
  readonly signal: AbortSignal;
}

/** A vector and the fingerprint of its space. */
export interface SpacedVector {
  readonly vector: Float32Array;
  readonly space: string;
}

export class MemoryStore {
  readonly #sibling: Sibling;

  constructor(sibling: Sibling) {
    this.#sibling = sibling;
  }

  /** Rated past questions near a question, in the same vector space. */
  async recall({ vector, space }: SpacedVector, call: Call): Promise<PastTurn[]> {
    const hits = await this.#sibling.search(
      vector,
      {
        filter: `kind == "turn" and rated == true and space == ${quote(space)}`,
        limit: RECALLED,
        fields: ['id', 'question', 'feedback'],
      },
      call,
    );
    return hits.flatMap((hit) => {
      const feedback = parseFeedback(hit.feedback);
      if (feedback === null) return [];
      const { id, question, distance } = hit;
      return [{ turnId: String(id), question: String(question), similarity: distance, feedback }];
    });
  }

  async calibration(call: Call): Promise<Calibration> {
    const [row] = await this.#sibling.get([CALIBRATION_ID], TEXT_FIELDS, call);
    const parsed = row ? parseRow(row) : null;
    return parsed ? parseCalibration(parsed) : UNCALIBRATED;
  }

  /** Keeps a turn with the list that it showed. `at`: null for a lexical turn, which has no vector. */
  async append(
    turn: TurnRecord,
    learnt: Learnt | null,
    at: SpacedVector | null,
    call: Call,
  ): Promise<void> {
    const row = turnRow(turn, shownBy(turn, learnt), at?.space ?? '');
    const vector = at?.vector ?? new Float32Array(await this.#sibling.dimension());
    await this.#sibling.upsert([toMilvus(row, vector)], call);
  }

  /** Feedback of one stored turn, and whether it has a vector. Throws when the turn is gone. */
  async feedbackOf(
    turnId: string,
    call: Call,
  ): Promise<{ readonly feedback: Feedback; readonly question: string; readonly space: string }> {
    const { row } = await this.#turn(turnId, call);
    return { feedback: readable(row), question: row.question, space: row.space };
  }

  /**
   * Applies changes in one upsert; all or none. `vectors` replaces those of turns that had none.
   * Rejects when the feedback of a turn is not the one that the changes start from.
   */
  async apply(
    changes: readonly Change[],
    call: Call,
    vectors: ReadonlyMap<string, SpacedVector> = new Map(),
  ): Promise<void> {
    if (changes.length === 0) return;
    const dimension = await this.#sibling.dimension();
    const zero = new Float32Array(dimension);
    const at = changes.flatMap((change) => (change.kind === 'event' ? [change.event.at] : []))[0];
    const data: MilvusRow[] = [];
    for (const change of changes) {
      if (change.kind === 'event') data.push(toMilvus(eventRow(change.event), zero));
      else if (change.kind === 'feedback')
        data.push(await this.#changedTurn(change, vectors.get(change.turnId), call));
      else {
        const was = await this.calibration(call);
        const now = { a: was.a + change.add.a, b: was.b + change.add.b };
        data.push(toMilvus(calibrationRow(now, at ?? ''), zero));
      }
    }
    await this.#sibling.upsert(data, call);
  }

  async #changedTurn(
    change: Extract<Change, { kind: 'feedback' }>,
    at: SpacedVector | undefined,
    call: Call,
  ): Promise<MilvusRow> {
    const { row, vector } = await this.#turn(change.turnId, call);
    if (JSON.stringify(readable(row)) !== JSON.stringify(change.before)) throw stale();
    const changed: MemoryRow = {
      ...row,
      rated: isTouched(change.after),
      feedback: JSON.stringify(change.after),
      space: at?.space ?? row.space,
    };
    return toMilvus(changed, at?.vector ?? vector);
  }

  async #turn(turnId: string, call: Call) {
    const [found] = await this.#sibling.get([turnId], MEMORY_OUTPUT, call);
    const row = found ? parseRow(found) : null;
    const vector = found ? vectorOf(found.vector) : null;
    if (row?.kind !== 'turn' || vector === null)
      throw new WhorlError(
        'invalid_request',
        'This turn is no longer stored, or cannot be read; nothing was changed. Ask the question again.',
      );
    return { row, vector };
  }

  /** All turns that can be read, oldest first. */
  async turns(call: Call): Promise<{ readonly turns: TurnRecord[]; readonly broken: number }> {
    const turns: TurnRecord[] = [];
    let broken = 0;
    for await (const found of this.#sibling.all('kind == "turn"', TEXT_FIELDS, call)) {
      const row = parseRow(found);
      const turn = row ? parseTurn(row) : null;
      if (turn) turns.push(turn);
      else broken += 1;
    }
    turns.sort((a, b) => order(a.at, b.at) || order(a.id, b.id));
    return { turns, broken };
  }

  /** Events, oldest first. */
  async events(call: Call): Promise<FeedbackEvent[]> {
    const events: FeedbackEvent[] = [];
    for await (const found of this.#sibling.all('kind == "event"', TEXT_FIELDS, call)) {
      const row = parseRow(found);
      if (row) events.push(JSON.parse(row.body) as FeedbackEvent);
    }
    return events.sort((a, b) => order(a.at, b.at));
  }

  count(filter: string, call: Call): Promise<number> {
    return this.#sibling.count(filter, call);
  }

  /** Fields that enrichment filled, by record id, among the given records. */
  async generatedFields(ids: readonly string[], call: Call): Promise<Map<string, string[]>> {
    const fields = new Map<string, string[]>();
    if (ids.length === 0) return fields;
    const list = ids.map(quote).join(', ');
    const filter = `kind == "enrich" and decision == "inserted" and ref in [${list}]`;
    const rows = await this.#sibling.query(
      { filter, limit: ids.length * 16, outputFields: ['ref', 'question'] },
      call,
    );
    for (const { ref, question } of rows) {
      if (typeof ref !== 'string' || typeof question !== 'string') continue;
      fields.set(ref, [...(fields.get(ref) ?? []), question]);
    }
    return fields;
  }
}

/** The list that a turn showed, with what the memory said of it: a prediction, kept to be tested. */
export function shownBy(turn: TurnRecord, learnt: Learnt | null): Feedback {
  const shown = turn.hits
    .filter((hit) => isLearnable(hit.id))
    .map(({ id, rank }) => ({ id, rank, u: learnt?.records.get(id)?.u ?? 0 }));
  const known = new Set(shown.map(({ id }) => id));
  const cited = turn.citations.flatMap(({ id }) => (id !== null && known.has(id) ? [id] : []));
  return {
    shown,
    p0: learnt?.p0 ?? 0,
    cited: [...new Set(cited)],
    vote: null,
    hitVotes: {},
    opened: [],
  };
}

function readable(row: MemoryRow): Feedback {
  const feedback = parseFeedback(row.feedback);
  if (feedback) return feedback;
  throw new WhorlError(
    'storage_lost',
    'The feedback of this turn cannot be read; nothing was changed. Ask the question again.',
  );
}

function stale(): WhorlError {
  return new WhorlError(
    'invalid_request',
    'The feedback of this turn has changed since; nothing was changed. Read the turn again.',
  );
}

/** A vector as our store (Float32Array) or a cluster (numbers) gives it; null for anything else. */
export function vectorOf(value: unknown): Float32Array | null {
  if (value instanceof Float32Array) return value;
  if (!Array.isArray(value) || !value.every((x) => typeof x === 'number')) return null;
  return Float32Array.from(value as number[]);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
