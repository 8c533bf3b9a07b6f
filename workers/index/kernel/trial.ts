/**
 * What answers without comparing everything has to prove itself before searches rely on it: for rows
 * spread over the index, it must find what the exact scan finds. Parameters that are too low, data that
 * fall into islands, a saved graph that is sound in form and useless, coordinates that all have one sign:
 * each shows here and costs time afterwards, never results. The trial is repeated whenever the rows have doubled.
 */

/** Rows tried: at a true recall of .99, fewer than one trial in a million falls below the bar. */
export const TRIAL_ROWS = 32;
/** Share of the true ten best, over all rows tried, that a graph must find. */
export const GRAPH_BAR = 0.95;
/** The same of sifting by signs, which finds .998 and more where it is of use. */
export const SIGNS_BAR = 0.99;

export class Trial {
  #triedAt = 0;
  #sample = 0;
  #found = 0;
  #trusted = false;
  readonly #bar: number;

  /** @param bar {@link GRAPH_BAR} or {@link SIGNS_BAR} */
  constructor(bar: number) {
    this.#bar = bar;
  }

  /** The verdict of the last trial; false before the first. */
  get trusted(): boolean {
    return this.#trusted;
  }

  /** Whether an index of so many rows has to be tried. */
  isDue(rows: number): boolean {
    return rows > 0 && rows >= 2 * this.#triedAt;
  }

  /** Forgets everything, for other data or another graph. */
  restart(): void {
    this.#triedAt = 0;
    this.#sample = 0;
    this.#found = 0;
    this.#trusted = false;
  }

  /**
   * Tries one row.
   * @param recallOf share of the true best that is found for a row's own vector
   */
  step(rows: number, recallOf: (row: number) => number): void {
    this.#found += recallOf(Math.floor(((this.#sample + 0.5) * rows) / TRIAL_ROWS));
    this.#sample++;
    if (this.#sample < TRIAL_ROWS) return;
    this.#trusted = this.#found >= this.#bar * TRIAL_ROWS;
    this.#triedAt = rows;
    this.#sample = 0;
    this.#found = 0;
  }
}
