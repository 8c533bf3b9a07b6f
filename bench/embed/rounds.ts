/**
 * Runs the sides in turns, each round beginning with another, so that whatever else the machine does falls
 * on all of them alike. Clock and pause come from outside; pauses are not counted.
 */
import type { SideName } from './settings.ts';

export interface Clock {
  /** Milliseconds. */
  now(): number;
  /** Lets the page and the garbage collector breathe. */
  pause(): Promise<void>;
}

/** Work of one side that is timed as a whole. */
export interface Runner {
  readonly name: SideName;
  run(): Promise<unknown>;
}

/** Milliseconds of each round, by side. */
export type Times = Partial<Record<SideName, number[]>>;

export async function runInTurns(
  runners: readonly Runner[],
  rounds: number,
  clock: Clock,
): Promise<Times> {
  const times: Times = Object.fromEntries(runners.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < runners.length; turn++) {
      const { name, run } = runners[(round + turn) % runners.length] as Runner;
      await clock.pause();
      const start = clock.now();
      await run();
      times[name]?.push(clock.now() - start);
    }
  }
  return times;
}
