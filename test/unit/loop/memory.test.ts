import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  changesFor,
  type FeedbackEvent,
  feedbackAfter,
  undoOf,
} from '../../../src/loop/feedback.ts';
import {
  bookingOf,
  evidenceOf,
  type Feedback,
  learn,
  type PastTurn,
  PRIOR,
  pullingIds,
  shiftQuestion,
  trust,
  UNCALIBRATED,
  unit,
  weightOf,
} from '../../../src/loop/memory.ts';
import { parseFeedback } from '../../../src/loop/turn-rows.ts';
import type { Vote } from '../../../src/loop/types.ts';

const IDS = ['a', 'b', 'c', 'd', 'e'];

function feedback(more: Partial<Feedback> = {}): Feedback {
  const shown = IDS.map((id, i) => ({ id, rank: i + 1, u: 0 }));
  return { shown, p0: 0.2, cited: [], vote: null, hitVotes: {}, opened: [], ...more };
}

function past(similarity: number, more: Partial<Feedback> = {}, turnId = 't'): PastTurn {
  return { turnId, question: `Question ${turnId}`, similarity, feedback: feedback(more) };
}

const vote = fc.constantFrom<Vote>('up', 'down', null);
const anyId = fc.constantFrom(...IDS);
const anyFeedback: fc.Arbitrary<Feedback> = fc.record({
  shown: fc
    .array(fc.double({ min: -0.5, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 })
    .map((us) => IDS.map((id, i) => ({ id, rank: i + 1, u: us[i] ?? 0 }))),
  p0: fc.double({ min: 0, max: 1, noNaN: true }),
  cited: fc.uniqueArray(anyId),
  vote,
  hitVotes: fc.dictionary(anyId, vote),
  opened: fc.uniqueArray(anyId),
});
const anyEvent: fc.Arbitrary<FeedbackEvent> = fc
  .oneof(
    fc.record({ type: fc.constant('rate' as const), vote }),
    fc.record({ type: fc.constant('rate-hit' as const), recordId: anyId, vote }),
    fc.record({ type: fc.constant('open-hit' as const), recordId: anyId }),
  )
  .map((body) => ({ ...body, id: 'e', turnId: 't', at: 'now' }));

describe('evidenceOf', () => {
  it('says nothing for a list that nobody touched', () => {
    expect(evidenceOf(feedback()).size).toBe(0);
    expect(evidenceOf(feedback({ hitVotes: { a: null } })).size).toBe(0);
  });

  it('counts an opened hit as a click and each shown rank as 1 / rank examined', () => {
    const evidence = evidenceOf(feedback({ opened: ['b'] }));
    expect(evidence.get('a')).toEqual({ clicks: 0, exam: 1 });
    expect(evidence.get('b')).toEqual({ clicks: 1, exam: 0.5 });
    expect(evidence.get('e')).toEqual({ clicks: 0, exam: 0.2 });
  });

  it('spreads a vote on the answer over what it cites, or over the list when it cites nothing', () => {
    const cited = evidenceOf(feedback({ vote: 'up', cited: ['c'] }));
    expect(cited.get('c')).toEqual({ clicks: 1.5, exam: 1 / 3 + 1.5 });
    expect(cited.get('a')).toEqual({ clicks: 0, exam: 1 });
    const spread = evidenceOf(feedback({ vote: 'down' }));
    expect(spread.get('a')).toEqual({ clicks: 0, exam: 2.5 });
    expect(spread.get('b')).toEqual({ clicks: 0, exam: 1.25 });
  });

  it('lets a vote on a record take the place of the vote on the answer', () => {
    const evidence = evidenceOf(
      feedback({ vote: 'up', cited: ['a', 'b'], hitVotes: { a: 'down' } }),
    );
    expect(evidence.get('a')).toEqual({ clicks: 0, exam: 2.5 });
    expect(evidence.get('b')).toEqual({ clicks: 1.5, exam: 2 });
  });
});

describe('learn', () => {
  it('follows the formula', () => {
    const learnt = learn([past(0.8, { opened: ['a'] })], UNCALIBRATED);
    const w = 0.5;
    const exam = (1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) * w;
    const p0 = (w + PRIOR.p0 * PRIOR.weight) / (exam + PRIOR.weight);
    expect(weightOf(0.8)).toBeCloseTo(w, 12);
    expect(learnt?.p0).toBeCloseTo(p0, 12);
    expect(learnt?.records.get('a')?.u).toBeCloseTo((w + p0) / (w + 1) - p0, 12);
    expect(learnt?.records.get('b')?.u).toBeCloseTo(p0 / (w / 2 + 1) - p0, 12);
    expect(learnt?.lambda).toBe(1);
  });

  it('forgets questions below .60, and everything when no question is near', () => {
    expect(learn([past(0.6, { opened: ['a'] })], UNCALIBRATED)).toBeNull();
    expect(learn([past(0.9)], UNCALIBRATED)).toBeNull();
    expect(weightOf(1.0000001)).toBe(1);
  });

  it('names the past question that pulled hardest in that direction', () => {
    const learnt = learn(
      [
        past(0.7, { opened: ['a'] }, 'weak'),
        past(0.95, { hitVotes: { a: 'up' } }, 'strong'),
        past(0.99, { hitVotes: { b: 'down' } }, 'against'),
      ],
      UNCALIBRATED,
    );
    expect(learnt?.records.get('a')?.why).toMatchObject({ turnId: 'strong', liked: true });
    expect(learnt?.records.get('b')?.why).toMatchObject({ turnId: 'against', liked: false });
  });

  it('learns from a list of one record', () => {
    const one = feedback({ shown: [{ id: 'a', rank: 1, u: 0 }], vote: 'up' });
    const learnt = learn([{ ...past(0.95), feedback: one }], UNCALIBRATED);
    expect(learnt?.records.get('a')?.u).toBeGreaterThan(0.02);
  });

  it('keeps what it says within what a stored turn may hold', () => {
    const shown = [{ id: 'a', rank: 50, u: 0 }];
    const lists = Array.from({ length: 200 }, () => ({
      ...past(1),
      feedback: feedback({ shown, opened: ['a'] }),
    }));
    const learnt = learn(lists, UNCALIBRATED);
    const u = learnt?.records.get('a')?.u ?? Number.NaN;
    const stored = feedback({ p0: learnt!.p0, shown: [{ id: 'a', rank: 1, u }] });
    expect(parseFeedback(JSON.stringify(stored))).toEqual(stored);
  });

  it('keeps u within bounds for any feedback', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyFeedback, fc.double({ min: 0, max: 1, noNaN: true })), {
          maxLength: 20,
        }),
        (all) => {
          const learnt = learn(
            all.map(([one, similarity]) => ({
              turnId: 't',
              question: 'q',
              similarity,
              feedback: one,
            })),
            UNCALIBRATED,
          );
          for (const { u } of learnt?.records.values() ?? []) {
            expect(u).toBeGreaterThanOrEqual(-1);
            expect(u).toBeLessThan(2);
          }
        },
      ),
    );
  });
});

describe('trust', () => {
  it('is 1 at first, rises and falls with what the predictions were worth', () => {
    expect(trust(UNCALIBRATED)).toBe(1);
    expect(trust({ a: 0, b: 9 })).toBeCloseTo(0.25, 12);
    expect(trust({ a: -5, b: 3 })).toBe(0);
    expect(trust({ a: 5, b: 9 })).toBe(1);
  });

  it('is within 0..1 for anything', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), fc.double({ noNaN: true }), (a, b) => {
        const lambda = trust({ a, b });
        expect(lambda).toBeGreaterThanOrEqual(0);
        expect(lambda).toBeLessThanOrEqual(1);
      }),
    );
  });

  /** Needs asked again and again, one calibration for all; what the memory does to the last lists. */
  function simulate(clicked: (id: string, random: () => number) => boolean) {
    let seed = 7;
    const random = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed / 2 ** 32;
    };
    let calibration = UNCALIBRATED;
    const lists = Array.from({ length: 80 }, (): PastTurn[] => []);
    let moved = 0;
    for (let session = 0; session < 6; session++) {
      for (const need of lists) {
        const learnt = learn(need, calibration);
        const shown = IDS.map((id, i) => ({ id, rank: i + 1, u: learnt?.records.get(id)?.u ?? 0 }));
        const opened = IDS.filter((id, i) => random() < 1 / (i + 1) && clicked(id, random));
        const list = feedback({ shown, p0: learnt?.p0 ?? 0, opened });
        const { a, b } = bookingOf(list);
        calibration = { a: calibration.a + a, b: calibration.b + b };
        need.push({ turnId: 't', question: 'q', similarity: 0.8, feedback: list });
        if (session < 5) continue;
        const most = Math.max(0, ...shown.map(({ u }) => Math.abs(u)));
        moved += (trust(calibration) * most) / lists.length;
      }
    }
    return { lambda: trust(calibration), moved };
  }

  it('stays high where clicks follow the predictions, and falls where they do not', () => {
    const honest = simulate((id, random) => random() < (id === 'c' ? 0.9 : 0.1));
    const noise = simulate((_, random) => random() < 0.4);
    expect(honest.lambda).toBeGreaterThan(0.9);
    expect(noise.lambda).toBeLessThan(honest.lambda * 0.7);
    expect(noise.moved).toBeLessThan(honest.moved * 0.6);
  });
});

describe('shiftQuestion', () => {
  const question = new Float32Array([1, 0, 0]);
  const learnt = learn([past(1, { hitVotes: { a: 'up' } })], UNCALIBRATED);

  it('moves toward what was liked, by unit vectors, without touching the question', () => {
    const vectors = new Map([['a', new Float32Array([0, 1, 0])]]);
    const shifted = shiftQuestion(question, learnt!, vectors);
    const u = learnt!.records.get('a')!.u;
    const share = u / (u + 0.5);
    expect(shifted![1]! / shifted![0]!).toBeCloseTo(share, 5);
    expect(Math.hypot(...shifted!)).toBeCloseTo(1, 6);
    expect([...question]).toEqual([1, 0, 0]);
    expect(pullingIds(learnt!, 5)).toEqual(['a']);
  });

  it('does not move without vectors, without trust, or by a vector of another dimension', () => {
    expect(shiftQuestion(question, learnt!, new Map())).toBeNull();
    const vectors = new Map([['a', new Float32Array([0, 1, 0])]]);
    expect(shiftQuestion(question, { ...learnt!, lambda: 0 }, vectors)).toBeNull();
    expect(shiftQuestion(question, learnt!, new Map([['a', new Float32Array(2)]]))).toBeNull();
    expect(unit(new Float32Array(3))).toBeNull();
  });
});

describe('changesFor', () => {
  it('is a plain value: the event, the feedback, the calibration', () => {
    const shown = IDS.map((id, i) => ({ id, rank: i + 1, u: i === 0 ? 0.5 : 0 }));
    const before = feedback({ shown });
    const event: FeedbackEvent = {
      id: 'e1',
      turnId: 't',
      at: 'now',
      type: 'open-hit',
      recordId: 'a',
    };
    const changes = changesFor(event, before);
    expect(changes).toEqual([
      { kind: 'event', event },
      { kind: 'feedback', turnId: 't', before, after: { ...before, opened: ['a'] } },
      { kind: 'calibration', add: { a: 0.5 * (1 - 0.2), b: 0.25 } },
    ]);
    expect(JSON.parse(JSON.stringify(changes))).toEqual(changes);
  });

  it('is empty when nothing changes, and refuses a record that was not shown', () => {
    const at = { id: 'e', turnId: 't', at: 'now' };
    expect(changesFor({ ...at, type: 'rate', vote: null }, feedback())).toEqual([]);
    expect(changesFor({ ...at, type: 'rate-hit', recordId: 'a', vote: null }, feedback())).toEqual(
      [],
    );
    expect(() => changesFor({ ...at, type: 'open-hit', recordId: 'zz' }, feedback())).toThrow(
      expect.objectContaining({ code: 'invalid_option' }),
    );
    expect(() =>
      changesFor({ ...at, type: 'rate-hit', recordId: '__proto__', vote: 'up' }, feedback()),
    ).toThrow(expect.objectContaining({ code: 'invalid_option' }));
  });

  it('books the same calibration whatever the way there', () => {
    fc.assert(
      fc.property(anyFeedback, fc.array(anyEvent, { maxLength: 12 }), (start, events) => {
        let now = start;
        let sum = bookingOf(start);
        for (const event of events) {
          const changes = changesFor(event, now);
          now = feedbackAfter(changes, now);
          for (const change of changes)
            if (change.kind === 'calibration')
              sum = { a: sum.a + change.add.a, b: sum.b + change.add.b };
        }
        const direct = bookingOf(now);
        expect(sum.a).toBeCloseTo(direct.a, 9);
        expect(sum.b).toBeCloseTo(direct.b, 9);
      }),
    );
  });

  it('restores feedback exactly, and the calibration to rounding, when it is undone', () => {
    fc.assert(
      fc.property(anyFeedback, anyEvent, (start, event) => {
        const changes = changesFor(event, start);
        const undo = undoOf(changes, { id: 'u', at: 'later' });
        const after = feedbackAfter(changes, start);
        if (changes.length > 0) expect(feedbackAfter(undo, after)).toEqual(start);
        const sums = [...changes, ...undo].flatMap((one) =>
          one.kind === 'calibration' ? [one.add] : [],
        );
        expect(sums.reduce((total, { a }) => total + a, 0)).toBeCloseTo(0, 12);
        expect(sums.reduce((total, { b }) => total + b, 0)).toBeCloseTo(0, 12);
      }),
    );
  });

  it('takes a vote back to where it was', () => {
    const start = feedback();
    const at = { id: 'e', turnId: 't', at: 'now' };
    const up = feedbackAfter(changesFor({ ...at, type: 'rate', vote: 'up' }, start), start);
    const back = feedbackAfter(changesFor({ ...at, type: 'rate', vote: null }, up), up);
    expect(back).toEqual(start);
    const hit = feedbackAfter(
      changesFor({ ...at, type: 'rate-hit', recordId: 'b', vote: 'up' }, start),
      start,
    );
    const gone = feedbackAfter(
      changesFor({ ...at, type: 'rate-hit', recordId: 'b', vote: null }, hit),
      hit,
    );
    expect(gone).toEqual(start);
  });
});
