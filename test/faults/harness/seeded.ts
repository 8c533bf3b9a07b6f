/** Which seeds a run has, and how long it is. */
export { Seeded } from './random.ts';

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
