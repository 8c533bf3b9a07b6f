/**
 * The pattern of `like`: `%` stands for any run of characters, `_` for one character (a code point), a
 * backslash takes the sign after it as it stands. No regular expression is made of it: the pieces
 * between the `%` are looked for from left to right, each at its first place, which is enough and
 * cannot go back.
 */

/** A piece without `%`: characters, and null for any one. */
type Piece = readonly (string | null)[];

export type LikeTest = (text: string) => boolean;

/** @param pattern After the escapes of the string literal. */
export function likeTest(pattern: string): LikeTest {
  const pieces = piecesOf(pattern);
  const [first = [], ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return (text) => matchesWhole(Array.from(text), first);
  const plain = plainOf(pieces);
  if (plain !== null) return plainTest(plain);
  return (text) => {
    const characters = Array.from(text);
    if (!matchesAt(characters, 0, first)) return false;
    let from = first.length;
    for (const piece of rest) {
      const found = find(characters, from, piece);
      if (found < 0) return false;
      from = found + piece.length;
    }
    const end = characters.length - last.length;
    return end >= from && matchesAt(characters, end, last);
  };
}

function piecesOf(pattern: string): Piece[] {
  const pieces: (string | null)[][] = [[]];
  let escaped = false;
  for (const character of pattern) {
    const piece = pieces.at(-1) as (string | null)[];
    if (escaped) {
      piece.push(character);
      escaped = false;
    } else if (character === '\\') escaped = true;
    else if (character === '%') pieces.push([]);
    else piece.push(character === '_' ? null : character);
  }
  // A backslash at the end stands for itself.
  if (escaped) pieces.at(-1)?.push('\\');
  return pieces;
}

/** The pieces as strings where no `_` is among them, which is nearly always and much faster. */
function plainOf(pieces: readonly Piece[]): readonly string[] | null {
  return pieces.some((piece) => piece.includes(null))
    ? null
    : pieces.map((piece) => piece.join(''));
}

function plainTest(pieces: readonly string[]): LikeTest {
  const first = pieces[0] ?? '';
  const last = pieces.at(-1) ?? '';
  const inner = pieces.slice(1, -1);
  return (text) => {
    if (text.length < first.length + last.length) return false;
    if (!text.startsWith(first) || !text.endsWith(last)) return false;
    let from = first.length;
    for (const piece of inner) {
      const found = text.indexOf(piece, from);
      if (found < 0) return false;
      from = found + piece.length;
    }
    return from <= text.length - last.length;
  };
}

function matchesWhole(characters: readonly string[], piece: Piece): boolean {
  return characters.length === piece.length && matchesAt(characters, 0, piece);
}

function matchesAt(characters: readonly string[], at: number, piece: Piece): boolean {
  if (at + piece.length > characters.length) return false;
  return piece.every((wanted, i) => wanted === null || wanted === characters[at + i]);
}

function find(characters: readonly string[], from: number, piece: Piece): number {
  for (let at = from; at + piece.length <= characters.length; at++) {
    if (matchesAt(characters, at, piece)) return at;
  }
  return -1;
}
