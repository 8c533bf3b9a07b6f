/**
 * Linear memory, from the bottom to the top: working memory that all batches share, the model, then
 * the two slots. What is below the slots is laid once; the slots move and grow behind it (`slots.ts`).
 * Dropping the instance frees it.
 */

/** Cache line; also what aligned SIMD loads like. */
const ALIGNMENT: u64 = 64;
const PAGE: u64 = 65536;
/** Short of 4 GiB by a line, because the end of what is taken is an address, too, and 2^32 would be 0. */
const MOST: u64 = PAGE * PAGE - ALIGNMENT;

let top: u64 = 0;
let reached: u64 = 0;
let limit: u64 = MOST;

/** Bytes that may be taken at most, all together; at most about 4 GiB. */
export function limitMemory(bytes: f64): void {
  limit = min(<u64>bytes, MOST);
}

/** Bytes of linear memory in use, the largest that the slots ever were included. */
export function usedBytes(): f64 {
  return <f64>max(max(top, reached), <u64>__heap_base);
}

/** End of what was allocated, where the slots begin. */
export function allocatedEnd(): usize {
  return <usize>top;
}

/** Makes memory reach up to an address; false when it or the limit is exhausted, and then nothing changed. */
export function reach(end: u64): bool {
  if (end > limit) return false;
  const missing = <i64>((end + PAGE - 1) / PAGE) - <i64>memory.size();
  if (missing > 0 && memory.grow(<i32>missing) < 0) return false;
  reached = max(reached, end);
  return true;
}

/** Address of that many zeroed bytes, or 0 when memory or the limit is exhausted; then nothing changed. */
export function allocate(bytes: u64): usize {
  if (top == 0) top = aligned(<u64>__heap_base);
  const end = aligned(top + bytes);
  if (!reach(end)) return 0;
  const address = top;
  top = end;
  return <usize>address;
}

/** Rounds up to a whole number of cache lines. */
export function aligned(bytes: u64): u64 {
  return (bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}
