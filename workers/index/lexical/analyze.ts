import { withoutAccents } from './accents.ts';
import { chineseJapaneseTerms, koreanTerms, type Side } from './east-asian.ts';
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

/** Longest run that a segmenter sees at once: its time grows faster than the run. */
const LONGEST_SEGMENTED = 256;
let segmenter: Intl.Segmenter | undefined;

/**
 * The terms of a text or a query, in order, repeated ones repeated.
 *
 * Text is NFKC and lower case. Words are runs of letters and digits; English stop words and words of
 * one letter are dropped, endings and accents taken off. How Chinese, Japanese and Korean are cut
 * is told in `east-asian.ts`; Thai, Lao, Khmer and Burmese are cut by `Intl.Segmenter`.
 */
export function analyze(text: string, side: Side): string[] {
  const plain = text.normalize('NFKC').toLowerCase();
  const terms: string[] = [];
  if (ASCII.test(plain)) {
    for (const [word] of plain.matchAll(ASCII_WORD)) pushWord(terms, word);
    return terms;
  }
  for (const { groups = {} } of plain.matchAll(RUN)) {
    const { eastAsian, korean, spaceless, word } = groups;
    if (word !== undefined) pushWord(terms, word);
    else if (eastAsian !== undefined) chineseJapaneseTerms(eastAsian, side, terms);
    else if (korean !== undefined) koreanTerms(korean, terms);
    else if (spaceless !== undefined) pushSegments(terms, spaceless);
  }
  return terms;
}

function pushWord(terms: string[], word: string): void {
  if (word.length < 2 || isStopWord(word)) return;
  const short = word.length > LONGEST_TERM ? word.slice(0, LONGEST_TERM) : word;
  terms.push(stem(withoutAccents(short)));
}

function pushSegments(terms: string[], run: string): void {
  segmenter ??= new Intl.Segmenter('und', { granularity: 'word' });
  for (let at = 0; at < run.length; at += LONGEST_SEGMENTED) {
    const part = run.slice(at, at + LONGEST_SEGMENTED);
    for (const { segment } of segmenter.segment(part)) terms.push(segment);
  }
}
