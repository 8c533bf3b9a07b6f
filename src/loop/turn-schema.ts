/** The stored body of a turn, as a schema: what is read from a collection is not trusted. */
import * as v from 'valibot';
import type { Hit, TurnRecord } from './types.ts';

const number = v.pipe(v.number(), v.finite());
const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const WhySchema = v.object({
  places: v.pipe(v.number(), v.integer()),
  question: v.string(),
  turnId: v.string(),
  similarity: number,
  liked: v.boolean(),
});

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const HitSchema = v.object({
  id: v.string(),
  rank: v.pipe(count, v.minValue(1)),
  score: number,
  parts: v.object({ similarity: number, words: number, learnt: number }),
  // Not `v.record`, which leaves out keys such as `constructor`: a field may have any name.
  row: v.custom<Hit['row']>(isRecord),
  text: v.string(),
  why: v.nullable(WhySchema),
  generatedFields: v.optional(v.array(v.string())),
});

const PromptSchema = v.object({
  system: v.string(),
  messages: v.array(v.object({ role: v.picklist(['user', 'assistant']), content: v.string() })),
  sources: v.array(
    v.object({
      number: count,
      id: v.string(),
      text: v.string(),
      heading: v.optional(v.string()),
    }),
  ),
  question: v.string(),
  hash: v.string(),
  tokens: count,
});

const CitationSchema = v.object({
  start: count,
  end: count,
  number: count,
  id: v.nullable(v.string()),
});

const VerdictSchema = v.object({
  sentences: v.array(
    v.object({
      start: count,
      end: count,
      text: v.string(),
      state: v.picklist(['grounded', 'unsupported', 'abstained', 'framing']),
      cosine: v.nullable(number),
      recall: v.nullable(number),
      reason: v.string(),
    }),
  ),
  groundedShare: v.nullable(number),
  citationValidity: number,
  refusal: v.boolean(),
  duplicateOf: v.nullable(v.string()),
  decision: v.picklist(['admitted', 'quarantined', 'dropped']),
  reason: v.string(),
});

export const TurnBodySchema = v.object({
  id: v.string(),
  question: v.string(),
  at: v.pipe(v.string(), v.isoTimestamp()),
  retrieval: v.picklist(['hybrid', 'lexical']),
  generator: v.string(),
  extractive: v.boolean(),
  model: v.string(),
  hits: v.pipe(v.array(HitSchema), v.maxLength(50)),
  prompt: PromptSchema,
  answer: v.string(),
  citations: v.array(CitationSchema),
  verdict: VerdictSchema,
  usage: v.object({ inputTokens: count, outputTokens: count }),
  timings: v.object({
    embed: number,
    retrieve: number,
    generate: number,
    evaluate: number,
    store: number,
    total: number,
  }),
  generatedId: v.nullable(v.string()),
  instead: v.optional(v.object({ code: v.string(), message: v.string() })),
});

/** What a row's body holds; votes live beside it, in the row's feedback. */
export type TurnBody = Omit<TurnRecord, 'vote' | 'hitVotes'>;
