/** What stands before and behind the tokens of every text, from the `post_processor`. */
import { asCount, asFields, asList, asText, type Fields } from './file.ts';
import { corrupt, unsupported } from './refusal.ts';

export interface Template {
  readonly before: readonly number[];
  readonly behind: readonly number[];
}

/** Special tokens that a file may put around a text, and parts of its template. */
const MOST_SPECIAL = 256;

const NOTHING: Template = { before: [], behind: [] };

/** @throws WhorlError `asset_corrupt`, `unsupported`. */
export function readTemplate(processor: Fields | null): Template {
  switch (processor?.type) {
    case undefined:
      return NOTHING;
    case 'TemplateProcessing':
      return fromTemplate(processor);
    case 'BertProcessing':
    case 'RobertaProcessing':
      return { before: [pairId(processor.cls, 'cls')], behind: [pairId(processor.sep, 'sep')] };
    case 'ByteLevel':
      // Moves offsets, which nobody asks for here.
      return NOTHING;
    case 'Sequence':
      return asList(processor.processors, 'processors').reduce<Template>(
        (inner, next) => around(inner, readTemplate(next)),
        NOTHING,
      );
    default:
      throw unsupported(`the post-processor ${String(processor?.type)}`);
  }
}

function around(inner: Template, outer: Template): Template {
  return bounded({
    before: [...outer.before, ...inner.before],
    behind: [...inner.behind, ...outer.behind],
  });
}

/** A file of a few kilobytes could ask for billions of them otherwise. */
function bounded(template: Template): Template {
  if (template.before.length + template.behind.length > MOST_SPECIAL) throw tooMany();
  return template;
}

function tooMany(): Error {
  return corrupt(`its post-processor adds more than ${MOST_SPECIAL} tokens to every text`);
}

function fromTemplate(processor: Fields): Template {
  const pieces = asList(processor.single, 'single');
  if (pieces.length > MOST_SPECIAL + 1) throw tooMany();
  const text = pieces.findIndex((piece) => 'Sequence' in piece);
  if (text < 0 || pieces.some((piece, i) => 'Sequence' in piece && i !== text)) {
    throw corrupt('its template does not take the text once');
  }
  const special = asFields(processor.special_tokens ?? {}, 'special_tokens');
  const ids = pieces.map((piece) => ('Sequence' in piece ? [] : specialIds(piece, special)));
  for (const piece of pieces) refuseTypes(piece);
  return bounded({ before: ids.slice(0, text).flat(), behind: ids.slice(text).flat() });
}

function specialIds(piece: Fields, special: Fields): number[] {
  const name = asText(asFields(piece.SpecialToken, 'SpecialToken').id, 'the id of a special token');
  const ids = asFields(special[name], `the special token ${name}`).ids;
  if (!Array.isArray(ids)) throw corrupt(`the special token ${name} has no ids`);
  if (ids.length > MOST_SPECIAL) throw tooMany();
  return ids.map((id) => asCount(id, `an id of ${name}`));
}

/** The encoders are given the token type 0 throughout. */
function refuseTypes(piece: Fields): void {
  const part = asFields(piece.SpecialToken ?? piece.Sequence, 'a part of the template');
  if ((part.type_id ?? 0) !== 0) throw unsupported('token types in a single text');
}

function pairId(value: unknown, name: string): number {
  if (!Array.isArray(value)) throw corrupt(`${name} is no pair`);
  return asCount(value[1], `the id of ${name}`);
}
