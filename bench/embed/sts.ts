/** STS-B English dev: pairs of sentences with the likeness that people gave them. */
import { readData } from '../loop/smart.ts';

export interface Pair {
  readonly a: string;
  readonly b: string;
  /** 0..5 */
  readonly score: number;
}

export function readPairs(): Pair[] {
  return parseCsv(readData('stsb/stsb-en-dev.csv')).map(([a = '', b = '', score]) => {
    const value = Number(score);
    if (!(value >= 0 && value <= 5)) throw new Error(`STS-B: "${score}" is no score of 0 to 5.`);
    return { a, b, score: value };
  });
}

/** Rows of RFC 4180: quotes around what holds a comma, a quote (doubled) or a line break. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  while (field.lastIndex < text.length) {
    const from = field.lastIndex;
    const found = field.exec(text);
    if (!found) throw new Error(`There is no CSV at position ${from}.`);
    row.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? '');
    if (found[3] === ',') continue;
    rows.push(row);
    row = [];
  }
  // The text ended in a comma: an empty field stands after it.
  if (row.length > 0) rows.push([...row, '']);
  return rows;
}
