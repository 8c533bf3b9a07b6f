/**
 * Which of two functions is faster, in a few milliseconds and with a clock as coarse as .1 ms (a page
 * without cross-origin isolation). Calls are counted from one tick of the clock to the first tick after
 * a span, so that its coarseness costs nothing; the best of several spans is taken for each, so that
 * neither a pause nor code that is still being compiled decides.
 */
export interface Race {
  first(): void;
  second(): void;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Milliseconds of a span. */
const SPAN = 0.4;

const ROUNDS = 5;

/** Calls between two looks at the clock; a call is about a microsecond. */
const CALLS = 4;

/** Looks at the clock at most for a span: a clock that stands still must not hang the start. */
const LOOKS = 2_000;

/** Calls a millisecond over one span. */
function rate(run: () => void, now: () => number): number {
  const start = now();
  let from = start;
  for (let look = 0; look < LOOKS && from === start; look++) {
    run();
    from = now();
  }
  let calls = 0;
  let to = from;
  for (let look = 0; look < LOOKS && to - from < SPAN; look++) {
    for (let call = 0; call < CALLS; call++) run();
    calls += CALLS;
    to = now();
  }
  return to > from ? calls / (to - from) : 0;
}

/** Speed of the second over that of the first; 0 where the clock stands still. */
export function race({ first, second, now }: Race): number {
  let [one, two] = [0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    one = Math.max(one, rate(first, now));
    two = Math.max(two, rate(second, now));
  }
  return one > 0 ? two / one : 0;
}
