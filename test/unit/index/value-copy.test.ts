/** Copies beside those of `structuredClone`. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { copyKey, copyValue } from '../../../workers/index/storage/value-copy.ts';

test('a copy is what structuredClone makes, and shares nothing with its source', () => {
  const value = fc.anything({
    withBigInt: true,
    withTypedArray: true,
    withDate: true,
    withMap: true,
    withSparseArray: true,
    withNullPrototype: false,
  });
  fc.assert(
    fc.property(value, (source) => {
      const copy = copyValue(source);
      expect(copy).toEqual(structuredClone(source));
      if (typeof source === 'object' && source !== null) expect(copy).not.toBe(source);
    }),
    { numRuns: 500 },
  );
});

test('bytes and buffers are copied, cycles and depth are none of its troubles', () => {
  const data = Uint8Array.of(1, 2).buffer;
  const copy = copyValue({ data, list: [data] }) as { data: ArrayBuffer; list: ArrayBuffer[] };
  expect(new Uint8Array(copy.data)).toEqual(Uint8Array.of(1, 2));
  expect(copy.data).not.toBe(data);
  expect(copy.list[0]).not.toBe(data);
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  expect(() => copyValue(cycle)).not.toThrow();
  let deep: unknown = 1;
  for (let i = 0; i < 1_000; i++) deep = [deep];
  expect(copyValue(deep)).toEqual(deep);
  const own = JSON.parse('{"__proto__": {"x": 1}}') as object;
  expect(Object.getPrototypeOf(copyValue(own))).toBe(Object.prototype);
});

test.each([() => {}, Symbol('x'), { a: () => {} }, [Symbol('x')], new WeakMap()])(
  'what has no copy is refused',
  (value) => {
    expect(() => copyValue(value)).toThrow(expect.objectContaining({ name: 'DataCloneError' }));
  },
);

test('keys are copied', () => {
  const bytes = Uint8Array.of(1);
  const key = [1, bytes, 'x'] as const;
  const copy = copyKey(key) as typeof key;
  expect(copy).toEqual(key);
  expect(copy[1]).not.toBe(bytes);
  expect(copyKey('x')).toBe('x');
});
