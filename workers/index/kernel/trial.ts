/**
 * A graph has to prove itself before searches rely on it: for rows spread over the index, the walk must
 * find what the exact scan finds. Parameters that are too low, data that fall into islands, a saved graph
 * that is sound in form and useless: each shows here and costs time afterwards, never results. The trial is repeated whenever the graph has doubled.
 */

/** Rows tried: at a true recall of .99, fewer than one trial in a million falls below the bar. */
export const TRIAL_ROWS = 32;
/** Share of the true ten best, over all rows tried, that a walk of the default breadth must find. */
export const TRIAL_BAR = 0.95;

export class GraphTrial {
  #triedAt = 0;
  #sample = 0;
  #found = 0;
  #trusted = false;

  /** The verdict of the last trial; false before the first. */
  get trusted(): boolean {
    return this.#trusted;
  }

  /** Whether a graph of so many rows has to be tried. */
  isDue(inserted: number): boolean {
    return inserted > 0 && inserted >= 2 * this.#triedAt;
  }

  /** Forgets everything, for another graph. */
  restart(): void {
    this.#triedAt = 0;
    this.#sample = 0;
    this.#found = 0;
    this.#trusted = false;
  }

  /**
   * Tries one row.
   * @param recallOf share of the true best that the walk finds for a row's own vector
   */
  step(inserted: number, recallOf: (row: number) => number): void {
    this.#found += recallOf(Math.floor(((this.#sample + 0.5) * inserted) / TRIAL_ROWS));
    this.#sample++;
    if (this.#sample < TRIAL_ROWS) return;
    this.#trusted = this.#found >= TRIAL_BAR * TRIAL_ROWS;
    this.#triedAt = inserted;
    this.#sample = 0;
    this.#found = 0;
  }
}
