/**
 * The rows of one collection in memory, by dense slot 0, 1, 2, ...: what a filter scans. The vector
 * indexes, the lexical indexes and all bitmaps share the slots. A slot is not used twice, so that the
 * table grows by each upsert; opened anew it has live rows only. Storage knows a row by its number,
 * which outlives the table and has gaps.
 */
import {
  type Bitmap,
  clearBit,
  countBits,
  createBitmap,
  eachBit,
  growBitmap,
  hasBit,
  setBit,
} from './bitmap.ts';
import type { StoredRow } from './entity.ts';
import type { CompiledFilter } from './filter/compile.ts';
import { compareKeys, type PrimaryKey } from './keys.ts';

/** Rows that passed: the bitmap covers all slots, dead ones are 0. */
export interface Selection {
  readonly bitmap: Bitmap;
  readonly count: number;
}

/** One row in so many, or fewer, are few. */
const FEW = 16;

export class RowTable {
  readonly #rows: (StoredRow | undefined)[] = [];
  /** Numbers in storage by slot, ascending. */
  readonly #numbers: number[] = [];
  readonly #rowOf = new Map<PrimaryKey, number>();
  #live: Bitmap = createBitmap(1_024);
  /** Live rows in key order; null after a write. */
  #order: Uint32Array | null = null;

  /** Live rows. */
  get count(): number {
    return this.#rowOf.size;
  }

  /** Slots given out so far, dead ones included. */
  get length(): number {
    return this.#rows.length;
  }

  /** Slots whose row is dead. */
  get dead(): number {
    return this.length - this.count;
  }

  /**
   * Adds a row under the next slot; a row of the same key dies. Returns the slot of the dead one. The
   * number must be above those of all rows before it.
   */
  add(stored: StoredRow, number: number): number | undefined {
    const dead = this.#rowOf.get(stored.key);
    if (dead !== undefined) this.#kill(dead);
    const slot = this.#rows.push(stored) - 1;
    this.#numbers.push(number);
    this.#rowOf.set(stored.key, slot);
    this.#live = growBitmap(this.#live, slot + 1);
    setBit(this.#live, slot);
    this.#order = null;
    return dead;
  }

  /** The number by which storage knows the row of a slot, also of a dead one. */
  numberOf(slot: number): number {
    return this.#numbers[slot] as number;
  }

  /** The first slot whose number is not below `number`; `length` where there is none. */
  slotFrom(number: number): number {
    let low = 0;
    let high = this.#numbers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#numbers[middle] as number) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether a live row has that number. */
  holds(number: number): boolean {
    const slot = this.slotFrom(number);
    return this.#numbers[slot] === number && this.isLive(slot);
  }

  remove(key: PrimaryKey): number | undefined {
    const row = this.#rowOf.get(key);
    if (row === undefined) return undefined;
    this.#rowOf.delete(key);
    this.#kill(row);
    return row;
  }

  #kill(row: number): void {
    this.#rows[row] = undefined;
    clearBit(this.#live, row);
    this.#order = null;
  }

  find(key: PrimaryKey): number | undefined {
    return this.#rowOf.get(key);
  }

  at(row: number): StoredRow | undefined {
    return this.#rows[row];
  }

  isLive(row: number): boolean {
    return hasBit(this.#live, row);
  }

  /** Live rows in primary key order. */
  ordered(): Uint32Array {
    if (this.#order === null) {
      const keyed: { readonly key: PrimaryKey; readonly row: number }[] = [];
      for (const [key, row] of this.#rowOf) keyed.push({ key, row });
      keyed.sort((a, b) => compareKeys(a.key, b.key));
      this.#order = Uint32Array.from(keyed, (each) => each.row);
    }
    return this.#order;
  }

  /** The selected rows in primary key order. Few rows are sorted by themselves, not found in the order of all. */
  inOrder({ bitmap, count }: Selection): Uint32Array {
    if (count > this.count / FEW) return this.ordered().filter((row) => hasBit(bitmap, row));
    const keyed: { readonly key: PrimaryKey; readonly row: number }[] = [];
    eachBit(bitmap, (row) => {
      const stored = this.#rows[row];
      if (stored !== undefined) keyed.push({ key: stored.key, row });
    });
    keyed.sort((a, b) => compareKeys(a.key, b.key));
    return Uint32Array.from(keyed, (each) => each.row);
  }

  /** Every live row, or those a filter accepts. The bitmap is a copy of the present state. */
  select(filter: CompiledFilter | null): Selection {
    if (filter === null) return { bitmap: this.#live.slice(), count: this.count };
    const bitmap = createBitmap(Math.max(this.length, 1));
    if (filter.keys !== null) this.#selectKeys(filter, filter.keys, bitmap);
    else {
      eachBit(this.#live, (row) => {
        const stored = this.#rows[row];
        if (stored !== undefined && filter.test(stored)) setBit(bitmap, row);
      });
    }
    return { bitmap, count: countBits(bitmap) };
  }

  #selectKeys(filter: CompiledFilter, keys: readonly PrimaryKey[], bitmap: Bitmap): void {
    for (const key of keys) {
      const row = this.#rowOf.get(key);
      const stored = row === undefined ? undefined : this.#rows[row];
      if (row !== undefined && stored !== undefined && filter.test(stored)) setBit(bitmap, row);
    }
  }

  /** Calls `visit` for each live row, by ascending slot. */
  each(visit: (row: number, stored: StoredRow) => void): void {
    eachBit(this.#live, (row) => {
      const stored = this.#rows[row];
      if (stored !== undefined) visit(row, stored);
    });
  }
}
