/** Comparable terms of a text, in scripts with and without spaces. */

/** A run of one East Asian script, or a word of another one. */
const WORDS =
  /[\p{Script=Han}々]+|[\p{Script=Katakana}ー]+|\p{Script=Hiragana}+|\p{Script=Hangul}+|[\p{L}\p{N}]+/gu;
const EAST_ASIAN = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}々ー]/u;
/** Hiragana between two ideographs is grammar; from this length on it may be a word. */
const SHORTEST_HIRAGANA = 3;
const HIRAGANA = /^\p{Script=Hiragana}+$/u;
const GRAMMAR = new Set(
  'です ます した して いる ある こと どこ こで すか には では から まで なに とは のは'.split(' '),
);
/** Endings that a question and its answer differ in: taverns, visited, visiting. */
const ENDINGS = /(?:ies|ing|ed|es|s|y)$/;
const SHORTEST_STEM = 3;
const STOP = new Set(
  'a an and are as at be by for from has have in is it its of on or that the this to was were which with what how do does can who whom where when why did any there i you my me we our your'.split(
    ' ',
  ),
);

/**
 * Terms that can be compared: words without a common ending, case-folded; pairs of neighbouring
 * characters where words are not set apart, which needs no dictionary and suits particles.
 */
export function termsOf(text: string): string[] {
  const terms: string[] = [];
  for (const [word] of text.normalize('NFKC').toLowerCase().matchAll(WORDS)) {
    if (EAST_ASIAN.test(word)) terms.push(...pairs(word));
    else if (word.length > 1 && !STOP.has(word)) terms.push(stem(word));
  }
  return terms;
}

function pairs(run: string): string[] {
  const characters = [...run];
  const hiragana = HIRAGANA.test(run);
  if (hiragana && characters.length < SHORTEST_HIRAGANA) return [];
  if (characters.length < 2) return characters;
  const all = characters.slice(1).map((character, i) => `${characters[i]}${character}`);
  return hiragana ? all.filter((pair) => !GRAMMAR.has(pair)) : all;
}

function stem(word: string): string {
  const cut = word.replace(ENDINGS, '');
  return cut.length >= SHORTEST_STEM ? cut : word;
}
