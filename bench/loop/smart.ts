/** Reads the two public test collections of `../shared/data`, which are in SMART format. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Judgments } from './trec-eval.ts';

const DATA = fileURLToPath(new URL('../../../shared/data/', import.meta.url));

export interface Collection {
  readonly name: string;
  readonly documents: ReadonlyMap<string, string>;
  readonly queries: ReadonlyMap<string, string>;
  readonly judgments: Judgments;
}

/** Why the collections cannot be read here, or null. */
export const missing = existsSync(DATA) ? null : '../shared/data is absent';

export function readData(path: string): string {
  return readFileSync(DATA + path, 'utf8');
}

/**
 * 1,400 abstracts, 225 queries. The text is title and abstract, and as the abstracts of this
 * collection open with their title, the title counts twice. Codes 1 (best) to 4 become gains 4 to 1.
 */
export function cranfield(): Collection {
  const documents = new Map<string, string>();
  for (const [id, fields] of records(readData('cranfield/cran.all.1400'))) {
    documents.set(id, `${fields.get('T') ?? ''} ${fields.get('W') ?? ''}`.trim());
  }
  // The judgments count the queries; the `.I` numbers skip some.
  const queries = new Map<string, string>();
  for (const [, fields] of records(readData('cranfield/cran.qry'))) {
    queries.set(String(queries.size + 1), fields.get('W') ?? '');
  }
  const judgments = parse(readData('cranfield/cranqrel'), (f) => [f[0], f[1], gainOf(f[2])]);
  return { name: 'cranfield', documents, queries, judgments };
}

/** 1,033 abstracts, 30 queries, binary judgments. */
export function med(): Collection {
  const texts = (path: string) =>
    new Map([...records(readData(path))].map(([id, fields]) => [id, fields.get('W') ?? '']));
  const judgments = parse(readData('med/MED.REL'), (f) => [f[0], f[2], Number(f[3])]);
  return { name: 'med', documents: texts('med/MED.ALL'), queries: texts('med/MED.QRY'), judgments };
}

function gainOf(code: string | undefined): number {
  const value = Number(code);
  return value >= 1 && value <= 4 ? 5 - value : 0;
}

function parse(
  text: string,
  pick: (fields: string[]) => [string | undefined, string | undefined, number],
): Judgments {
  const byQuery = new Map<string, Map<string, number>>();
  for (const line of text.split('\n')) {
    const [query, document, gain] = pick(line.trim().split(/\s+/));
    if (!query || !document) continue;
    const row = byQuery.get(query) ?? new Map<string, number>();
    byQuery.set(query, row.set(document, gain));
  }
  return byQuery;
}

/** Records of `.I n`, each with its fields by letter, white space folded. */
export function* records(text: string): Generator<[string, Map<string, string>]> {
  for (const part of text.split(/^\.I\b/m).slice(1)) {
    const [head = '', ...sections] = part.split(/^\.([A-Z])\s*$/m);
    // MED.ALL ends in a `.I` without number and text.
    if (head.trim() === '') continue;
    const fields = new Map<string, string>();
    for (let i = 0; i + 1 < sections.length; i += 2) {
      const value = (sections[i + 1] ?? '').replace(/\s+/g, ' ').trim();
      fields.set(sections[i] ?? '', value);
    }
    yield [String(Number(head.trim())), fields];
  }
}
