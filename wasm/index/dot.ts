/**
 * Inner loops. One query load serves four rows, and k is not unrolled: V8 loses half its speed when
 * it is. Offsets of SIMD loads must be constants, so addresses are advanced instead.
 */
import { padded } from './rows';

/** [sum of a's lanes, of b's, of c's, of d's], int32. */
// @ts-ignore: decorator
@inline
function sumLanes(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(
    v128.shuffle<i32>(a, b, 0, 4, 1, 5),
    v128.shuffle<i32>(a, b, 2, 6, 3, 7),
  );
  const cd = i32x4.add(
    v128.shuffle<i32>(c, d, 0, 4, 1, 5),
    v128.shuffle<i32>(c, d, 2, 6, 3, 7),
  );
  return i32x4.add(
    v128.shuffle<i32>(ab, cd, 0, 1, 4, 5),
    v128.shuffle<i32>(ab, cd, 2, 3, 6, 7),
  );
}

/** Bits of sixteen bytes in which a and b differ, counted in eight lanes. */
// @ts-ignore: decorator
@inline
function differences(a: v128, b: v128): v128 {
  return i16x8.extadd_pairwise_i8x16_u(i8x16.popcnt(v128.xor(a, b)));
}

/** Bits in which four rows differ from the query's, as float32 lanes. */
export function countBits4(query: usize, a: usize, b: usize, c: usize, d: usize): v128 {
  let sumA = i16x8.splat(0);
  let sumB = sumA;
  let sumC = sumA;
  let sumD = sumA;
  const end = a + padded;
  while (a < end) {
    const q = v128.load(query);
    sumA = i16x8.add(sumA, differences(v128.load(a), q));
    sumB = i16x8.add(sumB, differences(v128.load(b), q));
    sumC = i16x8.add(sumC, differences(v128.load(c), q));
    sumD = i16x8.add(sumD, differences(v128.load(d), q));
    a += 16;
    b += 16;
    c += 16;
    d += 16;
    query += 16;
  }
  return f32x4.convert_i32x4_s(
    sumLanes(
      i32x4.extadd_pairwise_i16x8_u(sumA),
      i32x4.extadd_pairwise_i16x8_u(sumB),
      i32x4.extadd_pairwise_i16x8_u(sumC),
      i32x4.extadd_pairwise_i16x8_u(sumD),
    ),
  );
}

/** Bits in which two rows differ; `a` and `b` are advanced by `step` from sixteen bytes to the next. */
export function countBits(a: usize, b: usize, step: usize): i32 {
  let sum = i16x8.splat(0);
  for (let k: usize = 0; k < padded; k += 16) {
    sum = i16x8.add(sum, differences(v128.load(a), v128.load(b)));
    a += step;
    b += step;
  }
  const lanes = i32x4.extadd_pairwise_i16x8_u(sum);
  return (
    i32x4.extract_lane(lanes, 0) + i32x4.extract_lane(lanes, 1) +
    i32x4.extract_lane(lanes, 2) + i32x4.extract_lane(lanes, 3)
  );
}

/** Four inner products of int16 query codes with int8 row codes, as int32 lanes. */
// @ts-ignore: decorator
@inline
export function dotCodes4(query: usize, a: usize, b: usize, c: usize, d: usize): v128 {
  let sumA = i32x4.splat(0);
  let sumB = sumA;
  let sumC = sumA;
  let sumD = sumA;
  const end = a + padded;
  while (a < end) {
    const q = v128.load(query);
    sumA = i32x4.add(sumA, i32x4.dot_i16x8_s(v128.load_ext<i8>(a), q));
    sumB = i32x4.add(sumB, i32x4.dot_i16x8_s(v128.load_ext<i8>(b), q));
    sumC = i32x4.add(sumC, i32x4.dot_i16x8_s(v128.load_ext<i8>(c), q));
    sumD = i32x4.add(sumD, i32x4.dot_i16x8_s(v128.load_ext<i8>(d), q));
    a += 8;
    b += 8;
    c += 8;
    d += 8;
    query += 16;
  }
  return sumLanes(sumA, sumB, sumC, sumD);
}

// @ts-ignore: decorator
@inline
export function sumFloats(s: v128): f32 {
  return (
    f32x4.extract_lane(s, 0) +
    f32x4.extract_lane(s, 1) +
    (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3))
  );
}

/** Inner product of two padded float vectors; sixteen partial sums keep the rounding error small. */
export function dotFloats(a: usize, b: usize): f32 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  const end = a + (padded << 2);
  while (a < end) {
    s0 = f32x4.add(s0, f32x4.mul(v128.load(a), v128.load(b)));
    s1 = f32x4.add(s1, f32x4.mul(v128.load(a, 16), v128.load(b, 16)));
    s2 = f32x4.add(s2, f32x4.mul(v128.load(a, 32), v128.load(b, 32)));
    s3 = f32x4.add(s3, f32x4.mul(v128.load(a, 48), v128.load(b, 48)));
    a += 64;
    b += 64;
  }
  return sumFloats(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
}

/** Squared length of the difference of two padded float vectors. */
export function squaredDistance(a: usize, b: usize): f32 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  const end = a + (padded << 2);
  while (a < end) {
    const d0 = f32x4.sub(v128.load(a), v128.load(b));
    const d1 = f32x4.sub(v128.load(a, 16), v128.load(b, 16));
    const d2 = f32x4.sub(v128.load(a, 32), v128.load(b, 32));
    const d3 = f32x4.sub(v128.load(a, 48), v128.load(b, 48));
    s0 = f32x4.add(s0, f32x4.add(f32x4.mul(d0, d0), f32x4.mul(d2, d2)));
    s1 = f32x4.add(s1, f32x4.add(f32x4.mul(d1, d1), f32x4.mul(d3, d3)));
    a += 64;
    b += 64;
  }
  return sumFloats(f32x4.add(s0, s1));
}
