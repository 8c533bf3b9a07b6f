/**
 * The durable state of each record's enrichment, in `<name>__memory`: a generated text is kept before
 * anything is done with it, so that no crash makes a generation be paid twice.
 */
import * as v from 'valibot';
import type { MilvusRow } from '../shared/milvus-types.ts';
import { MEMORY_OUTPUT, quote, type Sibling } from './siblings.ts';
import { blank, parseRow, toMilvus } from './turn-rows.ts';
import { vectorOf } from './turn-store.ts';

const Body = v.object({
  text: v.string(),
  model: v.string(),
  promptHash: v.string(),
  usage: v.object({ inputTokens: v.number(), outputTokens: v.number() }),
  reason: v.nullable(v.string()),
});
const States = v.picklist(['generated', 'inserted', 'quarantined', 'failed']);

/** Provenance of a generated field, and how far it came. */
export interface EnrichState extends v.InferOutput<typeof Body> {
  readonly key: string;
  /** `generated`: the text is kept, the record may or may not be inserted. */
  readonly state: v.InferOutput<typeof States>;
  /** Field that the text is for. */
  readonly into: string;
  /** Primary key of the inserted record; empty before. */
  readonly recordId: string;
  readonly at: string;
  /** Embedding of the text; null where it was not embedded. */
  readonly vector: Float32Array | null;
}

const PREFIX = 'enrich:';

/** States by key, of all texts for one field. Rows that cannot be read are left out. */
export async function readStates(
  memory: Sibling,
  into: string,
  call: { readonly signal: AbortSignal },
): Promise<Map<string, EnrichState>> {
  const states = new Map<string, EnrichState>();
  const filter = `kind == "enrich" and question == ${quote(into)}`;
  for await (const row of memory.all(filter, MEMORY_OUTPUT, call)) {
    const state = parseState(row);
    if (state) states.set(state.key, state);
  }
  return states;
}

function parseState(found: MilvusRow): EnrichState | null {
  const row = parseRow(found);
  const vector = vectorOf(found.vector);
  if (!row?.id.startsWith(PREFIX)) return null;
  const state = v.safeParse(States, row.decision);
  const body = v.safeParse(v.pipe(v.string(), v.parseJson(), Body), row.body);
  if (!state.success || !body.success) return null;
  return {
    ...body.output,
    key: row.id.slice(PREFIX.length),
    state: state.output,
    into: row.question,
    recordId: row.ref,
    at: row.at,
    vector: vector?.some((value) => value !== 0) ? vector : null,
  };
}

/** Keeps a state; durable when it resolves. */
export async function keepState(
  memory: Sibling,
  state: EnrichState,
  call: { readonly signal: AbortSignal },
): Promise<void> {
  const { key, state: decision, into, recordId, at, vector, ...body } = state;
  const row = {
    ...blank(`${PREFIX}${key}`, 'enrich', at),
    decision,
    question: into,
    ref: recordId,
    body: JSON.stringify(body),
  };
  const zero = vector ?? new Float32Array(await memory.dimension());
  await memory.upsert([toMilvus(row, zero)], call);
}
