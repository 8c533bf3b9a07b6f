/** Options of the embed benchmark, checked: unknown ones are refused by name. */

/** What can be measured alone. */
export const PARTS = [
  'Q',
  'D',
  'S',
  'B',
  'quality',
  'paths',
  'start',
  'latency',
  'tokenizer',
  'memory',
] as const;
export type Part = (typeof PARTS)[number];

export interface Options {
  readonly only: ReadonlySet<Part>;
  readonly rounds: number;
}

const ROUNDS = { standard: 7, least: 1, most: 100 } as const;

/** Reads `--only Q,S --rounds 5`. */
export function readOptions(args: readonly string[]): Options {
  let options: Options = { only: new Set(PARTS), rounds: ROUNDS.standard };
  for (let at = 0; at < args.length; at += 2) {
    const [name, value = ''] = [args[at], args[at + 1]];
    if (name === '--only') options = { ...options, only: readParts(value) };
    else if (name === '--rounds') options = { ...options, rounds: readRounds(value) };
    else throw new Error(`bench:embed has no option "${name}"; it has --only and --rounds.`);
  }
  return options;
}

function readParts(text: string): ReadonlySet<Part> {
  const parts = text.split(',');
  const wrong = parts.find((name) => !(PARTS as readonly string[]).includes(name));
  if (wrong === undefined) return new Set(parts as Part[]);
  throw new Error(`--only must name some of ${PARTS.join(', ')}, but names "${wrong}".`);
}

function readRounds(text: string): number {
  const { least, most } = ROUNDS;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new Error(`--rounds must be an integer from ${least} to ${most}, but is "${text}".`);
}
