/** The pre-tokenisers of SentencePiece models (`tokenizers/src/pre_tokenizers`). */
import { asFlag, asList, asText, type Fields } from './file.ts';
import { corrupt, unsupported } from './refusal.ts';

/** A normalised text to the parts that pieces never reach over, in order, none of them empty. */
export type PreTokenizer = (text: string) => string[];

/** @throws WhorlError `asset_corrupt`, `unsupported`. */
export function readPreTokenizer(fields: Fields | null): PreTokenizer {
  switch (fields?.type) {
    case undefined:
      return (text) => (text === '' ? [] : [text]);
    case 'Sequence':
      return inTurn(asList(fields.pretokenizers, 'pretokenizers').map(readPreTokenizer));
    case 'WhitespaceSplit':
      return (text) => text.match(/\P{White_Space}+/gu) ?? [];
    case 'Metaspace':
      return metaspace(fields);
    default:
      throw unsupported(`the pre-tokenizer ${String(fields?.type)} with this model`);
  }
}

function inTurn(parts: readonly PreTokenizer[]): PreTokenizer {
  return (text) => parts.reduce<string[]>((done, next) => done.flatMap(next), [text]);
}

/** Spaces become a visible sign, which each part begins with. */
function metaspace(fields: Fields): PreTokenizer {
  const sign = asText(fields.replacement, 'replacement');
  if ([...sign].length !== 1) throw corrupt('its replacement for a space is not one character');
  const isPrepended = prependsSign(fields);
  const splits = asFlag(fields.split, 'split', true);
  return (text) => {
    if (text === '') return [];
    const spaced = text.replaceAll(' ', sign);
    const whole = isPrepended && !spaced.startsWith(sign) ? sign + spaced : spaced;
    return splits ? before(whole, sign) : [whole];
  };
}

/** Old files say it with `add_prefix_space`, new ones with `prepend_scheme`, some with both. */
function prependsSign(fields: Fields): boolean {
  const old = asFlag(fields.add_prefix_space, 'add_prefix_space', true);
  const scheme = asText(fields.prepend_scheme ?? (old ? 'always' : 'never'), 'prepend_scheme');
  if (scheme !== 'always' && scheme !== 'never') throw unsupported(`the prepend_scheme ${scheme}`);
  if (scheme === 'always' && !old) {
    throw corrupt('its add_prefix_space contradicts its prepend_scheme');
  }
  return scheme === 'always';
}

/** Splits a text before every sign. */
function before(text: string, sign: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let at = text.indexOf(sign, 1); at > 0; at = text.indexOf(sign, at + 1)) {
    parts.push(text.slice(start, at));
    start = at;
  }
  parts.push(text.slice(start));
  return parts;
}
