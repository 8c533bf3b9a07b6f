/** Letters that no Unicode decomposition takes apart, in lower case. */
const WHOLE_LETTERS: ReadonlyMap<string, string> = new Map([
  ['ß', 'ss'],
  ['æ', 'ae'],
  ['œ', 'oe'],
  ['ø', 'o'],
  ['ł', 'l'],
  ['đ', 'd'],
  ['ð', 'd'],
  ['þ', 'th'],
  ['ħ', 'h'],
  ['ı', 'i'],
  ['ς', 'σ'],
]);

const WHOLE_LETTER = new RegExp(`[${[...WHOLE_LETTERS.keys()].join('')}]`, 'g');
const MARK = /\p{Mn}/gu;
// In other scripts marks are vowels: without them Hindi or Thai words fall together.
const MARKS_ARE_ACCENTS =
  /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Arabic}\p{Script=Hebrew}]/u;

/** `café` as `cafe`, so that a question typed without accents finds the text that has them. */
export function withoutAccents(word: string): string {
  if (!MARKS_ARE_ACCENTS.test(word)) return word;
  const bare = word.normalize('NFD').replace(MARK, '').normalize('NFC');
  return bare.replace(WHOLE_LETTER, (letter) => WHOLE_LETTERS.get(letter) ?? letter);
}
