/**
 * Linear memory, handed out from the bottom to the top and never given back: what grows is laid in
 * blocks or doubled, so at most as much is left behind as is in use. Dropping the instance frees it.
 */

/** Cache line; also what aligned SIMD loads like. */
const ALIGNMENT: u64 = 64;
const PAGE: u64 = 65536;

let top: u64 = 0;
let limit: u64 = 65536 * 65536;

/** Bytes that {@link allocate} may reach at most, all together; at most 4 GiB. */
export function limitMemory(bytes: f64): void {
  limit = min(<u64>bytes, PAGE * PAGE);
}

/** Bytes of linear memory in use. */
export function usedBytes(): f64 {
  return <f64>max(top, <u64>__heap_base);
}

/** Address of that many zeroed bytes, or 0 when memory or the limit is exhausted; then nothing changed. */
export function allocate(bytes: u64): usize {
  if (top == 0) top = align(<u64>__heap_base);
  const end = align(top + bytes);
  if (end > limit) return 0;
  const missing = <i64>((end + PAGE - 1) / PAGE) - <i64>memory.size();
  if (missing > 0 && memory.grow(<i32>missing) < 0) return 0;
  const address = top;
  top = end;
  return <usize>address;
}

/** A larger copy of an array, zeroed behind what was there; 0 when memory is exhausted. */
export function enlarge(address: usize, used: u64, bytes: u64): usize {
  const larger = allocate(bytes);
  if (larger != 0 && used > 0) memory.copy(larger, address, <usize>used);
  return larger;
}

function align(address: u64): u64 {
  return (address + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}
