/**
 * What a person said of a turn, as changes: plain values that can be printed, tested and taken back.
 * Pure; the memory's store applies a list of changes in one transaction.
 */
import { WhorlError } from '../shared/errors.ts';
import { bookingOf, type Calibration, type Feedback } from './memory.ts';
import type { Vote } from './types.ts';

/** What happened, as it is kept for ever. */
export type FeedbackEvent = {
  readonly id: string;
  readonly turnId: string;
  readonly at: string;
} & (
  | { readonly type: 'rate'; readonly vote: Vote }
  | { readonly type: 'rate-hit'; readonly recordId: string; readonly vote: Vote }
  | { readonly type: 'open-hit'; readonly recordId: string }
  | { readonly type: 'undo' }
);

export type Change =
  | { readonly kind: 'event'; readonly event: FeedbackEvent }
  | {
      readonly kind: 'feedback';
      readonly turnId: string;
      readonly before: Feedback;
      readonly after: Feedback;
    }
  /** Differences, so that changes of other turns in between do not matter. */
  | { readonly kind: 'calibration'; readonly add: Calibration };

/**
 * The changes that an event means for a turn. An event that changes nothing (the same vote again) is
 * an empty list. Throws `invalid_option` for a record that was not shown.
 */
export function changesFor(event: FeedbackEvent, before: Feedback): readonly Change[] {
  const after = applied(event, before);
  if (after === before) return [];
  return [{ kind: 'event', event }, ...consequences(event.turnId, before, after)];
}

/** The feedback of a turn once changes are applied. */
export function feedbackAfter(changes: readonly Change[], before: Feedback): Feedback {
  const change = changes.findLast((one) => one.kind === 'feedback');
  return change?.kind === 'feedback' ? change.after : before;
}

function consequences(turnId: string, before: Feedback, after: Feedback): Change[] {
  const was = bookingOf(before);
  const is = bookingOf(after);
  const add = { a: is.a - was.a, b: is.b - was.b };
  const changes: Change[] = [{ kind: 'feedback', turnId, before, after }];
  return add.a === 0 && add.b === 0 ? changes : [...changes, { kind: 'calibration', add }];
}

/** What takes changes back. The events stay; the undoing is an event of its own, with the given id. */
export function undoOf(
  changes: readonly Change[],
  mark: { readonly id: string; readonly at: string },
): readonly Change[] {
  return changes.toReversed().map((change): Change => {
    if (change.kind === 'event')
      return { kind: 'event', event: { ...mark, turnId: change.event.turnId, type: 'undo' } };
    if (change.kind === 'calibration')
      return { kind: 'calibration', add: { a: -change.add.a, b: -change.add.b } };
    return { ...change, before: change.after, after: change.before };
  });
}

function applied(event: FeedbackEvent, before: Feedback): Feedback {
  switch (event.type) {
    case 'rate':
      return before.vote === event.vote ? before : { ...before, vote: event.vote };
    case 'rate-hit':
      return withHitVote(before, shownId(event.recordId, before), event.vote);
    case 'open-hit':
      return withOpened(before, shownId(event.recordId, before));
    case 'undo':
      return before;
  }
}

function withHitVote(before: Feedback, id: string, vote: Vote): Feedback {
  const was = Object.hasOwn(before.hitVotes, id) ? (before.hitVotes[id] ?? null) : null;
  if (was === vote) return before;
  const others = Object.entries(before.hitVotes).filter(([key]) => key !== id);
  const now = vote === null ? others : [...others, [id, vote] as const];
  return { ...before, hitVotes: Object.fromEntries(now) };
}

function withOpened(before: Feedback, id: string): Feedback {
  return before.opened.includes(id) ? before : { ...before, opened: [...before.opened, id] };
}

function shownId(id: string, feedback: Feedback): string {
  if (feedback.shown.some((shown) => shown.id === id)) return id;
  throw new WhorlError(
    'invalid_option',
    `The record "${id}" is not among the hits of this turn that can be rated; nothing was changed. Rate one of its hits.`,
  );
}
