/**
 * The geometry of the spiral of turns. An Archimedean spiral, r = k * angle; dots lie at equal
 * distances along the arm, oldest in the middle, and the whole always fills the same circle.
 */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface SpiralDot extends Point {
  readonly radius: number;
  /** Radius of the area that can be pressed; never reaches the middle of a neighbour. */
  readonly reach: number;
}

export interface SpiralShape {
  /** SVG path of the arm. */
  readonly arm: string;
  readonly dots: readonly SpiralDot[];
  /** Where the turn that is running now will lie. */
  readonly next: SpiralDot;
}

/** Outer radius of the spiral, in the units of the view box (-150 to 150). */
export const OUTER = 122;

const FEWEST = 9;
const WINDINGS_OF_FEWEST = 3;
const START_ANGLE = Math.PI * 1.6;
const SMALLEST = 2.5;
const FINGER = 18;

/** Point at an angle, in radians; y grows downwards as in SVG. */
export function pointAt(angle: number, k: number): Point {
  return { x: k * angle * Math.cos(angle), y: k * angle * Math.sin(angle) };
}

/** Length of the arm from its middle to an angle, by the closed form for r = k * angle. */
export function armLength(angle: number, k: number): number {
  return (k / 2) * (angle * Math.sqrt(1 + angle * angle) + Math.asinh(angle));
}

/** The angle at a length along the arm, to a millionth of a radian. */
export function angleAt(length: number, k: number): number {
  let angle = Math.sqrt((2 * length) / k);
  for (let step = 0; step < 20; step += 1) {
    const error = armLength(angle, k) - length;
    angle -= error / (k * Math.sqrt(1 + angle * angle));
    if (Math.abs(error) < k * 1e-6) break;
  }
  return angle;
}

/** SVG path of an arm between two angles, in steps fine enough to look round. */
export function armPath(from: number, to: number, k: number): string {
  const steps = Math.max(2, Math.ceil((to - from) / 0.12));
  const points = Array.from({ length: steps + 1 }, (_, index) =>
    pointAt(from + ((to - from) * index) / steps, k),
  );
  return points.map(({ x, y }, i) => `${i ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
}

/**
 * The shape for these turns; a share is the part of sentences with a source, 0..1, or null where
 * nothing was checked, which counts as a half. More turns make more windings and smaller dots.
 */
export function spiralShape(shares: readonly (number | null)[]): SpiralShape {
  const count = Math.max(FEWEST, shares.length + 1);
  const windings = WINDINGS_OF_FEWEST * Math.sqrt(count / FEWEST);
  const end = START_ANGLE + windings * 2 * Math.PI;
  const k = OUTER / end;
  const first = armLength(START_ANGLE, k);
  const gap = (armLength(end, k) - first) / (count - 1);
  const room = Math.min(gap, 2 * Math.PI * k);
  const dot = (index: number, share: number | null): SpiralDot => {
    const size = Math.min(1, Math.max(0, share ?? 0.5));
    const largest = Math.min(14, room * 0.48);
    const radius = Math.max(SMALLEST, largest * (0.4 + 0.6 * size));
    const reach = Math.max(radius, Math.min(FINGER, room / 2));
    return { ...pointAt(angleAt(first + gap * index, k), k), radius, reach };
  };
  const last = angleAt(first + gap * Math.max(FEWEST - 1, shares.length), k);
  return {
    arm: armPath(0.8, last, k),
    dots: shares.map((share, index) => dot(index, share)),
    next: dot(shares.length, null),
  };
}

/** The mark of the app: the same spiral, bare; about 24 units across. */
export const MARK = armPath(0.6, 14.2, 0.8);
