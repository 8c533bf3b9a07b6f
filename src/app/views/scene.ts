/**
 * What every view is given, and words that several views say.
 */
import type { StopReason, Vote } from '../../loop/types.ts';
import type { Format } from '../format.ts';
import type { Messages } from '../messages/types.ts';
import type { Route } from '../route.ts';
import { turnHash } from '../route.ts';
import type { Session } from '../session.ts';
import type { SpiralTurn } from '../spiral-element.ts';
import { type AppState, countSentences, type Preferences, type TurnItem } from '../state.ts';

export interface Scene {
  readonly state: AppState;
  readonly session: Session;
  readonly words: Messages;
  readonly format: Format;
  readonly route: Route;
  readonly preferences: Preferences;
  readonly prefer: (change: Partial<Preferences>) => void;
  /** Asks, and shows the Ask screen. */
  readonly ask: (question: string) => void;
}

/** The turn that the Ask screen shows: the one in the address, else the newest. */
export function shownTurn({ state, route }: Scene): TurnItem | null {
  if (route.turnId !== null) {
    return state.turns.find((item) => item.turn.id === route.turnId) ?? null;
  }
  return state.turns.at(-1) ?? null;
}

/** The verdict as one sentence. */
export function verdictText(words: Messages, item: Pick<TurnItem, 'turn'>): string {
  const { strong, rest } = verdictParts(words, item);
  return strong + rest;
}

export function verdictParts(
  words: Messages,
  { turn }: Pick<TurnItem, 'turn'>,
): { readonly strong: string; readonly rest: string } {
  if (turn.verdict.refusal) return { strong: words.verdict.refusal, rest: '' };
  const count = countSentences(turn);
  if (count.claims === 0) return { strong: '', rest: words.verdict.nothingClaimed };
  return words.verdict.counted(count);
}

/** Why an answer is shown and not kept, in words. */
export function draftText({ turn: { draft } }: Messages, reason: StopReason): string {
  return reason === 'max_tokens' || reason === 'refusal' ? draft[reason] : draft.other;
}

export function voteText(words: Messages, vote: Vote): string {
  if (vote === 'up') return words.spiral.liked;
  return vote === 'down' ? words.spiral.disliked : words.spiral.unrated;
}

/** The turns as dots of the spiral. */
export function spiralTurns({ state, words }: Scene): readonly SpiralTurn[] {
  return state.turns.map((item, index) => ({
    id: item.turn.id,
    hash: turnHash(item.turn.id),
    share: item.turn.verdict.groundedShare,
    vote: item.vote,
    label: words.spiral.dot(
      index + 1,
      item.turn.question,
      verdictText(words, item),
      voteText(words, item.vote),
    ),
  }));
}
