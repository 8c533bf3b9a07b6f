/**
 * What was made of records: answers whose lineage reaches them, turns that showed them, what was said of
 * these turns, and texts that enrichment wrote. Rows that cannot be read count where they name a record.
 */
import * as v from 'valibot';
import type { MilvusRow } from '../shared/milvus-types.ts';
import { MEMORY_OUTPUT, type Sibling } from './siblings.ts';
import { parseRow, parseTurn } from './turn-rows.ts';
import type { TurnRecord } from './types.ts';

/** A record that is to go. */
export interface Doomed {
  readonly id: string;
  /** Its texts; what quotes one of them whole was made of it. */
  readonly texts: readonly string[];
}

/** Keys of rows in the two collections beside the one of the records. */
export interface Descendants {
  readonly answers: ReadonlySet<string>;
  readonly turns: ReadonlySet<string>;
  /** What was said of the turns. */
  readonly events: ReadonlySet<string>;
  readonly enrichments: ReadonlySet<string>;
}

interface Call {
  readonly signal: AbortSignal;
}

/** Shorter texts are in too many others to say anything. */
const LEAST_QUOTED = 4;

const Parents = v.pipe(v.string(), v.parseJson(), v.array(v.string()));

export async function descendantsOf(
  records: readonly Doomed[],
  siblings: { readonly generated: Sibling; readonly memory: Sibling },
  call: Call,
): Promise<Descendants> {
  const ids = new Set(records.map(({ id }) => id));
  const answers = await answersOf(ids, siblings.generated, call);
  const found = {
    turns: new Set<string>(),
    events: new Set<string>(),
    enrichments: new Set<string>(),
  };
  const texts = records
    .flatMap((record) => record.texts)
    .filter((one) => one.length >= LEAST_QUOTED);
  const events: { readonly id: string; readonly turn: string }[] = [];
  const fields = MEMORY_OUTPUT.filter((name) => name !== 'vector');
  for await (const row of siblings.memory.all('id > ""', fields, call)) {
    const id = String(row.id);
    if (row.kind === 'event') events.push({ id, turn: String(row.ref) });
    else if (row.kind === 'turn') {
      if (isOfTurn(row, ids, answers)) found.turns.add(id);
    } else if (row.kind === 'enrich' && isOfEnrichment(row, ids, texts)) found.enrichments.add(id);
  }
  for (const { id, turn } of events) if (found.turns.has(turn)) found.events.add(id);
  return { answers, ...found };
}

/** Answers made of the records, answers made of these, and so on. */
async function answersOf(
  ids: ReadonlySet<string>,
  generated: Sibling,
  call: Call,
): Promise<ReadonlySet<string>> {
  const parentsOf = new Map<string, readonly string[]>();
  for await (const row of generated.all('id > ""', ['id', 'parents'], call)) {
    const parsed = v.safeParse(Parents, row.parents);
    const named = [...ids].filter((id) => String(row.parents).includes(JSON.stringify(id)));
    parentsOf.set(String(row.id), parsed.success ? parsed.output : named);
  }
  const answers = new Set<string>();
  for (let before = -1; before !== answers.size; ) {
    before = answers.size;
    for (const [id, parents] of parentsOf) {
      if (parents.some((parent) => ids.has(parent) || answers.has(parent))) answers.add(id);
    }
  }
  return answers;
}

function isOfTurn(row: MilvusRow, ids: ReadonlySet<string>, answers: ReadonlySet<string>): boolean {
  if (answers.has(String(row.id))) return true;
  const parsed = parseRow(row);
  const turn = parsed === null ? null : parseTurn(parsed);
  return turn === null ? names(row, ids) : showed(turn, ids, answers);
}

function showed(turn: TurnRecord, ids: ReadonlySet<string>, answers: ReadonlySet<string>): boolean {
  const shown = [...turn.hits, ...turn.prompt.sources].map(({ id }) => id);
  const cited = turn.citations.flatMap(({ id }) => id ?? []);
  const made = [turn.generatedId, turn.verdict.duplicateOf].flatMap((id) => id ?? []);
  return [...shown, ...cited].some((id) => ids.has(id)) || made.some((id) => answers.has(id));
}

/** A text that was written for a record, or that quotes one: it may have been refused before it had a record. */
function isOfEnrichment(
  row: MilvusRow,
  ids: ReadonlySet<string>,
  texts: readonly string[],
): boolean {
  if (ids.has(String(row.ref))) return true;
  const body = bodyOf(row);
  return texts.some((text) => body.includes(JSON.stringify(text).slice(1, -1)));
}

/** Whether a row that cannot be read has the id of a record in it. */
function names(row: MilvusRow, ids: ReadonlySet<string>): boolean {
  const body = `${bodyOf(row)} ${String(row.feedback)}`;
  return [...ids].some((id) => body.includes(JSON.stringify(id)));
}

function bodyOf({ body0, body1, body2, body3 }: MilvusRow): string {
  return [body0, body1, body2, body3].map(String).join('');
}
