import { describe, expect, it } from 'vitest';
import { RULES, violations } from '../../tools/layering.ts';

const forbidden = (from: string, to: string) => RULES.some((rule) => rule.forbids(from, to));

describe('layering', () => {
  it('holds in the tree', () => {
    expect(violations()).toEqual([]);
  });

  it.each([
    ['src/engine.ts', 'workers/embed/worker.ts'],
    ['workers/index/core.ts', 'src/engine.ts'],
    ['src/shared/link.ts', 'src/engine.ts'],
    ['src/loop/evaluate/gate.ts', 'src/loop/prompt.ts'],
    ['src/engine.ts', 'src/app/session.ts'],
    ['proxy/index.ts', 'src/shared/errors.ts'],
  ])('forbids %s to import %s', (from, to) => {
    expect(forbidden(from, to)).toBe(true);
  });

  it.each([
    ['src/places.ts', 'workers/embed/worker.ts'],
    ['workers/index/core.ts', 'src/shared/errors.ts'],
    ['src/loop/loop.ts', 'src/loop/prompt.ts'],
    ['src/app/session.ts', 'src/index.ts'],
  ])('allows %s to import %s', (from, to) => {
    expect(forbidden(from, to)).toBe(false);
  });
});
