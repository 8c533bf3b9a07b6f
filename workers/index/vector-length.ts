/** Which vectors the kernel of the vector index takes; checked before anything is stored. */

/**
 * The kernel's bound is 1e18, in float32: its squares and their sums stay finite below it. This one lies
 * under it by more than float32 may round.
 */
const LONGEST = 0.99999e18;
const MOST = LONGEST * LONGEST;

/** Whether a vector of this squared length (in float64) can be compared; false for NaN and Infinity. */
export function isComparable(squaredLength: number): boolean {
  return squaredLength <= MOST;
}
