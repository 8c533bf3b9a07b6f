import { withoutAccents } from './accents.ts';
import { eastAsianTerms, koreanTerms, segmentedTerms } from './east-asian.ts';
import { isStopWord, stem } from './english.ts';

/** Characters of a term that count; what follows is cut off. Bounds hostile input. */
const LONGEST_TERM = 64;

const ASCII = /^[\0-\x7f]*$/;
const ASCII_WORD = /[a-z0-9]+/g;

const EAST_ASIAN = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Bopomofo}ー';
const KOREAN = '\\p{Script=Hangul}';
/** Scripts that are written without spaces and whose words only a dictionary finds. */
const SPACELESS = '\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}';

const RUN = new RegExp(
  `(?<eastAsian>[${EAST_ASIAN}]+)|(?<korean>[${KOREAN}]+)|(?<spaceless>[${SPACELESS}]+)` +
    `|(?<word>(?:(?![${EAST_ASIAN}${KOREAN}${SPACELESS}])[\\p{L}\\p{M}\\p{N}])+)`,
  'gu',
);

/**
 * The terms of a text, in order, repeated ones repeated; the same for texts and queries.
 *
 * Text is NFKC and lower case. Words are runs of letters and digits; English stop words and words of
 * one letter are dropped, endings and accents taken off. How Chinese, Japanese and Korean are cut
 * is told in `east-asian.ts`.
 */
export function analyze(text: string): string[] {
  const plain = text.normalize('NFKC').toLowerCase();
  const terms: string[] = [];
  if (ASCII.test(plain)) {
    for (const [word] of plain.matchAll(ASCII_WORD)) pushWord(terms, word);
    return terms;
  }
  for (const { groups = {} } of plain.matchAll(RUN)) {
    const { eastAsian, korean, spaceless, word } = groups;
    if (word !== undefined) pushWord(terms, word);
    else if (eastAsian !== undefined) eastAsianTerms(eastAsian, terms);
    else if (korean !== undefined) koreanTerms(korean, terms);
    else if (spaceless !== undefined) segmentedTerms(spaceless, terms);
  }
  return terms;
}

function pushWord(terms: string[], word: string): void {
  if (word.length < 2 || isStopWord(word)) return;
  const short = word.length > LONGEST_TERM ? word.slice(0, LONGEST_TERM) : word;
  terms.push(stem(withoutAccents(short)));
}
