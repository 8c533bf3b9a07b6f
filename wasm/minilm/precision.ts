/**
 * What the numbers of the linear layers are. The build decides how integers are multiplied, the host
 * decides once, before anything is laid out, whether there are integers at all.
 */

/** True in the build with relaxed SIMD; a constant, so that the other branch is not compiled. */
// @ts-ignore: decorator
@inline
export const RELAXED: bool = ASC_FEATURE_RELAXED_SIMD;

/** False: int8 weights and 14-bit activations. True: float32 weights and activations. */
export let float32: bool = false;

/** To be called before any size is asked for: it changes them. */
export function setFloat32(on: bool): void {
  float32 = on;
}

/** Largest absolute value of an int8 weight, -128 included. */
const LARGEST_WEIGHT: i32 = 128;

/** Activations are 14 bits with their sign, so that two halves of 7 bits hold them in the relaxed build. */
const LARGEST_ACTIVATION: i32 = 8191;

/** Largest absolute value of an activation such that `inner` products fit int32; 8191 up to 2,048. */
export function activationLimit(inner: i32): i32 {
  return min(LARGEST_ACTIVATION, i32.MAX_VALUE / (LARGEST_WEIGHT * inner));
}
