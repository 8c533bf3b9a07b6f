/** All texts of the benchmark by the names under which pages ask for them, and how many tokens they have. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createTokenizer } from '../../workers/embed/tokenizer.ts';
import { type Golden, readGolden, sentencesOf } from './quality.ts';
import { MAX_TOKENS, type WorkloadName } from './settings.ts';
import { type Pair, readPairs } from './sts.ts';
import { evenly, readWorkloads, type Texts } from './workloads.ts';

const TOKENIZER = fileURLToPath(
  new URL('../../public/models/all-MiniLM-L6-v2/tokenizer.json', import.meta.url),
);
/** Texts of B on which the batches of peers are tried. */
const SAMPLE = 400;

export interface AllTexts {
  readonly workloads: Texts;
  readonly golden: Golden;
  readonly pairs: readonly Pair[];
  readonly byName: Readonly<Record<string, readonly string[]>>;
  readonly tokens: Readonly<Record<WorkloadName, number>>;
}

export function readTexts(): AllTexts {
  const workloads = readWorkloads();
  const [golden, pairs] = [readGolden(), readPairs()];
  return {
    workloads,
    golden,
    pairs,
    byName: {
      ...workloads,
      B_sample: evenly(workloads.B, SAMPLE),
      golden: golden.texts,
      sts: sentencesOf(pairs),
    },
    tokens: countTokens(workloads),
  };
}

function countTokens(workloads: Texts): Record<WorkloadName, number> {
  const tokenizer = createTokenizer(readFileSync(TOKENIZER), MAX_TOKENS);
  const count = (texts: readonly string[]) =>
    texts.reduce((sum, text) => sum + tokenizer.encode(text).length, 0);
  return {
    Q: count(workloads.Q),
    D: count(workloads.D),
    S: count(workloads.S),
    B: count(workloads.B),
  };
}
