/** Turns that can be rated: what a person says becomes an event, and the event changes. */
import { WhorlError } from '../shared/errors.ts';
import { changesFor, type FeedbackEvent, feedbackAfter } from './feedback.ts';
import type { Feedback } from './memory.ts';
import { refuseUnknown } from './options.ts';
import type { Serial } from './serial.ts';
import type { MemoryStore, SpacedVector } from './turn-store.ts';
import type { Turn, TurnRecord, Vote } from './types.ts';

interface Call {
  readonly signal: AbortSignal;
}

interface Optional {
  readonly signal?: AbortSignal;
}

export interface RatingParts {
  readonly memory: MemoryStore;
  /** A rating reads, changes and writes; one after the other none is lost. */
  readonly queue: Serial;
  /** Null while no model is ready. */
  readonly embed: (text: string, call: Call) => Promise<SpacedVector | null>;
  /** Joins the caller's signal with the loop's own end. */
  readonly run: <T>(outer: AbortSignal | undefined, work: (call: Call) => Promise<T>) => Promise<T>;
  readonly randomId: () => string;
  readonly timestamp: () => string;
}

/** What a person did, before it has an id. */
type EventBody =
  | { readonly type: 'rate'; readonly vote: Vote }
  | { readonly type: 'rate-hit'; readonly recordId: string; readonly vote: Vote }
  | { readonly type: 'open-hit'; readonly recordId: string };

export class Rating {
  readonly #parts: RatingParts;

  constructor(parts: RatingParts) {
    this.#parts = parts;
  }

  /** A record with its ratings. The stored row is the truth; what is shown here follows it. */
  turn(record: TurnRecord): Turn {
    let { vote, hitVotes } = record;
    const tell = async (event: EventBody, how: Optional) => {
      refuseUnknown(event.type, how, ['signal']);
      if (record.draft) throw draftError(record.draft);
      const after = await this.#parts.run(how.signal, (call) => this.#rate(record.id, event, call));
      ({ vote, hitVotes } = after);
    };
    return {
      ...record,
      get vote() {
        return vote;
      },
      get hitVotes() {
        return hitVotes;
      },
      rate: async (value, how = {}) => tell({ type: 'rate', vote: checkVote(value) }, how),
      rateHit: async (recordId, value, how = {}) =>
        tell({ type: 'rate-hit', recordId, vote: checkVote(value) }, how),
      openHit: async (recordId, how = {}) => tell({ type: 'open-hit', recordId }, how),
    };
  }

  #rate(turnId: string, body: EventBody, call: Call): Promise<Feedback> {
    const { memory, queue, embed, randomId, timestamp } = this.#parts;
    return queue.run(async () => {
      const { feedback, question, space } = await memory.feedbackOf(turnId, call);
      const event: FeedbackEvent = { ...body, id: randomId(), turnId, at: timestamp() };
      const changes = changesFor(event, feedback);
      // A turn from before the model was ready has no vector yet and would teach nothing.
      const at = space === '' && changes.length > 0 ? await embed(question, call) : null;
      await memory.apply(changes, call, at ? new Map([[turnId, at]]) : new Map());
      return feedbackAfter(changes, feedback);
    }, call.signal);
  }
}

function draftError(reason: string): WhorlError {
  return new WhorlError(
    'unsupported',
    `This answer is a draft (it ended by "${reason}") and was not stored, so it cannot be rated. Ask again.`,
  );
}

function checkVote(vote: Vote): Vote {
  if (vote === 'up' || vote === 'down' || vote === null) return vote;
  throw new WhorlError('invalid_option', `A vote is "up", "down" or null, not "${vote}".`);
}
