/**
 * Sentences with their places in the text. By rules and not by `Intl.Segmenter`, which knows no
 * abbreviation, does not end a sentence before a small letter, knows nothing of citation marks, and
 * differs between browsers: a verdict must not.
 */
import { CITATION } from './citation-marks.ts';

export interface Sentence {
  /** Offsets in UTF-16 units, without white space around. */
  readonly start: number;
  readonly end: number;
  /** `source.slice(start, end)`; citation marks behind the end mark belong to the sentence. */
  readonly text: string;
}

const CLOSERS = '["\'”’»）)\\]」』】》〉]*';
const MARKS = `(?:\\s*${CITATION})*`;
/** An end mark with what belongs to it, or a line break. */
const END = new RegExp(
  `(?<east>[。！？｡]+)${CLOSERS}${MARKS}|(?<west>[.!?…؟۔।॥]+)${CLOSERS}${MARKS}|(?<line>\\n\\s*)`,
  'gu',
);

const ABBREVIATION =
  /(?:^|[\s("'“‘[])(?:mr|mrs|ms|dr|prof|st|jr|sr|vs|etc|no|nos|fig|figs|eq|eqs|ref|refs|vol|pp?|ch|sec|approx|ca|cf|al|inc|ltd|co|corp|dept|est|ft|mt|gen|col|capt|lt|sgt|rev|hon|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|e\.g|i\.e|a\.m|p\.m|u\.s|u\.k|\p{L}|(?:\p{L}\.)+\p{L})$/iu;
/** Behind these a sentence may well be over: `at 9 a.m. The bar opens.` */
const MAY_END = /(?:etc|a\.m|p\.m|u\.s|u\.k|inc|ltd|co|corp|jr|sr|al)$/iu;
/** A number that opens a line counts the lines: `1. Boil water.` */
const LIST_NUMBER = /(?:^|\n)\s*\d{1,3}$/u;
/** Words behind a closing bracket that carry the Japanese sentence on. */
const QUOTATION_GOES_ON = /^(?:と|って|という|の|を|が|は|に|で)/u;

/** Sentences that hold a letter or a digit, in order. A line break ends one, unless the next line goes on in small letters. */
export function sentencesOf(text: string): Sentence[] {
  const sentences: Sentence[] = [];
  let start = 0;
  for (const match of text.matchAll(END)) {
    const end = match.index + match[0].length;
    if (!endsSentence(text, match, end)) continue;
    push(sentences, text, start, end);
    start = end;
  }
  push(sentences, text, start, text.length);
  return sentences;
}

function endsSentence(text: string, match: RegExpExecArray, end: number): boolean {
  const { east, line } = match.groups ?? {};
  const rest = text.slice(end, end + 8);
  if (line !== undefined) return !/^\p{Ll}/u.test(rest) || /\n\s*\n/.test(line);
  if (east !== undefined) return !(/[」』]$/u.test(match[0]) && QUOTATION_GOES_ON.test(rest));
  return endsWesternSentence(text, match, rest);
}

function endsWesternSentence(text: string, match: RegExpExecArray, rest: string): boolean {
  if (rest === '') return true;
  if (!/^[\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(rest)) return false;
  const before = text.slice(Math.max(0, match.index - 12), match.index);
  const next = rest.trimStart();
  // Old abstracts set a space before each end mark and begin in small letters.
  if (/\s$/.test(before)) return true;
  if (match.groups?.west === '.') {
    if (LIST_NUMBER.test(before)) return false;
    if (ABBREVIATION.test(before)) return MAY_END.test(before) && /^\p{Lu}/u.test(next);
    // A long word is no abbreviation, whatever comes next.
    if (/\p{L}{4}$/u.test(before)) return true;
  }
  return !/^\p{Ll}/u.test(next);
}

function push(sentences: Sentence[], text: string, from: number, to: number): void {
  const piece = text.slice(from, to);
  if (!/[\p{L}\p{N}]/u.test(piece)) return;
  const start = from + piece.length - piece.trimStart().length;
  const end = to - (piece.length - piece.trimEnd().length);
  sentences.push({ start, end, text: text.slice(start, end) });
}
