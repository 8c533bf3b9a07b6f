/** Options of the index benchmark, checked: unknown ones are refused by name. */

import type { IndexSettings } from './settings.ts';
import { DIMENSION, MOST_ROWS } from './vectors.ts';

interface Bounds {
  readonly least: number;
  readonly most: number;
}

const OPTIONS: Readonly<Record<'n' | 'rounds', Bounds>> = {
  n: { least: 1_000, most: MOST_ROWS },
  rounds: { least: 1, most: 100 },
};

const FEW_ROWS = 20_000;
const ROUNDS = 7;

/** Reads `--n 20000 --rounds 5`; without a number of rows, 20,000 and all. */
export function readOptions(args: readonly string[]): IndexSettings[] {
  const given = { n: 0, rounds: ROUNDS };
  for (let at = 0; at < args.length; at += 2) {
    const name = args[at]?.replace(/^--/, '');
    if (name !== 'n' && name !== 'rounds') {
      throw new Error(
        `bench:index has no option "${args[at]}"; it has --n and --rounds, or --scale.`,
      );
    }
    given[name] = integer(name, args[at + 1]);
  }
  const sizes = given.n === 0 ? [FEW_ROWS, MOST_ROWS] : [given.n];
  return sizes.map((n) => ({ ...given, n, dimension: DIMENSION }));
}

function integer(name: 'n' | 'rounds', text: string | undefined): number {
  const { least, most } = OPTIONS[name];
  const value = /^\d+$/.test(text ?? '') ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new Error(`--${name} must be an integer from ${least} to ${most}, but is ${text}.`);
}
