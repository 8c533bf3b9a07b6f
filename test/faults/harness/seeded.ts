/** Numbers that look like chance and come back with their seed. */

/** Mulberry32 (Tommy Ettinger, public domain): 32 bits of state, one full period. */
export class Seeded {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`, both included. */
  int(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  pick<T>(from: readonly [T, ...T[]]): T {
    return from[this.int(0, from.length - 1)] ?? from[0];
  }
}

/**
 * Seed of this run: `WHORL_SEED`, else `given`, which is fixed where a test must not be a matter of luck
 * and drawn where a run is to look for what nobody has seen yet.
 */
export function baseSeed(given: number): number {
  const asked = process.env.WHORL_SEED;
  if (asked === undefined || asked === '') return given;
  const seed = Number(asked);
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new Error(`WHORL_SEED must be a whole number, not "${asked}".`);
  }
  return seed;
}

/** Whether the long versions were asked for (`npm run test:faults`). */
export const WHOLE = process.env.WHORL_FAULTS === 'all';

/** Seeds of one fault: three, and from `WHORL_SEED` on where it is set. */
export function seeds(count = 3): readonly number[] {
  const first = baseSeed(1);
  return Array.from({ length: count }, (_, i) => first + i);
}
