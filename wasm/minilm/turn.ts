/** Turns rows of 32-bit words into panels of 8 columns, for the right-hand side of a product. */

/** Four rows by four words: `to` gets a row a lane; lines of 8 words. */
// @ts-ignore: decorator
@inline
function turnSquare(from: usize, stride: usize, to: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + stride);
  const c = v128.load(from + 2 * stride);
  const d = v128.load(from + 3 * stride);
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(to, v128.shuffle<i64>(ab, cd, 1, 3), 32);
  const ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(ef, gh, 0, 2), 64);
  v128.store(to, v128.shuffle<i64>(ef, gh, 1, 3), 96);
}

/** Panels [words][8 rows] of `rows` rows of `words` words, a multiple of 4; the last panel reads up to 7 rows more. */
export function turnRows(from: usize, stride: usize, rows: i32, words: i32, to: usize): void {
  const bytes = <usize>words << 2;
  for (let row = 0; row < rows; row += 8) {
    for (let word: usize = 0; word < bytes; word += 16) {
      turnSquare(from + word, stride, to);
      turnSquare(from + word + 4 * stride, stride, to + 16);
      to += 128;
    }
    from += 8 * stride;
  }
}
