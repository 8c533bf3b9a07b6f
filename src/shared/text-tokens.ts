/** How much work a text is, before it is cut into tokens. */

/** Longest text that counts in full: the usual bound of our models; what is longer is cut by the model. */
const MAX_TOKENS = 256;
/** UTF-16 units of a token in languages with spaces: about this for English, fewer for others. */
const UNITS_PER_TOKEN = 4;
/** From here on (CJK) nearly every character is a token of its own. */
const FIRST_IDEOGRAPH = 0x2e80;

/**
 * A rough number of tokens, 3..258: good to a third, which is enough to share work out. Looks at no more
 * than 1,024 units of a text.
 */
export function estimateTokens(text: string): number {
  const end = Math.min(text.length, MAX_TOKENS * UNITS_PER_TOKEN);
  let quarters = 0;
  for (let at = 0; at < end; at++) {
    quarters += text.charCodeAt(at) >= FIRST_IDEOGRAPH ? UNITS_PER_TOKEN : 1;
  }
  return 2 + Math.max(1, Math.min(MAX_TOKENS, Math.ceil(quarters / UNITS_PER_TOKEN)));
}
