/** A page that only starts a side and asks it one question: how long that takes. */
import type { Side } from './side.ts';

/** Milliseconds to the first vector. */
export interface StartTimes {
  /** Since the navigation began. */
  readonly navigation_ms: number;
  /** Since the page asked for the engine; its scripts' download from the cache included. */
  readonly start_ms: number;
}

const QUESTION = 'what similarity laws must be obeyed when constructing aeroelastic models';

/** Lays the times, or the error, where Node waits for them. */
export async function measureStart(open: () => Promise<Side>): Promise<void> {
  const found = await timesOf(open).catch((error) => ({ error: String(error?.stack ?? error) }));
  Object.assign(globalThis, { started: found });
}

async function timesOf(open: () => Promise<Side>): Promise<StartTimes> {
  const from = performance.now();
  const side = await open();
  const vector = await side.query(QUESTION);
  const to = performance.now();
  if (!(Math.abs(vector.reduce((sum, x) => sum + x * x, 0) - 1) < 1e-3)) {
    throw new Error(`${side.name}: the first vector is not of unit length`);
  }
  return { navigation_ms: to, start_ms: to - from };
}

/** Which weights the page's address asks for. */
export function asked(): string {
  return new URL(location.href).searchParams.get('weights') ?? '';
}
