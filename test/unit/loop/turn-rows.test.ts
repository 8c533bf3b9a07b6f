import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Feedback } from '../../../src/loop/memory.ts';
import {
  BODY_PARTS,
  FIELD_BYTES,
  isLearnable,
  parseFeedback,
  parseRow,
  parseTurn,
  splitBytes,
  toMilvus,
  turnRow,
} from '../../../src/loop/turn-rows.ts';
import type { Hit, TurnRecord } from '../../../src/loop/types.ts';

const FEEDBACK: Feedback = {
  shown: [{ id: 'r1', rank: 1, u: 0.25 }],
  p0: 0.1,
  cited: ['r1'],
  vote: 'up',
  hitVotes: { r1: 'down' },
  opened: [],
};

function turn(hits: readonly Hit[], answer = 'Yes. [1]'): TurnRecord {
  return {
    id: 't1',
    question: 'Question?',
    at: '2026-01-01T00:00:00.000Z',
    retrieval: 'hybrid',
    generator: 'g',
    extractive: false,
    model: 'm',
    hits,
    prompt: { system: 's', messages: [], sources: [], question: 'q', hash: 'h', tokens: 3 },
    answer,
    citations: [{ start: 5, end: 8, number: 1, id: 'r1' }],
    verdict: {
      sentences: [],
      groundedShare: null,
      citationValidity: 1,
      refusal: false,
      duplicateOf: null,
      decision: 'admitted',
      reason: 'Fine.',
    },
    usage: { inputTokens: 1, outputTokens: 2 },
    timings: { embed: 1, retrieve: 1, generate: 1, evaluate: 1, store: 1, total: 5 },
    vote: null,
    hitVotes: {},
    generatedId: null,
  };
}

function hit(id: string, text: string, row: object = {}): Hit {
  return {
    id,
    rank: 1,
    score: 1,
    parts: { similarity: 1, words: 0, learnt: 0 },
    row: { text, ...row },
    text,
    why: null,
  };
}

const stored = (record: TurnRecord) =>
  toMilvus(turnRow(record, FEEDBACK, 'space'), new Float32Array(4));
const bytes = (text: unknown) => new TextEncoder().encode(String(text)).length;

describe('turn rows', () => {
  it('come back as they were, with the votes of their feedback', () => {
    const record = turn([hit('r1', 'Frodo 🍺 came.', { n: 12n, nested: { deep: [1, null] } })]);
    const back = parseTurn(parseRow(stored(record))!);
    expect(back).toEqual({
      ...record,
      vote: 'up',
      hitVotes: { r1: 'down' },
      hits: [{ ...record.hits[0], row: { ...record.hits[0]!.row, n: '12' } }],
    });
  });

  it('keep every field within its bytes, shortening records and nothing else', () => {
    const long = Array.from({ length: 50 }, (_, i) => hit(`r${i}`, '猫"\n'.repeat(20_000)));
    const record = turn(long, 'Answer '.repeat(4_000));
    const row = stored(record);
    for (const part of BODY_PARTS) expect(bytes(row[part])).toBeLessThanOrEqual(FIELD_BYTES);
    const back = parseTurn(parseRow(row)!)!;
    expect(back.answer).toBe(record.answer);
    expect(back.hits).toHaveLength(50);
    expect(back.hits[0]!.text.length).toBeLessThan(60_000);
    expect(back.hits[0]!.text.endsWith('…')).toBe(true);
  });

  it('keep votes and fields whose names JavaScript has a meaning for', () => {
    const names = ['constructor', 'prototype', '__proto__'];
    const own = Object.fromEntries(names.map((name) => [name, 'up']));
    const votes = { ...FEEDBACK, hitVotes: own };
    expect(Object.entries(parseFeedback(JSON.stringify(votes))!.hitVotes)).toEqual(
      names.map((name) => [name, 'up']),
    );
    const back = parseTurn(parseRow(stored(turn([hit('r1', 'x', own)])))!);
    expect(Object.keys(back!.hits[0]!.row)).toEqual(['text', ...names]);
  });

  it('hold the feedback on as many hits as are shown, whatever their ids are written in', () => {
    const ids = Array.from({ length: 50 }, (_, i) => `${'宿"'.repeat(200)}${i}`.slice(-256));
    const shortIds = ids.map((id) => id.slice(-60));
    for (const all of [ids, shortIds]) {
      const learnt = all.filter(isLearnable);
      const full: Feedback = {
        shown: learnt.map((id, i) => ({ id, rank: i + 1, u: -0.12345678901234568 })),
        p0: 0.1,
        cited: learnt,
        vote: 'up',
        hitVotes: Object.fromEntries(learnt.map((id) => [id, 'down'])),
        opened: learnt,
      };
      expect(bytes(JSON.stringify(full))).toBeLessThanOrEqual(FIELD_BYTES);
    }
    expect(shortIds.every(isLearnable)).toBe(true);
    expect(isLearnable('x'.repeat(250))).toBe(true);
  });

  it('refuse a turn that fits no way', () => {
    expect(() => stored(turn([], 'x'.repeat(300_000)))).toThrow(
      expect.objectContaining({ code: 'too_large' }),
    );
  });

  it('split text into parts that join again and divide no character', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.integer({ min: 4, max: 20 }),
        (text, size) => {
          const whole = text.toWellFormed();
          const parts = splitBytes(whole, size);
          expect(parts.join('')).toBe(whole);
          for (const part of parts) {
            expect(bytes(part)).toBeLessThanOrEqual(size);
            expect(part.isWellFormed()).toBe(true);
          }
        },
      ),
    );
  });

  it('are nothing when anything of them is not what it should be', () => {
    const good = stored(turn([hit('r1', 'x')]));
    expect(parseTurn(parseRow(good)!)).not.toBeNull();
    for (const field of ['id', 'kind', 'rated', 'feedback', 'body0']) {
      expect(parseRow({ ...good, [field]: 7 })).toBeNull();
    }
    for (const change of [{ body0: '{}' }, { body0: 'x' }, { feedback: '{}' }, { kind: 'event' }]) {
      expect(parseTurn(parseRow({ ...good, ...change })!)).toBeNull();
    }
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseFeedback(text)).toBeNull();
      }),
    );
    expect(parseFeedback(JSON.stringify({ ...FEEDBACK, p0: Number.NaN }))).toBeNull();
    expect(parseFeedback(JSON.stringify({ ...FEEDBACK, opened: Array(99).fill('a') }))).toBeNull();
  });
});
