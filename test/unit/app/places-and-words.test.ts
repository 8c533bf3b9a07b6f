import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordOf, textOf } from '../../../src/app/collection.ts';
import { formatFor } from '../../../src/app/format.ts';
import { guessLanguage, LANGUAGES, pickLanguage } from '../../../src/app/language.ts';
import { en } from '../../../src/app/messages/en.ts';
import { messagesFor } from '../../../src/app/messages/messages.ts';
import { draftOf, filterRecords } from '../../../src/app/records.ts';
import { parseRoute, turnHash } from '../../../src/app/route.ts';
import { sampleRecords } from '../../../src/app/sample/sample.ts';

describe('addresses', () => {
  it('gives every turn an address that leads back to it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }), (id) => {
        expect(parseRoute(turnHash(id))).toEqual({ view: 'ask', turnId: id });
      }),
    );
  });

  it('takes anything else for the Ask screen', () => {
    for (const hash of [
      '',
      '#',
      '#nowhere',
      '#turn/',
      '#turn/%E0%A4%A',
      '#/records',
      '#__proto__',
    ]) {
      expect(parseRoute(hash)).toEqual({ view: 'ask', turnId: null });
    }
    expect(parseRoute('#learning').view).toBe('learning');
  });
});

describe('languages', () => {
  it('prefers what was remembered, then the order of the browser, then English', () => {
    expect(pickLanguage('ko', ['ja'])).toBe('ko');
    expect(pickLanguage('xx', ['fr-CA', 'zh-TW', 'ja'])).toBe('zh');
    expect(pickLanguage(null, ['fr'])).toBe('en');
  });

  it('tells the sample records apart by their script', () => {
    for (const record of sampleRecords) {
      expect(guessLanguage(record.description), record.name).toBe(record.lang);
    }
  });

  it('has words of its own for every message', () => {
    const english = new Map(leaves(en));
    for (const code of LANGUAGES.filter((language) => language !== 'en')) {
      const own = new Map(leaves(messagesFor(code)));
      expect([...own.keys()].sort()).toEqual([...english.keys()].sort());
      for (const [path, text] of own) {
        expect(text.trim(), `${code} ${path}`).not.toBe('');
        const isSymbol = !/[a-z]{4}/i.test(english.get(path) ?? '');
        if (!isSymbol) expect(text, `${code} ${path}`).not.toBe(english.get(path));
      }
    }
  });

  it('counts in words', () => {
    const count = (claims: number, grounded: number, unchecked: number) => {
      const unsupported = claims - grounded - unchecked;
      const parts = en.verdict.counted({ claims, grounded, unsupported, unchecked });
      return parts.strong + parts.rest;
    };
    expect(count(3, 2, 0)).toBe('2 of 3 sentences are backed by a source');
    expect(count(1, 1, 0)).toBe('1 of 1 sentence is backed by a source');
    expect(count(2, 0, 2)).toBe('Not checked: the check of sentences reads English only');
    const why = { places: 1, question: 'q', turnId: 't', similarity: 1, liked: true } as const;
    expect(en.hit.why({ ...why, isRated: true })).toBe('Up one place: you liked it for “q”');
    expect(en.hit.why({ ...why, places: -2, liked: false, isRated: false })).toBe(
      'Down 2 places: you passed it over for “q”',
    );
  });
});

/** Every text of a dictionary with its path; functions are called with plain arguments. */
function leaves(value: unknown, path = ''): [string, string][] {
  if (typeof value === 'string') return [[path, value]];
  if (typeof value === 'function') {
    const arguments_ = path.endsWith('counted')
      ? [{ claims: 3, grounded: 1, unsupported: 1, unchecked: 1 }]
      : path.endsWith('why')
        ? [{ places: 2, question: 'Q', turnId: 't', similarity: 1, liked: true }]
        : [2, 3, 'x', 'y'];
    return leaves((value as (...all: unknown[]) => unknown)(...arguments_), path);
  }
  return Object.entries(value as object).flatMap(([key, inner]) => leaves(inner, `${path}.${key}`));
}

describe('numbers', () => {
  it('says times and sizes with the same symbols everywhere', () => {
    for (const language of LANGUAGES) {
      const { duration, bytes, score } = formatFor(language);
      expect([duration(1_234), duration(840.4), duration(3.96), duration(0.42)]).toEqual([
        '1.2 s',
        '840 ms',
        '4 ms',
        '0.4 ms',
      ]);
      expect([bytes(23_100_000), bytes(2_000_000_000)]).toEqual(['23.1 MB', '2.0 GB']);
      expect(score(0.714)).toBe('0.71');
    }
  });

  it('shows nothing for what is no date', () => {
    expect(formatFor('en').moment('yesterday')).toBe('');
  });
});

describe('records', () => {
  const records = sampleRecords.map((record, index) => ({ ...record, id: String(index) }));

  it('are found by every word, whatever case and width', () => {
    expect(filterRecords(records, '')).toHaveLength(records.length);
    const [first] = filterRecords(records, 'HORSERADISH ely');
    expect(first?.name).toBe('The Eel and Lantern');
    expect(filterRecords(records, 'horseradish sahara')).toHaveLength(0);
    const wide = 'ELY'.replace(/[A-Z]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0));
    expect(filterRecords(records, wide).length).toBeGreaterThan(0);
    expect(filterRecords(records, '日本語').every((record) => record.lang === 'ja')).toBe(true);
  });

  it('are read from the form, and refused without name or description', () => {
    const form = new FormData();
    form.set('name', ' The Oak ');
    form.set('description', 'It has one table.');
    form.set('lang', 'en');
    expect(draftOf(form)).toEqual({
      name: 'The Oak',
      location: '',
      famous_visitor: '',
      description: 'It has one table.',
      lang: 'en',
    });
    form.set('lang', 'tlh');
    expect(draftOf(form)).toBeNull();
    form.set('lang', 'en');
    form.set('description', '   ');
    expect(draftOf(form)).toBeNull();
  });

  it('that were stored by others show no undefined', () => {
    expect(recordOf({ id: '7', name: 3, description: '宿です。' })).toEqual({
      id: '7',
      name: '',
      location: '',
      famous_visitor: '',
      description: '宿です。',
      lang: 'ja',
    });
  });

  it('are searched by words with name, place and visitor', () => {
    const [first] = sampleRecords;
    expect(textOf(first!)).toContain(first!.location);
    expect(textOf({ ...first!, location: '' })).not.toContain('. . ');
  });
});
