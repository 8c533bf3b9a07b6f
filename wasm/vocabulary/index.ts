/**
 * The vocabulary of a tokenizer.json as a hash table, built straight from the file's bytes: a JSON
 * object with tens of thousands of names and a Map of them cost a cold JavaScript engine 30 ms, this
 * costs 3. Both spellings are read: WordPiece's `{"piece": id, ...}` and Unigram's
 * `[["piece", score], ...]`, where the id is the place.
 *
 * One use an instance: `reserve`, write the file, `find`, `index`, copy the results out.
 */

const PAGE: u64 = 65536;
/** FNV-1a, 32 bits. The reader in `workers/embed/tokenizer/vocabulary.ts` must hash alike. */
const SEED: u32 = 0x811c9dc5;
const PRIME: u32 = 0x01000193;

/** Bytes of a slot: the hash of its piece, and the number of its entry plus one (0: free). */
const SLOT: usize = 8;
/** Bytes of an entry: where its piece begins, its length in bytes, its id. */
const ENTRY: usize = 12;

/**
 * Slots that are looked at for one piece. A table half full needs about 100 at most; a file whose
 * pieces were chosen to collide would take minutes to read, and as long to use.
 */
const MOST_PROBES: u32 = 1024;

let file: usize = 0;
let fileEnd: usize = 0;
let at: usize = 0;
/** Set by whatever finds that the text is not the JSON that is expected here. */
let bad: bool = false;

let slots: usize = 0;
let slotMask: u32 = 0;
let entries: usize = 0;
let entryCount: u32 = 0;
let pieces: usize = 0;
let piecesEnd: usize = 0;
let numbers: usize = 0;
let numbersEnd: usize = 0;
let longest: u32 = 0;

/** Zero bytes behind the file: every reader stops there, so that none needs to compare with the end. */
const STOP: u32 = 64;

/** Address for a file of that many bytes, or 0 when memory is exhausted. */
export function reserve(bytes: u32): usize {
  file = take(__heap_base, <u64>bytes + STOP);
  fileEnd = file + bytes;
  return file;
}

/** Where the value of the first member named "vocab" begins, as an offset in the file; -1 for none. */
export function find(): i32 {
  for (at = file; at + 7 < fileEnd; ) {
    if (load<u8>(at) != 0x22 || !isVocab(at)) {
      at++;
      continue;
    }
    at += 7;
    if (next() != 0x3a) continue;
    at++;
    const opening = next();
    if (opening == 0x7b || opening == 0x5b) return <i32>(at - file);
  }
  return -1;
}

/**
 * Reads the object or the list at an offset into the table. Returns the count of different pieces, or
 * -1 when it is not one that a tokenizer can have, -2 when memory is exhausted.
 */
export function index(offset: u32): i32 {
  at = file + offset;
  const isObject = load<u8>(at) == 0x7b;
  if (!layOut()) return -2;
  at++;
  let ordinal: u32 = 0;
  if (next() == (isObject ? 0x7d : 0x5d)) at++;
  else {
    do {
      if (isObject) member();
      else pair(ordinal++);
      if (bad) return -1;
    } while (more(isObject ? 0x7d : 0x5d));
  }
  return bad ? -1 : <i32>entryCount;
}

/** Offset in the file of what follows the object or list. */
export function closedAt(): u32 {
  return <u32>(at - file);
}
export function slotsAt(): usize {
  return slots;
}
export function slotsBytes(): u32 {
  return (slotMask + 1) * <u32>SLOT;
}
export function entriesAt(): usize {
  return entries;
}
export function piecesAt(): usize {
  return pieces;
}
export function piecesBytes(): u32 {
  return <u32>(piecesEnd - pieces);
}
/** The scores of a list as they are written, each with a comma behind it. */
export function numbersAt(): usize {
  return numbers;
}
export function numbersBytes(): u32 {
  return <u32>(numbersEnd - numbers);
}
/** Bytes of the longest piece. */
export function longestPiece(): u32 {
  return longest;
}

/** End of that many bytes at an address, memory grown; 0 when it is exhausted. */
function take(address: usize, bytes: u64): usize {
  const start = (<u64>address + 63) & ~63;
  const missing = <i64>((start + bytes + PAGE - 1) / PAGE) - <i64>memory.size();
  if (missing > 0 && (missing > 65536 || memory.grow(<i32>missing) < 0)) return 0;
  return <usize>start;
}

/** Rooms for what comes: no more pieces than pairs of quotes, no more text than the file has. */
function layOut(): bool {
  const most = (quotes() >> 1) + 1;
  const rest = <u64>(fileEnd - at);
  let room: u32 = 1024;
  while (room < most * 2) room <<= 1;
  slotMask = room - 1;
  slots = take(fileEnd + STOP, <u64>room * SLOT);
  entries = slots == 0 ? 0 : take(slots + <usize>room * SLOT, <u64>most * ENTRY);
  pieces = entries == 0 ? 0 : take(entries + <usize>most * ENTRY, rest);
  numbers = pieces == 0 ? 0 : take(pieces + <usize>rest, rest);
  piecesEnd = pieces;
  numbersEnd = numbers;
  return numbers != 0;
}

/** Quotes from here to the end, 16 bytes at a time; what is read behind the end is zero. */
function quotes(): u32 {
  const quote = i8x16.splat(0x22);
  let count: u32 = 0;
  for (let p = at; p < fileEnd; p += 16) {
    count += popcnt(i8x16.bitmask(i8x16.eq(v128.load(p), quote)));
  }
  return count;
}

/** Whether `"vocab"` stands here, its first quote not escaped. */
function isVocab(p: usize): bool {
  return (
    load<u32>(p + 1) == 0x61636f76 &&
    load<u16>(p + 5) == 0x2262 &&
    (p == file || load<u8>(p - 1) != 0x5c)
  );
}

/** The next byte that is no white space, without passing it; 0 at the end. */
function next(): u32 {
  let byte = <u32>load<u8>(at);
  while (byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09) byte = load<u8>(++at);
  return byte;
}

function expect(byte: u32): void {
  if (next() != byte) bad = true;
  at++;
}

/** Whether a comma follows; else the closing bracket must. */
function more(closing: u32): bool {
  const byte = next();
  at++;
  if (byte == 0x2c) return true;
  if (byte != closing) bad = true;
  return false;
}

/** `"piece": id` */
function member(): void {
  const start = piecesEnd;
  const hash = text();
  expect(0x3a);
  insert(hash, start, integer());
}

/** `["piece", score]` */
function pair(ordinal: u32): void {
  expect(0x5b);
  const start = piecesEnd;
  const hash = text();
  expect(0x2c);
  copyNumber();
  expect(0x5d);
  insert(hash, start, ordinal);
}

/** A piece that is there already takes the new id, as the later of two equal names does. */
function insert(hash: u32, start: usize, id: u32): void {
  const length = <u32>(piecesEnd - start);
  let slot = (hash ^ (hash >> 15)) & slotMask;
  for (let probes: u32 = 0; ; probes++) {
    if (probes == MOST_PROBES) {
      bad = true;
      return;
    }
    const place = slots + <usize>slot * SLOT;
    const number = load<u32>(place, 4);
    if (number == 0) {
      store<u32>(place, hash);
      store<u32>(place, ++entryCount, 4);
      break;
    }
    const entry = entries + <usize>(number - 1) * ENTRY;
    if (load<u32>(place) == hash && same(entry, start, length)) {
      store<u32>(entry, id, 8);
      piecesEnd = start;
      return;
    }
    slot = (slot + 1) & slotMask;
  }
  const entry = entries + <usize>(entryCount - 1) * ENTRY;
  store<u32>(entry, <u32>(start - pieces));
  store<u32>(entry, length, 4);
  store<u32>(entry, id, 8);
  longest = max(longest, length);
}

function same(entry: usize, start: usize, length: u32): bool {
  if (load<u32>(entry, 4) != length) return false;
  return memory.compare(pieces + load<u32>(entry), start, length) == 0;
}

/**
 * Copies a string literal without its escapes behind the pieces; returns its hash. The loop runs for
 * every byte before the engine has optimised anything, so it keeps to locals.
 */
function text(): u32 {
  expect(0x22);
  let p = at;
  let out = piecesEnd;
  let hash = SEED;
  let byte = <u32>load<u8>(p);
  while (byte != 0x22 && byte >= 0x20 && !bad) {
    if (byte != 0x5c) {
      store<u8>(out++, byte);
      hash = (hash ^ byte) * PRIME;
      byte = load<u8>(++p);
      continue;
    }
    at = p + 1;
    piecesEnd = out;
    hash = escaped(hash);
    p = at;
    out = piecesEnd;
    byte = load<u8>(p);
  }
  at = p + 1;
  piecesEnd = out;
  if (byte != 0x22) bad = true;
  return hash;
}

function put(hash: u32, byte: u32): u32 {
  store<u8>(piecesEnd++, byte);
  return (hash ^ byte) * PRIME;
}

function escaped(hash: u32): u32 {
  const letter = <u32>load<u8>(at++);
  if (letter == 0x22 || letter == 0x5c || letter == 0x2f) return put(hash, letter);
  if (letter == 0x62) return put(hash, 8);
  if (letter == 0x66) return put(hash, 12);
  if (letter == 0x6e) return put(hash, 10);
  if (letter == 0x72) return put(hash, 13);
  if (letter == 0x74) return put(hash, 9);
  if (letter == 0x75) return putCodePoint(hash, codePoint());
  bad = true;
  return hash;
}

/** The code point of one or two `\u` escapes; half a surrogate pair is none. */
function codePoint(): u32 {
  const first = hexadecimal();
  if ((first & 0xf800) != 0xd800) return first;
  if (first >= 0xdc00 || load<u16>(at) != 0x755c) {
    bad = true;
    return 0;
  }
  at += 2;
  const second = hexadecimal();
  if ((second & 0xfc00) != 0xdc00) bad = true;
  return 0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
}

function hexadecimal(): u32 {
  let value: u32 = 0;
  for (let i = 0; i < 4; i++) {
    const byte = <u32>load<u8>(at++);
    const letter = (byte | 0x20) - 0x61;
    if (byte - 0x30 < 10) value = (value << 4) | (byte - 0x30);
    else if (letter < 6) value = (value << 4) | (letter + 10);
    else bad = true;
  }
  return value;
}

function putCodePoint(hash: u32, point: u32): u32 {
  if (point < 0x80) return put(hash, point);
  if (point < 0x800) return put(put(hash, 0xc0 | (point >> 6)), 0x80 | (point & 0x3f));
  if (point < 0x10000) {
    hash = put(put(hash, 0xe0 | (point >> 12)), 0x80 | ((point >> 6) & 0x3f));
    return put(hash, 0x80 | (point & 0x3f));
  }
  hash = put(put(hash, 0xf0 | (point >> 18)), 0x80 | ((point >> 12) & 0x3f));
  return put(put(hash, 0x80 | ((point >> 6) & 0x3f)), 0x80 | (point & 0x3f));
}

/** A whole number from 0 to 999,999,999. */
function integer(): u32 {
  let digit = next() - 0x30;
  let p = at;
  let value: u32 = 0;
  while (digit < 10) {
    value = value * 10 + digit;
    digit = <u32>load<u8>(++p) - 0x30;
  }
  if (p == at || p - at > 9) bad = true;
  at = p;
  return value;
}

/** Copies a number as it is written, with a comma behind it: only the host reads one exactly. */
function copyNumber(): void {
  let byte = next();
  let p = at;
  while (
    byte - 0x30 < 10 || byte == 0x2d || byte == 0x2b || byte == 0x2e || (byte | 0x20) == 0x65
  ) {
    store<u8>(numbersEnd++, byte);
    byte = load<u8>(++p);
  }
  if (p == at) bad = true;
  at = p;
  store<u8>(numbersEnd++, 0x2c);
}
