/**
 * Rows of the memory collection: turns, events, the calibration and the state of enrichment, all in
 * one collection so that one upsert holds all that a rating changes. What is read is parsed: the
 * collection may be written by others.
 *
 * JSON is kept in VarChar fields: a JSON field holds at most 65,535 bytes, and some servers answer it as
 * text and some as a value. The body of a row is one JSON text cut into {@link BODY_PARTS} fields.
 */
import * as v from 'valibot';
import { WhorlError } from '../shared/errors.ts';
import type { MilvusRow } from '../shared/milvus-types.ts';
import type { FeedbackEvent } from './feedback.ts';
import type { Calibration, Feedback } from './memory.ts';
import { type TurnBody, TurnBodySchema } from './turn-schema.ts';
import type { Hit, TurnRecord } from './types.ts';

/** Bytes of UTF-8 that a VarChar field holds. */
export const FIELD_BYTES = 65_535;
export const BODY_PARTS = ['body0', 'body1', 'body2', 'body3'] as const;
/** Bytes of the JSON of the longest id that is learnt from: 50 of them, each four times, fit the feedback of a turn. */
const MAX_LEARNT_ID = 256;

export type RowKind = 'turn' | 'event' | 'calibration' | 'enrich';
export const CALIBRATION_ID = 'calibration';

/** Fields beside the vector; all are VarChar but `rated`. */
export const MEMORY_FIELDS = [
  'id',
  'kind',
  'ref',
  'at',
  'rated',
  'space',
  'decision',
  'question',
  'feedback',
  ...BODY_PARTS,
] as const;

/** A row without its vector. */
export interface MemoryRow {
  readonly id: string;
  readonly kind: RowKind;
  /** What it belongs to: the turn of an event, the record of an enrichment. */
  readonly ref: string;
  /** ISO 8601. */
  readonly at: string;
  /** Turns: whether anybody said anything about it. */
  readonly rated: boolean;
  /** Fingerprint of the vector's space; empty where the vector is zero. */
  readonly space: string;
  /** Turns: the verdict. Enrichment: the state. */
  readonly decision: string;
  readonly question: string;
  readonly feedback: string;
  readonly body: string;
}

const RowSchema = v.object({
  id: v.string(),
  kind: v.picklist(['turn', 'event', 'calibration', 'enrich']),
  ref: v.string(),
  at: v.string(),
  rated: v.boolean(),
  space: v.string(),
  decision: v.string(),
  question: v.string(),
  feedback: v.string(),
  body0: v.string(),
  body1: v.string(),
  body2: v.string(),
  body3: v.string(),
});

/** Clicks for one examination: a click at rank 50 counts as one in 1/50 of an examination. */
const MAX_RATE = 100;

const id = v.pipe(v.string(), v.maxLength(MAX_LEARNT_ID));
const vote = v.picklist(['up', 'down']);
const FeedbackSchema = v.object({
  shown: v.pipe(
    v.array(
      v.object({
        id,
        rank: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000)),
        u: v.pipe(v.number(), v.minValue(-MAX_RATE), v.maxValue(MAX_RATE)),
      }),
    ),
    v.maxLength(50),
  ),
  p0: v.pipe(v.number(), v.minValue(0), v.maxValue(MAX_RATE)),
  cited: v.pipe(v.array(id), v.maxLength(50)),
  vote: v.nullable(vote),
  hitVotes: v.custom<Feedback['hitVotes']>(isVotes),
  opened: v.pipe(v.array(id), v.maxLength(50)),
});

/** Not `v.record`, which leaves out keys such as `constructor`: a record may have any id. */
function isVotes(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const votes = Object.entries(value);
  return (
    votes.length <= 50 &&
    votes.every(([key, said]) => key.length <= MAX_LEARNT_ID && v.is(v.nullable(vote), said))
  );
}

const finite = v.pipe(v.number(), v.finite());
const CalibrationSchema = v.object({ a: finite, b: finite });

/** A row as it was read, or null for one that is broken. */
export function parseRow(row: MilvusRow): MemoryRow | null {
  const parsed = v.safeParse(RowSchema, row);
  if (!parsed.success) return null;
  const { body0, body1, body2, body3, ...rest } = parsed.output;
  return { ...rest, body: body0 + body1 + body2 + body3 };
}

/** Feedback of a turn, or null for one that is broken. */
export function parseFeedback(text: unknown): Feedback | null {
  const parsed = v.safeParse(FeedbackSchema, typeof text === 'string' ? fromJson(text) : null);
  return parsed.success ? parsed.output : null;
}

/** The calibration; a broken one is an error, since guessing it would change every later search. */
export function parseCalibration(row: MemoryRow): Calibration {
  const parsed = v.safeParse(CalibrationSchema, fromJson(row.body));
  if (parsed.success) return parsed.output;
  throw new WhorlError(
    'storage_lost',
    'The calibration of the feedback memory cannot be read; records and turns are kept. Drop the memory collection to start learning anew.',
  );
}

/** A turn, or null for a row that is broken. */
export function parseTurn(row: MemoryRow): TurnRecord | null {
  const body = v.safeParse(TurnBodySchema, fromJson(row.body));
  const feedback = parseFeedback(row.feedback);
  if (!body.success || feedback === null || row.kind !== 'turn') return null;
  return {
    ...(body.output as TurnBody),
    id: row.id,
    vote: feedback.vote,
    hitVotes: feedback.hitVotes,
  };
}

/** The row of a turn. Long records are shortened until the turn fits; the prompt and the answer never are. */
export function turnRow(turn: TurnRecord, feedback: Feedback, space: string): MemoryRow {
  const { vote: _vote, hitVotes: _hitVotes, ...body } = turn;
  return {
    id: turn.id,
    kind: 'turn',
    ref: '',
    at: turn.at,
    rated: false,
    space,
    decision: turn.verdict.decision,
    question: turn.question,
    feedback: JSON.stringify(feedback),
    body: fittingJson(body),
  };
}

export function eventRow(event: FeedbackEvent): MemoryRow {
  const body = JSON.stringify(event);
  return { ...blank(`event:${event.id}`, 'event', event.at), ref: event.turnId, body };
}

export function calibrationRow(calibration: Calibration, at: string): MemoryRow {
  const body = JSON.stringify(calibration);
  return { ...blank(CALIBRATION_ID, 'calibration', at), body };
}

/** A row whose other fields are empty. */
export function blank(id: string, kind: RowKind, at: string): MemoryRow {
  return {
    id,
    kind,
    ref: '',
    at,
    rated: false,
    space: '',
    decision: '',
    question: '',
    feedback: '',
    body: '',
  };
}

/** The row as the store takes it. Throws `too_large` for a body beyond all its parts. */
export function toMilvus(row: MemoryRow, vector: Float32Array): MilvusRow {
  const { body, ...fields } = row;
  const parts = splitBytes(body, FIELD_BYTES);
  if (parts.length > BODY_PARTS.length) throw tooLarge();
  const entries = BODY_PARTS.map((name, i) => [name, parts[i] ?? ''] as const);
  return { ...fields, ...Object.fromEntries(entries), vector };
}

function tooLarge(): WhorlError {
  return new WhorlError(
    'too_large',
    `The turn is larger than ${BODY_PARTS.length * FIELD_BYTES} bytes and was not stored. Ask with a smaller token budget.`,
  );
}

/** A text in parts of at most `bytes` of UTF-8; no character is divided. */
export function splitBytes(text: string, bytes: number): string[] {
  const encoder = new TextEncoder();
  const room = new Uint8Array(bytes);
  const parts: string[] = [];
  for (let at = 0; at < text.length; ) {
    const { read } = encoder.encodeInto(text.slice(at, at + bytes), room);
    parts.push(text.slice(at, at + read));
    at += read;
  }
  return parts;
}

/** Longest string of a shown record that is kept, tried in this order. */
const CAPS = [Number.POSITIVE_INFINITY, 8192, 2048, 512, 128, 16];

function fittingJson(body: Omit<TurnRecord, 'vote' | 'hitVotes'>): string {
  for (const cap of CAPS) {
    const hits = body.hits.map((hit) => shortHit(hit, cap));
    const json = JSON.stringify({ ...body, hits }).toWellFormed();
    if (splitBytes(json, FIELD_BYTES).length <= BODY_PARTS.length) return json;
  }
  throw tooLarge();
}

function shortHit(hit: Hit, cap: number): Hit {
  return { ...hit, text: shortText(hit.text, cap), row: shortValue(hit.row, cap, 0) as MilvusRow };
}

function shortText(text: string, cap: number): string {
  return text.length > cap ? `${text.slice(0, cap)}…`.toWellFormed() : text;
}

const MAX_DEPTH = 8;

/** JSON without long strings, deep nests, vectors and BigInts. */
function shortValue(value: unknown, cap: number, depth: number): unknown {
  if (typeof value === 'string') return shortText(value, cap);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH || ArrayBuffer.isView(value)) return null;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = Number.isFinite(cap) ? value.slice(0, cap) : value;
    return items.map((item) => shortValue(item, cap, depth + 1));
  }
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    shortValue(item, cap, depth + 1),
  ]);
  return Object.fromEntries(entries);
}

/** Whether a record can be learnt from: its id fits the feedback of a turn. */
export function isLearnable(recordId: string): boolean {
  if (recordId.length > MAX_LEARNT_ID) return false;
  return new TextEncoder().encode(JSON.stringify(recordId)).length <= MAX_LEARNT_ID;
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
