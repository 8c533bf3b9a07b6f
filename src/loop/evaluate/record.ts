/**
 * What can be asked of a text that was written for a record. Groundedness cannot gate invention; that
 * the text is about this record, and does not deny what the record says, can be checked.
 */

import { sentencesOf } from '../sentences.ts';
import { readClaim } from './english-words.ts';
import { textKey } from './fold.ts';

/** Values of a record by field name. */
export type RecordFields = { readonly [field: string]: string | number };

/** Which field values appear in the text, by field; case, width and white space apart. */
export function coverEntities(
  text: string,
  fields: RecordFields,
): { readonly covered: string[]; readonly missing: string[] } {
  const folded = textKey(text);
  const covered: string[] = [];
  const missing: string[] = [];
  for (const [field, value] of Object.entries(fields)) {
    (placesOf(textKey(String(value)), folded).length > 0 ? covered : missing).push(field);
  }
  return { covered, missing };
}

/** Letters of scripts with spaces: there a name must not be part of a longer word. */
const JOINING = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{N}]/u;

/** Where a folded value stands as a whole in folded text. */
function placesOf(value: string, text: string): number[] {
  const places: number[] = [];
  if (value === '') return places;
  for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + value.length)) {
    const cutBefore = JOINING.test(text.charAt(at - 1)) && JOINING.test(value.charAt(0));
    const cutAfter = JOINING.test(text.charAt(at + value.length)) && JOINING.test(value.slice(-1));
    if (!cutBefore && !cutAfter) places.push(at);
  }
  return places;
}

/**
 * How a text contradicts its record, in words, or null. Conservative: it names only what is plain.
 * - A number field that stands beside its name with another number: `rooms: 12`, "the 14 rooms".
 * - A value that every sentence that names it denies: "is not in Bree", "never visited by Frodo".
 *
 * A further place or visitor is no contradiction: a text may say where the road leads.
 */
export function contradicts(text: string, fields: RecordFields): string | null {
  const sentences = sentencesOf(text).map((sentence) => sentence.text);
  for (const [field, value] of Object.entries(fields)) {
    const found =
      typeof value === 'number'
        ? otherNumber(sentences, field, value)
        : denied(sentences, field, value);
    if (found !== null) return found;
  }
  return null;
}

/** Words between a field's name and its number. */
const NUMBER_REACH = 2;

function otherNumber(sentences: readonly string[], field: string, value: number): string | null {
  const name = textKey(field.replaceAll('_', ' '));
  for (const sentence of sentences) {
    const tokens = textKey(sentence)
      .replace(/(\d),(?=\d{3}(?!\d))/g, '$1')
      .match(/\d+(?:\.\d+)?|[\p{L}\p{M}]+/gu);
    const said = tokens === null ? null : numberBeside(tokens, name.split(' '));
    if (said !== null && said !== value)
      return `it says ${field} ${said}, the record says ${value}`;
  }
  return null;
}

/** The nearest number at most two words before or behind the name; null when none is there. */
function numberBeside(tokens: readonly string[], name: readonly string[]): number | null {
  for (let at = 0; at + name.length <= tokens.length; at++) {
    if (!name.every((word, i) => sameWord(word, tokens[at + i] ?? ''))) continue;
    for (let reach = 1; reach <= NUMBER_REACH; reach++) {
      for (const token of [tokens[at - reach], tokens[at + name.length - 1 + reach]]) {
        if (token !== undefined && /^\d/.test(token)) return Number(token);
        const spelled = token === undefined ? [] : readClaim(token).numbers;
        if (spelled[0] !== undefined) return spelled[0];
      }
    }
  }
  return null;
}

function sameWord(a: string, b: string): boolean {
  return a === b || `${a}s` === b || a === `${b}s`;
}

/** Right before a value; "not far from Bree" and "do not miss the Dragon" deny nothing. */
const DENIED_BEFORE =
  /(?:\bnot|\bnever|\bnor|n't|\bnowhere near|\bnothing to do with)(?: been)?(?: (?:in|at|of|from|to|called|named|visited by|frequented by|located in|situated in|found in|set foot in))?(?: the| a)?\s*$/iu;
const DENIED_BEHIND = [
  /^ (?:never|(?:did|has|had|was|is)(?: not|n't)(?: been)?) (?:visit|visited|stay|stayed|come|came|set foot|sleep|slept|seen|drink|drunk)\b/iu,
  /^[^。！？、]{0,4}(?:ではありません|ではない|じゃない|にはありません|にはない)/u,
  /^ ?(?:이|가|에)?\s*(?:아니다|아닙니다|아닌|없다|없습니다)/u,
];
const DENIED_CHINESE = /(?:不在|不是|并非|並非|从未|從未|没有|沒有)[^，。！？]{0,4}$/u;

function denied(sentences: readonly string[], field: string, value: string): string | null {
  const name = textKey(value);
  let said = 0;
  let denials = 0;
  for (const sentence of sentences) {
    const text = textKey(sentence).replace(/[’ʼ]/g, "'");
    for (const at of placesOf(name, text)) {
      said++;
      if (isDenied(text.slice(0, at), text.slice(at + name.length))) denials++;
    }
  }
  return said > 0 && denials === said ? `it denies the ${field} ("${value}")` : null;
}

function isDenied(before: string, behind: string): boolean {
  return (
    DENIED_BEFORE.test(before) ||
    DENIED_CHINESE.test(before) ||
    DENIED_BEHIND.some((pattern) => pattern.test(behind))
  );
}
