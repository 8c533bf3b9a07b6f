/** Where token ids are collected: as many as a sequence can take, and no more. */
export class Ids {
  readonly #room: Int32Array;
  #length = 0;

  constructor(limit: number) {
    this.#room = new Int32Array(limit);
  }

  /** Whether nothing more fits; what is added then is dropped. */
  get full(): boolean {
    return this.#length === this.#room.length;
  }

  get length(): number {
    return this.#length;
  }

  add(id: number): void {
    if (this.#length < this.#room.length) this.#room[this.#length++] = id;
  }

  /** Takes the ids behind a length back. */
  shorten(length: number): void {
    this.#length = length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** A copy between what stands before and behind every sequence. */
  between(before: readonly number[], behind: readonly number[]): Int32Array {
    const all = new Int32Array(before.length + this.#length + behind.length);
    all.set(before);
    all.set(this.#room.subarray(0, this.#length), before.length);
    all.set(behind, before.length + this.#length);
    return all;
  }
}
