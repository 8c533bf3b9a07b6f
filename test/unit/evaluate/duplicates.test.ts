import { describe, expect, it } from 'vitest';
import { dot, jaccard } from '../../../src/loop/evaluate/duplicates.ts';
import { findRepeat, likeness, textKey } from '../../../src/loop/evaluate/index.ts';

describe('textKey', () => {
  it('folds width, case and white space and nothing else', () => {
    expect(textKey('  The\n ＥＥＬ\u3000Inn ')).toBe('the eel inn');
    expect(textKey('STRASSE')).toBe(textKey('straße'));
    expect(textKey('ΟΔΟΣ')).toBe(textKey('οδος'));
    expect(textKey('cafe\u0301')).toBe(textKey('café'));
    expect(textKey('café')).not.toBe(textKey('cafe'));
    expect(textKey('a.b')).not.toBe(textKey('a b'));
  });
});

describe('likeness', () => {
  const text = 'one two three four five six seven eight nine ten';
  const near = 'one two three four five six seven eight nine eleven';

  it('asks for vector and words together', () => {
    expect(likeness(text, ` ${text.toUpperCase()} `, 0)).toBe('exact');
    expect(likeness(text, near, 0.96)).toBe('near');
    expect(likeness(text, 'one two', 0.96)).toBe('review');
    expect(likeness(text, near, 0.94)).toBe('review');
    expect(likeness(text, near, 0.89)).toBe('distinct');
  });

  it('has the bounds of loop.md section 5', () => {
    expect(likeness(text, near, 0.95)).toBe('near');
    expect(likeness(text, near, 0.9)).toBe('review');
    expect(jaccard('a b c d e f g', 'a b c d e f g h i j')).toBeCloseTo(0.7, 12);
    expect(jaccard('', '')).toBe(0);
  });
});

describe('findRepeat', () => {
  const unit = (cosine: number) => Float32Array.of(cosine, Math.sqrt(1 - cosine * cosine));
  const own = Float32Array.of(1, 0);

  it('prefers the exact one, then the nearest at .92 or more', () => {
    const known = [
      { id: 'a', text: 'x', vector: unit(0.93) },
      { id: 'b', text: 'y', vector: unit(0.97) },
      { id: 'c', text: 'MINE', vector: unit(0) },
    ];
    expect(findRepeat('mine', own, known)).toMatchObject({ id: 'c', kind: 'exact' });
    expect(findRepeat('other', own, known)).toMatchObject({ id: 'b', kind: 'near' });
    expect(findRepeat('other', own, [{ id: 'd', text: 'z', vector: unit(0.91) }])).toBeNull();
  });

  it('finds exact ones without a vector, and relates no vectors of other lengths', () => {
    const known = [{ id: 'c', text: 'mine', vector: own }];
    expect(findRepeat('Mine', null, known)).toMatchObject({ id: 'c' });
    expect(findRepeat('other', null, known)).toBeNull();
    expect(findRepeat('other', Float32Array.of(1), known)).toBeNull();
    expect(dot(Float32Array.of(1, 2), Float32Array.of(3, 4))).toBe(11);
  });
});
