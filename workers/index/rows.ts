/**
 * The rows of one collection in memory, by dense row number: what a filter scans. Row numbers are never
 * used twice; the vector indexes, the lexical indexes and all bitmaps share them.
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

/** Rows that passed: the bitmap covers all row numbers, dead ones are 0. */
export interface Selection {
  readonly bitmap: Bitmap;
  readonly count: number;
}

/** One row in so many, or fewer, are few. */
const FEW = 16;

export class RowTable {
  readonly #rows: (StoredRow | undefined)[] = [];
  readonly #rowOf = new Map<PrimaryKey, number>();
  #live: Bitmap = createBitmap(1_024);
  /** Live rows in key order; null after a write. */
  #order: Uint32Array | null = null;

  /** Live rows. */
  get count(): number {
    return this.#rowOf.size;
  }

  /** Row numbers given out so far, dead ones included. */
  get length(): number {
    return this.#rows.length;
  }

  /** Puts a row under a number; a row of the same key dies. Returns the number of the dead one. */
  put(row: number, stored: StoredRow): number | undefined {
    const dead = this.#rowOf.get(stored.key);
    if (dead !== undefined) this.#kill(dead);
    // Filled up to the number: rows that died before the table was read have no record.
    while (this.#rows.length < row) this.#rows.push(undefined);
    this.#rows[row] = stored;
    this.#rowOf.set(stored.key, row);
    this.#live = growBitmap(this.#live, row + 1);
    setBit(this.#live, row);
    this.#order = null;
    return dead;
  }

  /** Sets how many numbers are given out, where the last rows are dead. */
  reserve(length: number): void {
    while (this.#rows.length < length) this.#rows.push(undefined);
    this.#live = growBitmap(this.#live, length);
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

  /** Calls `visit` for each live row, by ascending number. */
  each(visit: (row: number, stored: StoredRow) => void): void {
    eachBit(this.#live, (row) => {
      const stored = this.#rows[row];
      if (stored !== undefined) visit(row, stored);
    });
  }
}
