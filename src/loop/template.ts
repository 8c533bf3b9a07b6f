/** Templates with `{field}` places; `{{` and `}}` stand for braces. */
import { WhorlError } from '../shared/errors.ts';
import type { MilvusRow } from '../shared/milvus-types.ts';

const PLACE = /\{\{|\}\}|\{([A-Za-z_]\w*)\}/g;
/** Characters of one value. */
const MAX_VALUE = 4_000;

/** Fields that a template names, each once. Throws `invalid_option` when it names none. */
export function fieldsOf(template: string): string[] {
  const fields = [...template.matchAll(PLACE)].flatMap(([, field]) => field ?? []);
  if (fields.length > 0) return [...new Set(fields)];
  throw new WhorlError(
    'invalid_option',
    'enrich: "template" names no field, so that every record would get the same text. Write {name} where a field belongs.',
  );
}

/** The template with the values of a record in its places. */
export function render(template: string, row: MilvusRow): string {
  return template.replace(PLACE, (place: string, field: string | undefined) => {
    if (field !== undefined) return textOf(row, field);
    return place === '{{' ? '{' : '}';
  });
}

function textOf(row: MilvusRow, field: string): string {
  const value = row[field];
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text;
}

/** Whether a record has something to say for a field. */
export function hasValue(row: MilvusRow, field: string): boolean {
  const value = Object.hasOwn(row, field) ? row[field] : undefined;
  return value !== undefined && value !== null && value !== '';
}
