/**
 * Generated primary keys: milliseconds since 1970 times 2^18 plus a counter, as Milvus's timestamps are
 * made, and always above the last one, so that they grow even when the clock goes back.
 */
const COUNTER_BITS = 18n;

/** `count` keys above `last`, ascending. */
export function generateIds(count: number, last: bigint, nowMs: number): readonly bigint[] {
  const fromClock = BigInt(Math.max(0, Math.floor(nowMs))) << COUNTER_BITS;
  const first = fromClock > last ? fromClock : last + 1n;
  return Array.from({ length: count }, (_, i) => first + BigInt(i));
}
