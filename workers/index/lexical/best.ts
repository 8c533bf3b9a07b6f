/**
 * Keeps the best `limit` of any number of scored rows: higher score first, lower row first among
 * equals. A binary heap with the worst kept at its root.
 */
export class Best {
  readonly #limit: number;
  readonly #rows: number[] = [];
  readonly #scores: number[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  offer(row: number, score: number): void {
    if (this.#rows.length < this.#limit) {
      this.#rows.push(row);
      this.#scores.push(score);
      this.#rise(this.#rows.length - 1);
    } else if (this.#limit > 0 && isBetter(score, row, this.#scores[0] ?? 0, this.#rows[0] ?? 0)) {
      this.#rows[0] = row;
      this.#scores[0] = score;
      this.#sink(0);
    }
  }

  /** Best first. */
  result(): { rows: Uint32Array; scores: Float32Array } {
    const order = this.#rows.map((_, i) => i).sort((a, b) => (this.#isWorse(a, b) ? 1 : -1));
    return {
      rows: Uint32Array.from(order, (i) => this.#rows[i] ?? 0),
      scores: Float32Array.from(order, (i) => this.#scores[i] ?? 0),
    };
  }

  #rise(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isWorse(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(from: number): void {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= this.#rows.length) return;
      const right = left + 1;
      const child = right < this.#rows.length && this.#isWorse(right, left) ? right : left;
      if (!this.#isWorse(child, at)) return;
      this.#swap(at, child);
      at = child;
    }
  }

  #isWorse(a: number, b: number): boolean {
    return isBetter(
      this.#scores[b] ?? 0,
      this.#rows[b] ?? 0,
      this.#scores[a] ?? 0,
      this.#rows[a] ?? 0,
    );
  }

  #swap(a: number, b: number): void {
    const row = this.#rows[a] ?? 0;
    const score = this.#scores[a] ?? 0;
    this.#rows[a] = this.#rows[b] ?? 0;
    this.#scores[a] = this.#scores[b] ?? 0;
    this.#rows[b] = row;
    this.#scores[b] = score;
  }
}

function isBetter(score: number, row: number, than: number, thanRow: number): boolean {
  return score > than || (score === than && row < thanRow);
}
