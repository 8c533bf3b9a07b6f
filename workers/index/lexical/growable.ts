type Numbers = Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** A typed array that is longer than what is used of it. */
export type Growable<T> = T extends Uint8Array
  ? Uint8Array<ArrayBuffer>
  : T extends Uint32Array
    ? Uint32Array<ArrayBuffer>
    : Float64Array<ArrayBuffer>;

/** The array itself when it holds `length`, or a copy of at least double size, zeros behind. */
export function grown<T extends Numbers>(numbers: T, length: number): T {
  if (length <= numbers.length) return numbers;
  const Kind = numbers.constructor as new (length: number) => T;
  const larger = new Kind(Math.max(length, numbers.length * 2));
  larger.set(numbers);
  return larger;
}
