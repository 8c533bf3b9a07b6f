import { CITATION } from '../citation-marks.ts';
import type { Citation, PromptSource } from '../types.ts';

const MARK = new RegExp(CITATION, 'gu');
const MARK_WITH_SPACE = new RegExp(`\\s?${CITATION}`, 'gu');
const MOST_IN_A_RANGE = 20;

/**
 * The citations of an answer, in order. A mark of one number spans its brackets; in a mark of several
 * each number spans its own digits (those inside a range share its dash), so spans never overlap
 * but there.
 */
export function parseCitations(answer: string, sources: readonly PromptSource[]): Citation[] {
  const ids = new Map(sources.map((source) => [source.number, source.id]));
  const cite = (number: number, start: number, end: number): Citation => {
    return { start, end, number, id: ids.get(number) ?? null };
  };
  return [...answer.matchAll(MARK)].flatMap((match) => {
    const [whole, list = ''] = match;
    if (/^\d+$/.test(list)) return [cite(Number(list), match.index, match.index + whole.length)];
    return numbersIn(list, match.index + whole.indexOf(list)).map((n) => cite(...n));
  });
}

/** The text without its citation marks and without the space before them. */
export function withoutMarks(text: string): string {
  return text.replace(MARK_WITH_SPACE, '').trim();
}

type Place = [number: number, start: number, end: number];

function numbersIn(list: string, offset: number): Place[] {
  const places: Place[] = [];
  let dash: number | null = null;
  for (const match of list.matchAll(/\d+|[–-]/gu)) {
    const at = offset + match.index;
    if (!/^\d/.test(match[0])) {
      dash = at;
      continue;
    }
    const number = Number(match[0]);
    const from = places.at(-1)?.[0] ?? number;
    if (dash !== null && number - from <= MOST_IN_A_RANGE) {
      for (let inside = from + 1; inside < number; inside++) places.push([inside, dash, dash + 1]);
    }
    dash = null;
    places.push([number, at, at + match[0].length]);
  }
  return places;
}
