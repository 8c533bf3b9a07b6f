/**
 * Tokens of a text without the model's tokenizer, which is not public. The weights lean high, so that
 * a budget holds: about 3.6 ASCII characters, 2 accented letters, or one character of any other
 * script a token, two tokens for a character beyond the basic plane.
 */

const ASCII = 0.28;
const LATIN = 0.5;

function weight(codePoint: number): number {
  if (codePoint < 0x80) return ASCII;
  if (codePoint < 0x250) return LATIN;
  return codePoint > 0xffff ? 2 : 1;
}

/** Estimated tokens, at least 1 for a text that is not empty. */
export function estimateTokens(text: string): number {
  let sum = 0;
  for (const character of text) sum += weight(character.codePointAt(0) ?? 0);
  return Math.ceil(sum);
}

const BREAK_WITHIN = 60;

/**
 * The longest start of a text inside a budget, ended by an ellipsis where something was cut. Cuts at
 * white space where there is some within the last 60 characters, never inside a character.
 */
export function cutToTokens(text: string, budget: number): string {
  let sum = 0;
  let end = 0;
  for (const character of text) {
    sum += weight(character.codePointAt(0) ?? 0);
    if (sum > budget - 1 && Math.ceil(sum) > budget) return shortened(text, end);
    if (sum <= budget - 1) end += character.length;
  }
  return text;
}

function shortened(text: string, end: number): string {
  const head = text.slice(0, end);
  const gap = head.search(/\s\S*$/);
  const kept = gap > end - BREAK_WITHIN && gap > 0 ? head.slice(0, gap) : head;
  return `${kept.trimEnd()}…`;
}
