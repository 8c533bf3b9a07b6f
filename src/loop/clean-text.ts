/**
 * Text that enters a prompt, without what a reader cannot see. Invisible and bidirectional characters
 * carry hidden instructions past a person who reads the same text on the screen.
 */

/**
 * Format characters (zero width, bidirectional marks, tags), controls other than tab and line feed,
 * fillers that look like nothing, and variation selectors that no emoji uses.
 */
const INVISIBLE =
  /\p{Cf}|\p{Cc}|\u2028|\u2029|\u115f|\u1160|\u3164|\uffa0|[\u{fe00}-\u{fe0d}]|[\u{e0100}-\u{e01ef}]/gu;

/** Selectors that choose the look of an emoji; a run of them could spell something. */
const LOOSE_SELECTORS = /(?<!\p{Emoji})[\ufe0e\ufe0f]+|(?<=[\ufe0e\ufe0f])[\ufe0e\ufe0f]+/gu;

const EMOJI_BEFORE = /\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?$/u;
const EMOJI_AFTER = /^\p{Extended_Pictographic}/u;

/** NFC, well-formed, line ends as `\n`, nothing invisible; joiners stay inside emoji. */
export function cleanText(text: string): string {
  const lines = text
    .toWellFormed()
    .normalize('NFC')
    .replace(/\r\n?|[\u2028\u2029\u0085]/g, '\n');
  return lines
    .replace(INVISIBLE, (found, at: number) => kept(found, at, lines))
    .replace(LOOSE_SELECTORS, '');
}

function kept(found: string, at: number, text: string): string {
  if (found === '\n' || found === '\t') return found;
  if (found !== '\u200d') return '';
  const before = text.slice(Math.max(0, at - 4), at);
  const after = text.slice(at + 1, at + 3);
  return EMOJI_BEFORE.test(before) && EMOJI_AFTER.test(after) ? found : '';
}

/** One line: white space folded to single spaces, ends trimmed. */
export function oneLine(text: string): string {
  return cleanText(text).replace(/\s+/g, ' ').trim();
}
