/** JSON text: what a store can hold comes back exactly; what is no JSON, or too much, is refused. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JsonTextError, jsonText, parseJsonText } from '../../../workers/archive/json-text.ts';
import type { StoredJson } from '../../../workers/index/json.ts';
import { isForbiddenName } from '../../../workers/index/schema-field.ts';

const DEPTH = 66;

/** Strings of UTF-16 units, halves of pairs among them. */
const units = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff })))
  .map((codes) => String.fromCharCode(...codes));
const names = fc.oneof(units, fc.string()).filter((name) => !isForbiddenName(name));
const bigs = fc
  .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  .filter((value) => !Number.isSafeInteger(Number(value)));

const json = fc.letrec<{ value: StoredJson }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, false, -0, 0, 1e21, -1e300, 5e-324, 2 ** 53, -(2 ** 60), 2 ** 63),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    bigs,
    units,
    fc.string(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(names, tie('value'), { maxKeys: 4 }),
  ),
})).value;

/** The same value in objects without a prototype, as the parser makes them. */
function bare(value: StoredJson): StoredJson {
  if (Array.isArray(value)) return value.map(bare);
  if (value === null || typeof value !== 'object') return value;
  const members = Object.entries(value).map(([name, member]) => [name, bare(member)]);
  return Object.assign(Object.create(null), Object.fromEntries(members));
}

function refusal(text: string): string {
  try {
    parseJsonText(text, DEPTH);
  } catch (error) {
    if (error instanceof JsonTextError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('JSON text', () => {
  test('every value that a store can hold comes back exactly, also -0, 64 bits and half pairs', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = jsonText(value);
        const back = parseJsonText(text, DEPTH);
        expect(back).toStrictEqual(bare(value));
        expect(jsonText(back)).toBe(text);
        expect(new TextDecoder().decode(new TextEncoder().encode(text))).toBe(text);
      }),
      { numRuns: 1_000 },
    );
  });

  test('text that JSON.parse takes is taken with the same meaning', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        // What is refused on purpose has tests of its own.
        if (/__proto__|constructor|prototype|\d{16}/.test(text)) return;
        const own = JSON.stringify(parseJsonText(text, DEPTH), (_, value: unknown) =>
          typeof value === 'bigint' ? Number(value) : value,
        );
        expect(own).toBe(JSON.stringify(JSON.parse(text)));
      }),
      { numRuns: 500 },
    );
  });

  test('what JSON.parse refuses is refused', () => {
    const odd = fc.oneof(
      fc.string(),
      fc.json().map((text) => text.slice(1)),
      fc
        .array(fc.constantFrom(...'{}[]",:0-+.eE\\u truefalsn\t'), { maxLength: 12 })
        .map((c) => c.join('')),
    );
    fc.assert(
      fc.property(odd, (text) => {
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        if (!isJson) expect(refusal(text)).not.toBe('accepted');
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['{"a":1,"a":2}', 'has "a" twice'],
    ['{"a":{"b":1,"\\u0062":2}}', 'has "b" twice'],
    ['{"__proto__":1}', 'forbidden name'],
    ['{"\\u005f_proto__":1}', 'forbidden name'],
    ['{"constructor":{}}', 'forbidden name'],
    ['1e999', 'not finite'],
    ['9223372036854775808', 'beyond 64 bits'],
    [`1${'0'.repeat(1_000_000)}`, 'over 64 characters'],
    [`${'['.repeat(100_000)}`, 'nested deeper than 66'],
    [`{"a":${'['.repeat(67)}${']'.repeat(67)}}`, 'nested deeper than 66'],
    ['"\u0001"', 'control character'],
    ['"\\x"', 'escape'],
    ['"abc', 'without an end'],
    ['01', 'no value of JSON'],
    ['[1,]', 'no value of JSON'],
    ['{"a" 1}', 'colon'],
    ['{"a":1 "b":2}', 'comma'],
    ['\ufeff{}', 'no value of JSON'],
    ['{} {}', 'goes on'],
    ['', 'no value of JSON'],
  ])('refused, case %#', (text, why) => {
    expect(refusal(text)).toContain(why);
  });

  test('names come in one order, whatever the order in which they were given', () => {
    const b: StoredJson = { b: 1, a: { '10': 1, '9': 2 }, é: 0, Z: null };
    const a: StoredJson = { Z: null, é: 0, a: { '9': 2, '10': 1 }, b: 1 };
    expect(jsonText(a)).toBe(jsonText(b));
    expect(jsonText(a)).toBe('{"Z":null,"a":{"10":1,"9":2},"b":1,"é":0}');
  });

  test('whole doubles beyond 2^53 stay doubles, and integers stay integers', () => {
    expect(jsonText(2 ** 60)).toBe('1152921504606847000.0');
    expect(jsonText(2n ** 60n)).toBe('1152921504606846976');
    expect(parseJsonText('1152921504606847000.0', 1)).toBe(2 ** 60);
    expect(parseJsonText('1152921504606846976', 1)).toBe(2n ** 60n);
  });
});
