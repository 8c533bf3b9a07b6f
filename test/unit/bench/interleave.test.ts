import { describe, expect, it } from 'vitest';
import { buildInTurns, searchInTurns } from '../../../bench/index/interleave.ts';

/** A clock that only work and pauses move. */
function fakeClock() {
  let time = 0;
  return {
    now: () => time,
    spend: (ms: number) => {
      time += ms;
    },
    pause: async () => {
      time += 1000;
    },
  };
}

describe('building in turns', () => {
  it('inserts slice by slice and counts each builder alone, without the pauses', async () => {
    const clock = fakeClock();
    const events: string[] = [];
    const builder = (name: string, cost: number) => {
      let done = 0;
      return {
        insertTo(rows: number) {
          clock.spend((rows - done) * cost);
          done = rows;
          events.push(`${name}${rows}`);
        },
        finish() {
          clock.spend(5);
          events.push(`${name} end`);
        },
      };
    };
    const spent = await buildInTurns([builder('a', 1), builder('b', 10)], 10, 3, clock);
    expect(events).toEqual(['a4', 'b4', 'a7', 'b7', 'a10', 'b10', 'a end', 'b end']);
    expect(spent).toEqual([15, 105]);
  });
});

describe('searching in turns', () => {
  it('times every query of every round, each round beginning with another search', async () => {
    const clock = fakeClock();
    const events: string[] = [];
    const search = (name: string, cost: number) => (query: Float32Array) => {
      clock.spend(cost * query[0]!);
      events.push(`${name}${query[0]}`);
      return [];
    };
    const queries = [Float32Array.of(1), Float32Array.of(2)];
    const times = await searchInTurns([search('a', 1), search('b', 10)], queries, 2, clock);
    expect(events).toEqual(['a1', 'a2', 'b1', 'b2', 'b1', 'b2', 'a1', 'a2']);
    expect(times.map((rounds) => rounds.map((round) => Array.from(round)))).toEqual([
      [
        [1, 2],
        [1, 2],
      ],
      [
        [10, 20],
        [10, 20],
      ],
    ]);
  });
});
