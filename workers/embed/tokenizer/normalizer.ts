/**
 * The `normalizer` of a tokenizer.json, part by part as `tokenizers/src/normalizers` does it. A part
 * that is not known exactly is refused.
 */
import { type BertNormalizerOptions, bertNormalizer, lowercase } from './bert-normalizer.ts';
import { normalForm } from './canonical-order.ts';
import { asFields, asFlag, asList, asText, type Fields } from './file.ts';
import { precompiled } from './precompiled.ts';
import { corrupt, unsupported } from './refusal.ts';

export type Normalizer = (text: string) => string;

/** How many times longer a text may become; Unicode's own forms make 18 characters of one. */
const MOST_GROWTH = 64;

const SPACE = /^\p{White_Space}$/u;

/** @throws WhorlError `asset_corrupt`, `unsupported`. */
export function readNormalizer(fields: Fields | null): Normalizer {
  // A lone surrogate can be in no file and in no text that a model was trained with.
  const normalize = fields ? part(fields) : (text: string) => text;
  return (text) => normalize(text.isWellFormed() ? text : text.toWellFormed());
}

/**
 * Whether letters far apart do not change each other's normal form. A replacement of a longer pattern may
 * begin before a place where a text is cut and end behind it.
 */
export function isLocal(fields: Fields | null): boolean {
  if (fields?.type === 'Sequence') return asList(fields.normalizers, 'normalizers').every(isLocal);
  if (fields?.type !== 'Replace') return true;
  const { String: wanted } = asFields(fields.pattern, 'pattern');
  return typeof wanted !== 'string' || [...wanted].length === 1;
}

function part(fields: Fields): Normalizer {
  switch (fields.type) {
    case 'BertNormalizer':
      return bertNormalizer(bertOptions(fields));
    case 'Sequence':
      return inTurn(asList(fields.normalizers, 'normalizers').map(part));
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD': {
      const form = fields.type;
      return (text) => normalForm(text, form);
    }
    case 'Lowercase':
      return lowercase;
    case 'StripAccents':
      return (text) => text.replace(/\p{M}/gu, '');
    case 'Strip':
      return strip(fields);
    case 'Replace':
      return replace(fields);
    case 'Precompiled':
      return precompiled(asText(fields.precompiled_charsmap, 'precompiled_charsmap'));
    default:
      throw unsupported(`the normalizer ${String(fields.type)}`);
  }
}

function bertOptions(fields: Fields): BertNormalizerOptions {
  const lower = asFlag(fields.lowercase, 'lowercase', true);
  return {
    clean_text: asFlag(fields.clean_text, 'clean_text', true),
    handle_chinese_chars: asFlag(fields.handle_chinese_chars, 'handle_chinese_chars', true),
    strip_accents: asFlag(fields.strip_accents, 'strip_accents', lower),
    lowercase: lower,
  };
}

function inTurn(parts: readonly Normalizer[]): Normalizer {
  return (text) =>
    parts.reduce((done, next) => {
      const result = next(done);
      if (result.length > text.length * MOST_GROWTH) {
        throw corrupt(`its normalizers make a text more than ${MOST_GROWTH} times longer`);
      }
      return result;
    }, text);
}

function strip(fields: Fields): Normalizer {
  const left = asFlag(fields.strip_left, 'strip_left', true);
  const right = asFlag(fields.strip_right, 'strip_right', true);
  return (text) => {
    let start = 0;
    let end = text.length;
    while (left && start < end && SPACE.test(text.charAt(start))) start++;
    while (right && end > start && SPACE.test(text.charAt(end - 1))) end--;
    return text.slice(start, end);
  };
}

/** Plain texts, and the one regular expression that conversions from SentencePiece write. */
function replace(fields: Fields): Normalizer {
  const pattern = asFields(fields.pattern, 'pattern');
  const content = asText(fields.content, 'content');
  if (content.length > MOST_GROWTH) {
    throw unsupported(`a normalizer that puts ${content.length} characters in`);
  }
  if (pattern.Regex === ' {2,}') return (text) => text.replace(/ {2,}/g, () => content);
  if (pattern.Regex !== undefined) {
    throw unsupported(`a normalizer with the pattern ${String(pattern.Regex)}`);
  }
  const wanted = asText(pattern.String, 'pattern');
  if (wanted === '') throw corrupt('a normalizer replaces nothing by something');
  return (text) => text.replaceAll(wanted, () => content);
}
