/**
 * What the gate sees of an English sentence: its telling words, numbers, denials and names. The lists
 * are English, and so is every rule that uses them.
 */
import { textKey } from './fold.ts';

const STOP =
  wordSet(`a an and are as at be been being by for from has have had having in is it its of on or that the
  this to was were which with what how do does did can but they their them there than then these those
  such i we you he she his her him our your my me us will would could should may might must shall about into over
  under between among during after before also more most other some any all so if when where who whom whose why
  while both each either one ones itself himself herself themselves upon onto through within too very just
  only still yet however thus therefore hence moreover furthermore because due owing like such s t re ve ll d m`);

/** Words that are left out of recall, but whose opposites turn a sentence around. */
const POLAR = wordSet('before after more most over under above below all every first last');

/** Words and marks that deny; contracted ones are written out before. */
const NEGATIONS = wordSet(
  'not no never none nobody nothing nowhere neither nor without cannot hardly scarcely barely',
);

const SMALL_NUMBERS =
  `zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
  fifteen sixteen seventeen eighteen nineteen`.split(/\s+/);
const TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');
const ORDINALS =
  `zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
  thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth`.split(/\s+/);
const NUMBER_WORDS: ReadonlyMap<string, number> = new Map([
  ...SMALL_NUMBERS.map((word, i): [string, number] => [word, i]),
  ...ORDINALS.map((word, i): [string, number] => [word, i]),
  ...TENS.map((word, i): [string, number] => [word, 20 + 10 * i]),
  ...TENS.map((word, i): [string, number] => [word.replace(/y$/, 'ieth'), 20 + 10 * i]),
  ['once', 1],
  ['twice', 2],
  ['thrice', 3],
  ['dozen', 12],
  ['hundred', 100],
  ['thousand', 1000],
  ['million', 1e6],
  ['billion', 1e9],
]);
/** Number words that mostly count nothing: `one of the`, `first of all`, `a second look`. */
const VAGUE = wordSet('one first second once zero');

const ENDINGS =
  `ational ization fulness ousness iveness ements ations ation ments ement ingly ment ing
  edly ies ied ers ed es ly er s`.split(/\s+/);

/** Numbers, words, and marks that end a clause and with it the reach of a denial. */
const TOKEN = /\d+(?:[.,]\d+)*|\.\d+|[\p{L}\p{M}]+(?:\d[\p{L}\p{M}\d]*)?|[,;:.!?()—]/gu;

export interface Word {
  /** As the text has it, folded. */
  readonly text: string;
  /** What is compared. */
  readonly stem: string;
  /** A name, or letters with digits: nothing but itself can stand for it. */
  readonly exact: boolean;
}

export interface Denial {
  /** Stems of the words that follow: what is denied, nearest first. */
  readonly scope: readonly string[];
}

export interface Claim {
  readonly words: readonly Word[];
  /** Stems of the words and of those small ones that have an opposite, in order. */
  readonly run: readonly string[];
  readonly numbers: readonly number[];
  readonly denials: readonly Denial[];
}

const SCOPE = 3;

export function readClaim(text: string): Claim {
  const plain = spelledOut(text);
  const words: Word[] = [];
  const run: string[] = [];
  const numbers: number[] = [];
  const denials: { scope: string[]; closed: boolean }[] = [];
  let previous: number | null = null;
  for (const match of plain.matchAll(TOKEN)) {
    const raw = match[0];
    if (/^[,;:.!?()—]$/u.test(raw)) {
      for (const denial of denials) denial.closed = denial.scope.length > 0;
      continue;
    }
    const key = textKey(raw);
    if (POLAR.has(key)) run.push(stemOf(key));
    const number = numberOf(key);
    if (number !== null) {
      const joins = previous !== null && joinedNumber(previous, number) !== null;
      if (joins || !VAGUE.has(key)) previous = pushNumber(numbers, number, previous);
      continue;
    }
    previous = null;
    if (NEGATIONS.has(key)) denials.push({ scope: [], closed: false });
    if (NEGATIONS.has(key) || STOP.has(key) || key.length < 2) continue;
    const stem = stemOf(key);
    if (!POLAR.has(key)) run.push(stem);
    words.push({ text: key, stem, exact: isExact(raw, plain, match.index) });
    for (const denial of denials) {
      if (!denial.closed && denial.scope.length < SCOPE) denial.scope.push(stem);
    }
  }
  return { words, run, numbers, denials };
}

/** The word without its ending; doubled letters, `e` and `y` before it are evened out. */
export function stemOf(word: string): string {
  for (const ending of ENDINGS) {
    const kept = word.length - ending.length;
    if (kept >= 3 && word.endsWith(ending)) return evened(word.slice(0, kept));
  }
  return evened(word);
}

function evened(stem: string): string {
  if (stem.length <= 3) return stem;
  return stem.replace(/[eiy]$/, '').replace(/([bdfgkmnprt])\1$/, '$1');
}

function spelledOut(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/[’ʼ]/g, "'")
    .replace(/\bcan't\b/gi, 'can not')
    .replace(/\bwon't\b/gi, 'will not')
    .replace(/n't\b/gi, ' not')
    .replace(/\bcannot\b/gi, 'can not')
    .replace(/\bnos?\.? ?(?=\d)/gi, ' ')
    .replace(/'s\b/gi, ' ')
    .replace(/(\d),(?=\d{3}(?!\d))/g, '$1')
    .replace(/(\d)(?:st|nd|rd|th)\b/gi, '$1');
}

function numberOf(key: string): number | null {
  if (/^[\d.]/.test(key)) return Number(key.replace(/,/g, '.').replace(/\.(?=.*\.)/g, ''));
  return NUMBER_WORDS.get(key) ?? null;
}

/** Adds a number; `forty` and `one`, `three` and `hundred` in a row become a single one. */
function pushNumber(numbers: number[], number: number, previous: number | null): number {
  const joined = previous === null ? null : joinedNumber(previous, number);
  if (joined === null) numbers.push(number);
  else numbers[numbers.length - 1] = joined;
  return joined ?? number;
}

function joinedNumber(left: number, right: number): number | null {
  if (right >= 100 && right % 100 === 0 && left < right && left > 0) return left * right;
  if (left >= 20 && left % 10 === 0 && right > 0 && right < 10 && left < 100) return left + right;
  if (left >= 100 && left % 100 === 0 && right > 0 && right < 100) return left + right;
  return null;
}

/** Capital letters inside a sentence mark a name; at its start they say nothing. */
function isExact(raw: string, text: string, at: number): boolean {
  if (/\d/.test(raw) || !/^[\p{Script=Latin}\p{M}]+$/u.test(raw)) return true;
  if (!/^\p{Lu}/u.test(raw)) return false;
  return /[\p{L}\p{N},;'"-]\s*$/u.test(text.slice(Math.max(0, at - 4), at));
}

function wordSet(list: string): ReadonlySet<string> {
  return new Set(list.split(/\s+/));
}
