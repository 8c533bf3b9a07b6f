/**
 * GELU, x / 2 (1 + erf(x / sqrt 2)), with erf as a quotient of polynomials in z^2 for |z| <= 4, beyond
 * which it is 1 in float32. The coefficients are the minimax fit that Eigen, XLA and ONNX Runtime use for
 * erf. Absolute error below 1e-6 x max(1, |x|). NaN stays NaN; minus infinity becomes NaN.
 */
import { multiplyAdd } from './multiply-add';

const TABLE: usize = memory.data<f32>([-2.72614225801306e-10, 2.77068142495902e-8, -2.10102402082508e-6, -5.69250639462346e-5, -7.34990630326855e-4, -2.9545998085403e-3, -1.60960333262415e-2, -1.45660718464996e-5, -2.13374055278905e-4, -1.68282697438203e-3, -7.37332916720468e-3, -1.42647390514189e-2, 0.7071067811865476, 4, -4, 0.5], 16);

// @ts-ignore: decorator
@inline
function constant(index: usize): v128 {
  return v128.load_splat<f32>(TABLE + (index << 2));
}

// @ts-ignore: decorator
@inline
function numerator(w: v128): v128 {
  let p = constant(0);
  p = multiplyAdd(p, w, constant(1));
  p = multiplyAdd(p, w, constant(2));
  p = multiplyAdd(p, w, constant(3));
  p = multiplyAdd(p, w, constant(4));
  p = multiplyAdd(p, w, constant(5));
  return multiplyAdd(p, w, constant(6));
}

// @ts-ignore: decorator
@inline
function denominator(w: v128): v128 {
  let q = constant(7);
  q = multiplyAdd(q, w, constant(8));
  q = multiplyAdd(q, w, constant(9));
  q = multiplyAdd(q, w, constant(10));
  return multiplyAdd(q, w, constant(11));
}

/** Of four floats. `pmin` and `pmax` keep a NaN in their first operand. */
// @ts-ignore: decorator
@inline
export function gelu(x: v128): v128 {
  const z = f32x4.pmax(
    f32x4.pmin(f32x4.mul(x, constant(12)), constant(13)),
    constant(14),
  );
  const w = f32x4.mul(z, z);
  const erf = f32x4.div(f32x4.mul(z, numerator(w)), denominator(w));
  const half = f32x4.mul(x, constant(15));
  return multiplyAdd(half, erf, half);
}
