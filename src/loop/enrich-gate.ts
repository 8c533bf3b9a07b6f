/**
 * The gate of enrichment. Invention cannot be gated by groundedness; what can be asked of a text that
 * was written for a record is that it is about this record, does not deny what the record says, and
 * does not repeat the text of another one. The rules come from the evaluate stage, through `loop.ts`.
 */
import type { MilvusRow } from '../shared/milvus-types.ts';

type Fields = { readonly [field: string]: string | number };

/** A text that was taken before. */
export interface TakenText {
  readonly id: string;
  readonly text: string;
  readonly vector: Float32Array;
}

/** What can be checked of a text that was written for a record. */
export interface EnrichRules {
  /** Which field values do not appear in the text. */
  coverEntities(text: string, fields: Fields): { readonly missing: readonly string[] };
  /** How a text contradicts its record, in words, or null. */
  contradicts(text: string, fields: Fields): string | null;
  /** The text that another one repeats, or null. */
  findRepeat(
    text: string,
    vector: Float32Array,
    taken: readonly TakenText[],
  ): { readonly kind: 'exact' | 'near'; readonly cosine: number } | null;
}

/** A value longer than this is prose, which need not appear word for word. */
const MAX_MENTION = 80;
const MIN_TEXT = 8;

/** Why a text may not enter its record, or null when it may. `mention`: fields whose value must appear. */
export function whyNotOf(
  rules: EnrichRules,
  text: string,
  row: MilvusRow,
  mention: readonly string[],
): string | null {
  if (text.trim().length < MIN_TEXT) return 'the text is empty or a few characters long';
  const names = fieldsOf(row, (field, value) => mention.includes(field) && isName(value));
  const [missing] = rules.coverEntities(text, names).missing;
  if (missing !== undefined) return `it does not mention the ${missing} ("${names[missing]}")`;
  return rules.contradicts(
    text,
    fieldsOf(row, (_, value) => isName(value) || typeof value === 'number'),
  );
}

/** Why a text repeats another one, or null when it is new. */
export function whyRepeated(
  rules: EnrichRules,
  text: string,
  vector: Float32Array,
  taken: readonly TakenText[],
): string | null {
  const repeat = rules.findRepeat(text, vector, taken);
  if (repeat === null) return null;
  return repeat.kind === 'exact'
    ? 'it is the text of another record'
    : `it repeats the text of another record (cosine ${repeat.cosine.toFixed(2)})`;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '' && value.length <= MAX_MENTION;
}

function fieldsOf(row: MilvusRow, take: (field: string, value: unknown) => boolean) {
  const fields: Record<string, string | number> = {};
  for (const [field, value] of Object.entries(row))
    if (take(field, value)) fields[field] = value as string | number;
  return fields;
}
