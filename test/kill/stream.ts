/** Streams of changes, and what may be found of one that was cut off. */

import {
  after,
  type Change,
  type Model,
  printed,
  type RowVersion,
} from '../faults/harness/rows.ts';
import type { Seeded } from '../faults/harness/seeded.ts';

/** Keys are taken from 1 to this, so that the collection keeps a size at which looking is quick. */
const KEYS = 1_200;
const SIZES = [1, 1, 1, 2, 10, 60, 300] as const;

/** Versions count up over all streams, so that no two writes of a key look alike. */
export class Versions {
  #last = 0;

  next(): number {
    this.#last += 1;
    return this.#last;
  }
}

function rows(random: Seeded, versions: Versions): RowVersion[] {
  const first = random.int(1, KEYS);
  const size = random.pick(SIZES);
  return Array.from({ length: size }, (_, i) => [((first + i) % KEYS) + 1, versions.next()]);
}

/** One change of 1 to 300 rows. */
export function drawChange(random: Seeded, versions: Versions): Change {
  const roll = random.next();
  if (roll < 0.25) {
    const ids = rows(random, new Versions()).map(([id]) => id);
    return { kind: 'delete', ids };
  }
  return { kind: roll < 0.6 ? 'insert' : 'upsert', rows: rows(random, versions) };
}

export function drawChanges(random: Seeded, versions: Versions, count: number): readonly Change[] {
  return Array.from({ length: count }, () => drawChange(random, versions));
}

/** The rows before the first change, after the first, after the second, ... */
export function statesOf(model: Model, changes: readonly Change[]): readonly Model[] {
  const states = [model];
  for (const change of changes) states.push(after(states.at(-1) ?? model, change));
  return states;
}

/**
 * How many changes of a stream the rows that were found hold: all up to one, and nothing of the rest.
 * -1: there is no such number, so something is lost in the middle, torn, or made up. The highest number
 * counts where several fit (a delete of what is not there changes nothing).
 */
export function prefixOf(states: readonly Model[], rows: readonly RowVersion[]): number {
  const found = printed(new Map(rows));
  return states.findLastIndex((state) => printed(state) === found);
}
