/** What two texts are compared by. */

const LETTERS = /\p{L}/gu;
const LATIN = /\p{Script=Latin}/gu;
const LATIN_SHARE = 0.7;
const ENGLISH =
  wordSet(`the a an of and to in is was are were it its that this for on with as by at from be
  has have had not which who when where there their they his her he she but or than into after only every no`);
const NOT_ENGLISH =
  wordSet(`le la les des du et est une un dans pour que qui au aux ne pas ce il elle sur der die das
  und ist den dem ein eine nicht mit auf von zu im el los las y es en una por con su al lo si no e il di che non
  per è gli della o os um uma não do da het een van zijn niet op och att det som på av är ja ve bir bu`);

/** NFKC, case-folded, white space folded: the text that is hashed to find exact repeats. */
export function textKey(text: string): string {
  // Upper case first: only so do `ß` and `SS`, or the two small sigmas, become equal.
  const folded = text.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
  return folded.replace(/\s+/gu, ' ').trim();
}

/** Lower-case words and numbers; whole runs of letters in scripts without spaces. */
export function tokensOf(text: string): string[] {
  return textKey(text).match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
}

/**
 * Whether the English rules may judge a text: by script, and among Latin letters by the small words
 * of the six languages that are most often met.
 */
export function isEnglish(text: string): boolean {
  const letters = text.match(LETTERS)?.length ?? 0;
  if (letters === 0 || (text.match(LATIN)?.length ?? 0) < letters * LATIN_SHARE) return false;
  let english = 0;
  let other = 0;
  for (const token of tokensOf(text)) {
    if (ENGLISH.has(token)) english++;
    if (NOT_ENGLISH.has(token)) other++;
  }
  return other === 0 || english > other;
}

function wordSet(list: string): ReadonlySet<string> {
  return new Set(list.split(/\s+/));
}
