import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { angleAt, armLength, OUTER, spiralShape } from '../../../src/app/spiral.ts';

const shares = fc.array(fc.option(fc.double({ min: 0, max: 1, noNaN: true })), { maxLength: 400 });
const distance = (a: { x: number; y: number }, b: { x: number; y: number }) =>
  Math.hypot(a.x - b.x, a.y - b.y);

describe('the spiral of turns', () => {
  it('inverts the length of the arm', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.5, max: 200, noNaN: true }),
        fc.double({ min: 0.2, max: 8, noNaN: true }),
        (angle, k) => Math.abs(angleAt(armLength(angle, k), k) - angle) < 1e-4,
      ),
    );
  });

  it('measures the arm as its own points do', () => {
    const k = 3;
    let sum = 0;
    for (let step = 1; step <= 20_000; step += 1) {
      const [a, b] = [(step - 1) / 1_000, step / 1_000];
      sum += Math.hypot(
        k * (b * Math.cos(b) - a * Math.cos(a)),
        k * (b * Math.sin(b) - a * Math.sin(a)),
      );
    }
    expect(armLength(20, k)).toBeCloseTo(sum, 2);
  });

  it('has one dot a turn, all inside the circle, none upon another', () => {
    fc.assert(
      fc.property(shares, (list) => {
        const { dots, next } = spiralShape(list);
        expect(dots).toHaveLength(list.length);
        const all = [...dots, next];
        for (const dot of all) expect(Math.hypot(dot.x, dot.y)).toBeLessThanOrEqual(OUTER + 0.01);
        for (let i = 1; i < all.length; i += 1) {
          const [a, b] = [all[i - 1]!, all[i]!];
          expect(distance(a, b)).toBeGreaterThan(Math.max(a.radius, b.radius));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('does not overlap dots of neighbouring windings', () => {
    const { dots } = spiralShape(Array.from({ length: 120 }, () => 1));
    for (const [i, a] of dots.entries()) {
      for (const b of dots.slice(i + 1)) expect(distance(a, b)).toBeGreaterThan(a.radius);
    }
  });

  it('draws a larger dot for a larger share, and a half where nothing was checked', () => {
    const [none, half, all, unknown] = spiralShape([0, 0.5, 1, null]).dots;
    expect(none!.radius).toBeLessThan(half!.radius);
    expect(half!.radius).toBeLessThan(all!.radius);
    expect(unknown!.radius).toBe(half!.radius);
  });

  it('keeps the fingers of two neighbours apart', () => {
    const { dots } = spiralShape([1, 1, 1, 1, 1]);
    for (let i = 1; i < dots.length; i += 1) {
      const [a, b] = [dots[i - 1]!, dots[i]!];
      expect(a.reach + b.reach).toBeLessThanOrEqual(distance(a, b) * 1.1);
    }
  });

  it('puts the running turn where its dot will be', () => {
    const before = spiralShape([1, 1]).next;
    const after = spiralShape([1, 1, null]).dots[2]!;
    expect(distance(before, after)).toBeLessThan(0.01);
  });
});
