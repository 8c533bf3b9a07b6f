/** The filter of a call: its text, and the values that it names by `{...}`. */
import { type Body, optionalText } from './body.ts';
import { type CompiledFilter, compileFilter } from './filter/compile.ts';
import { parseTemplateValues } from './filter/template.ts';
import type { CollectionSpec } from './schema.ts';

/** Null: no filter. Throws 1100 for a filter, or a value, that cannot be. */
export function wantedFilter(body: Body, spec: CollectionSpec): CompiledFilter | null {
  const text = optionalText(body, 'filter');
  const values = parseTemplateValues(body.exprParams);
  return text === '' ? null : compileFilter(text, spec, values);
}
