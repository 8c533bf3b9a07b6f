/**
 * Measures several things in turns, in one thread, so that whatever else the machine does falls on all
 * of them alike. Clock and pause come from outside; a pause lets the page breathe and is not counted.
 */
import type { Search } from './measures.ts';

export interface Clock {
  /** Milliseconds. */
  now(): number;
  pause(): Promise<void>;
}

/** An index that is being built. */
export interface Builder {
  /** Inserts until at least so many rows are in. */
  insertTo(rows: number): void;
  /** Does what is left to do once all rows are in. */
  finish(): void;
}

/** Builds all, slice by slice in turns; milliseconds of each. */
export async function buildInTurns(
  builders: readonly Builder[],
  rows: number,
  slices: number,
  clock: Clock,
): Promise<number[]> {
  const spent = builders.map(() => 0);
  const count = (at: number, work: () => void) => {
    const start = clock.now();
    work();
    spent[at] = (spent[at] as number) + clock.now() - start;
  };
  for (let slice = 1; slice <= slices; slice++) {
    for (const [at, builder] of builders.entries()) {
      count(at, () => builder.insertTo(Math.ceil((rows * slice) / slices)));
      await clock.pause();
    }
  }
  for (const [at, builder] of builders.entries()) count(at, () => builder.finish());
  return spent;
}

/**
 * Runs every query through each search, round by round, each round beginning with another search.
 * Milliseconds by search, round and query.
 */
export async function searchInTurns(
  searches: readonly Search[],
  queries: readonly Float32Array[],
  rounds: number,
  clock: Clock,
): Promise<Float64Array[][]> {
  const times: Float64Array[][] = searches.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < searches.length; turn++) {
      const at = (round + turn) % searches.length;
      times[at]?.push(timeEach(searches[at] as Search, queries, clock));
      await clock.pause();
    }
  }
  return times;
}

function timeEach(search: Search, queries: readonly Float32Array[], clock: Clock): Float64Array {
  const times = new Float64Array(queries.length);
  for (const [at, query] of queries.entries()) {
    const start = clock.now();
    search(query);
    times[at] = clock.now() - start;
  }
  return times;
}
