/** One bit a row, 32 rows a word, row 0 in the lowest bit of word 0. */
export type Bitmap = Uint32Array<ArrayBuffer>;

export function createBitmap(rows: number): Bitmap {
  return new Uint32Array((rows + 31) >>> 5);
}

export function hasBit(bitmap: Bitmap, row: number): boolean {
  return (((bitmap[row >>> 5] ?? 0) >>> (row & 31)) & 1) === 1;
}

export function setBit(bitmap: Bitmap, row: number): void {
  const word = row >>> 5;
  bitmap[word] = (bitmap[word] ?? 0) | (1 << (row & 31));
}

export function clearBit(bitmap: Bitmap, row: number): void {
  const word = row >>> 5;
  bitmap[word] = (bitmap[word] ?? 0) & ~(1 << (row & 31));
}

/** The same bits with room for at least `rows`; grows by doubling, so that appending stays linear. */
export function growBitmap(bitmap: Bitmap, rows: number): Bitmap {
  const words = (rows + 31) >>> 5;
  if (words <= bitmap.length) return bitmap;
  const grown = new Uint32Array(Math.max(words, bitmap.length * 2));
  grown.set(bitmap);
  return grown;
}

export function countBits(bitmap: Bitmap): number {
  let count = 0;
  for (let i = 0; i < bitmap.length; i++) {
    let word = bitmap[i] ?? 0;
    word -= (word >>> 1) & 0x55555555;
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
    count += (((word + (word >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
  }
  return count;
}

/** Calls `visit` for each set row, ascending. */
export function eachBit(bitmap: Bitmap, visit: (row: number) => void): void {
  for (let i = 0; i < bitmap.length; i++) {
    let word = bitmap[i] ?? 0;
    while (word !== 0) {
      const bit = 31 - Math.clz32(word & -word);
      visit((i << 5) + bit);
      word &= word - 1;
    }
  }
}
