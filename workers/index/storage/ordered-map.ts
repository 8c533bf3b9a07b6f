/**
 * A map in the key order of IndexedDB. Entries lie in blocks of up to 512, the blocks in a list: an insert
 * moves at most one block's entries, so a million of them cost some seconds wherever they fall, where one
 * sorted list would move the rest of it each time.
 */
import { compareStorageKeys } from './key-order.ts';
import type { KeyRange, StorageKey } from './storage.ts';

type Bound = KeyRange['upper'];

export interface MapEntry {
  readonly key: StorageKey;
  readonly value: unknown;
}

/** Never empty. */
interface Block {
  keys: StorageKey[];
  values: unknown[];
}

/** Of an entry, or of the place where it would be. */
interface Place {
  readonly block: number;
  readonly at: number;
}

const MOST_ENTRIES = 512;

export class OrderedMap {
  readonly #blocks: Block[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The entry, or undefined. */
  find(key: StorageKey): MapEntry | undefined {
    const place = this.#lowerBound(key);
    return this.#isAt(place, key) ? this.#entry(place) : undefined;
  }

  set(key: StorageKey, value: unknown): void {
    const place = this.#lowerBound(key);
    const block = this.#blocks[place.block];
    if (block !== undefined && this.#isAt(place, key)) block.values[place.at] = value;
    else this.#insert(place, key, value);
  }

  delete(key: StorageKey): void {
    const place = this.#lowerBound(key);
    if (this.#isAt(place, key)) this.#cut(place, { block: place.block, at: place.at + 1 });
  }

  /** Entries of a range (null: all) in order, at most `limit`. */
  slice(range: KeyRange | null, limit = Number.POSITIVE_INFINITY): MapEntry[] {
    const entries: MapEntry[] = [];
    let { block, at } = range === null ? { block: 0, at: 0 } : this.#begin(range);
    const end = range === null ? this.#end() : this.#upperBound(range.upper);
    for (; block <= end.block && block < this.#blocks.length; block++, at = 0) {
      const { keys, values } = this.#blocks[block] ?? EMPTY;
      const to = block === end.block ? end.at : keys.length;
      for (; at < to; at++) {
        if (entries.length >= limit) return entries;
        entries.push({ key: keys[at] ?? 0, value: values[at] });
      }
    }
    return entries;
  }

  deleteRange(range: KeyRange): void {
    this.#cut(this.#begin(range), this.#upperBound(range.upper));
  }

  #begin(range: KeyRange): Place {
    return range.lowerOpen === true ? this.#upperBound(range.lower) : this.#lowerBound(range.lower);
  }

  #end(): Place {
    return { block: this.#blocks.length, at: 0 };
  }

  #entry({ block, at }: Place): MapEntry {
    const { keys, values } = this.#blocks[block] ?? EMPTY;
    return { key: keys[at] ?? 0, value: values[at] };
  }

  #isAt({ block, at }: Place, key: Bound): boolean {
    const found = this.#blocks[block]?.keys[at];
    return found !== undefined && compareStorageKeys(found, key) === 0;
  }

  /** Place of the first key that is not below `key`. */
  #lowerBound(key: Bound): Place {
    return this.#firstPlace((each) => compareStorageKeys(each, key) >= 0);
  }

  /** Place of the first key above `key`. */
  #upperBound(key: Bound): Place {
    return this.#firstPlace((each) => compareStorageKeys(each, key) > 0);
  }

  /** Place of the first key for which `reached` is true; it is true for all after it. */
  #firstPlace(reached: (key: StorageKey) => boolean): Place {
    const block = firstIndex(this.#blocks.length, (i) => {
      const { keys } = this.#blocks[i] ?? EMPTY;
      return reached(keys[keys.length - 1] ?? 0);
    });
    const { keys } = this.#blocks[block] ?? EMPTY;
    return { block, at: firstIndex(keys.length, (i) => reached(keys[i] ?? 0)) };
  }

  #insert({ block, at }: Place, key: StorageKey, value: unknown): void {
    // Past the last key: at the end of the last block, or of a first one.
    const within = Math.min(block, Math.max(0, this.#blocks.length - 1));
    const own = this.#blocks[within] ?? { keys: [], values: [] };
    if (this.#blocks.length === 0) this.#blocks.push(own);
    const where = within === block ? at : own.keys.length;
    own.keys.splice(where, 0, key);
    own.values.splice(where, 0, value);
    this.#size += 1;
    if (own.keys.length > MOST_ENTRIES) this.#split(within, where);
  }

  /** In the middle; where entries come in their order, at the end, so that full blocks stay behind. */
  #split(index: number, inserted: number): void {
    const block = this.#blocks[index];
    if (block === undefined) return;
    const isAppend = inserted === block.keys.length - 1 && index === this.#blocks.length - 1;
    const from = isAppend ? inserted : block.keys.length >>> 1;
    const rest = { keys: block.keys.splice(from), values: block.values.splice(from) };
    this.#blocks.splice(index + 1, 0, rest);
  }

  #cut(from: Place, to: Place): void {
    if (to.block < from.block || (to.block === from.block && to.at <= from.at)) return;
    for (let i = Math.min(to.block, this.#blocks.length - 1); i >= from.block; i--) {
      const { keys, values } = this.#blocks[i] ?? EMPTY;
      const first = i === from.block ? from.at : 0;
      const past = i === to.block ? to.at : keys.length;
      keys.splice(first, past - first);
      values.splice(first, past - first);
      this.#size -= past - first;
    }
    this.#dropEmpty(from.block, Math.min(to.block, this.#blocks.length - 1));
  }

  /** Of the blocks that a cut touched only those at its ends have entries left; small neighbours are joined. */
  #dropEmpty(from: number, to: number): void {
    const left = this.#blocks.slice(from, to + 1).filter(({ keys }) => keys.length > 0);
    const [first, second] = left;
    if (first && second && left.length === 2) {
      if (first.keys.length + second.keys.length <= MOST_ENTRIES / 2) {
        first.keys.push(...second.keys);
        first.values.push(...second.values);
        left.pop();
      }
    }
    this.#blocks.splice(from, to - from + 1, ...left);
  }
}

const EMPTY: Block = { keys: [], values: [] };

/** The first index below `length` for which `reached` is true, else `length`. */
function firstIndex(length: number, reached: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (reached(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
