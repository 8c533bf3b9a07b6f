import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type SampleLanguage,
  type SampleRecord,
  sampleLanguages,
  sampleRecords,
} from '../../../src/app/sample/sample.ts';
import { LexicalIndex } from '../../../workers/index/lexical/lexical-index.ts';

interface SampleQuestion {
  readonly lang: SampleLanguage;
  readonly question: string;
  readonly answer: string;
  readonly reworded: string;
}

const questions: readonly SampleQuestion[] = JSON.parse(
  readFileSync(new URL('../../fixtures/sample-questions.json', import.meta.url), 'utf8'),
);

const FIELDS = ['name', 'location', 'famous_visitor', 'description', 'lang'] as const;
const COUNTS = { en: 44, ja: 8, zh: 7, ko: 7 } as const;
/** What each language is written in; a text without any of it is mislabelled. */
const SCRIPTS = {
  en: /\p{Script=Latin}/u,
  ja: /[\p{Script=Hiragana}\p{Script=Katakana}]/u,
  zh: /\p{Script=Han}/u,
  ko: /\p{Script=Hangul}/u,
} as const;

function ofLanguage(lang: SampleLanguage): readonly SampleRecord[] {
  return sampleRecords.filter((record) => record.lang === lang);
}

function sentences(record: SampleRecord): string[] {
  const segmenter = new Intl.Segmenter(record.lang, { granularity: 'sentence' });
  return [...segmenter.segment(record.description)].map((part) => part.segment.trim());
}

function repeated(values: readonly string[]): string[] {
  return values.filter((value, index) => values.indexOf(value) !== index);
}

/** The visitor without the calling: "Bea Harkness, skipper", "落語家・三遊舎小鯛", "해녀 고순덕". */
function person({ lang, famous_visitor }: SampleRecord): string {
  const parts = famous_visitor.split(lang === 'en' ? ', ' : /[・ ]/u);
  return (lang === 'en' ? parts[0] : parts.at(-1)) ?? famous_visitor;
}

/** Words of Latin script, or characters, as the bounds on a description count them. */
function length(record: SampleRecord): number {
  return record.lang === 'en'
    ? record.description.split(/\s+/u).length
    : [...record.description].length;
}

describe('sample records', () => {
  it('are two thirds English, the rest Japanese, Chinese and Korean', () => {
    const counts = Object.fromEntries(sampleLanguages.map((l) => [l, ofLanguage(l).length]));
    expect(counts).toEqual(COUNTS);
    expect(sampleRecords).toHaveLength(66);
  });

  it('have exactly the five fields, filled, trimmed and normalised', () => {
    for (const record of sampleRecords) {
      expect(Object.keys(record)).toEqual([...FIELDS]);
      for (const field of FIELDS) {
        expect(record[field], `${record.name}.${field}`).toMatch(/\S/u);
        expect(record[field], `${record.name}.${field}`).toBe(
          record[field].trim().normalize('NFC'),
        );
      }
    }
  });

  it('cannot be changed by whoever shows them', () => {
    expect(Object.isFrozen(sampleRecords)).toBe(true);
    expect(sampleRecords.every((record) => Object.isFrozen(record))).toBe(true);
  });

  it('are named, and visited, by nobody twice', () => {
    expect(repeated(sampleRecords.map((record) => record.name))).toEqual([]);
    expect(repeated(sampleRecords.map((record) => record.famous_visitor))).toEqual([]);
    expect(repeated(sampleRecords.map((record) => record.location))).toEqual([]);
  });

  it('describe in 50 to 110 words, or 90 to 220 characters, and 3 to 6 sentences', () => {
    for (const record of sampleRecords) {
      const [least, most] = record.lang === 'en' ? [50, 110] : [90, 220];
      expect(length(record), record.name).toBeGreaterThanOrEqual(least);
      expect(length(record), record.name).toBeLessThanOrEqual(most);
      expect(sentences(record).length, record.name).toBeGreaterThanOrEqual(3);
      expect(sentences(record).length, record.name).toBeLessThanOrEqual(6);
    }
  });

  it('consist of whole sentences, none of which stands in two records', () => {
    const all = sampleRecords.flatMap((record) => sentences(record));
    for (const sentence of all) expect(sentence).toMatch(/[.。]$/u);
    expect(repeated(all)).toEqual([]);
  });

  it('are written in the language that they name', () => {
    for (const record of sampleRecords) {
      expect(record.description, record.name).toMatch(SCRIPTS[record.lang]);
      if (record.lang === 'en' || record.lang === 'zh') {
        expect(record.description, record.name).not.toMatch(SCRIPTS.ja);
        expect(record.description, record.name).not.toMatch(SCRIPTS.ko);
      }
      if (record.lang === 'en') expect(record.description).not.toMatch(SCRIPTS.zh);
    }
  });

  it('tell in the description who came by', () => {
    for (const record of sampleRecords) {
      expect(record.description, record.name).toContain(person(record));
    }
  });
});

/** Records in which words alone find a question's text, best first; `limit` of them. */
function foundByWords(index: LexicalIndex, text: string, limit: number): string[] {
  return [...index.search(text, limit).rows].map((row) => sampleRecords[row]?.name ?? '');
}

function indexOfSample(): LexicalIndex {
  const index = new LexicalIndex();
  for (const [row, record] of sampleRecords.entries()) {
    const { name, location, famous_visitor, description } = record;
    index.add(row, [name, location, famous_visitor, description].join('\n'));
  }
  return index;
}

/** Share of the questions of a language whose record is among the first three. */
function hitAt3(lang: SampleLanguage, wording: 'question' | 'reworded'): number {
  const index = indexOfSample();
  const asked = questions.filter((question) => question.lang === lang);
  const hits = asked.filter((q) => foundByWords(index, q[wording], 3).includes(q.answer));
  return hits.length / asked.length;
}

describe('sample questions', () => {
  it('are ten in each language, each asked once', () => {
    for (const lang of sampleLanguages) {
      expect(questions.filter((question) => question.lang === lang)).toHaveLength(10);
    }
    expect(repeated(questions.flatMap((q) => [q.question, q.reworded]))).toEqual([]);
  });

  it('are answered by a record of their language, which they do not name', () => {
    for (const { lang, question, reworded, answer } of questions) {
      expect(ofLanguage(lang).map((record) => record.name)).toContain(answer);
      expect(question).not.toContain(answer);
      expect(reworded).not.toContain(answer);
    }
  });

  it.each(['ja', 'zh', 'ko'] as const)('find their record by words alone (%s)', (lang) => {
    expect(hitAt3(lang, 'question')).toBeGreaterThanOrEqual(0.9);
    expect(hitAt3(lang, 'reworded')).toBeGreaterThanOrEqual(0.9);
  });
});
