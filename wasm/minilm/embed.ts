/** Words, positions and token type 0, summed: the rows that the first layer reads, before their LayerNorm. */
import { positionAt, wordAt, wordKind, wordScales, WORDS_INT8, width } from './shape';

function addInt8(word: usize, scale: f32, position: usize, to: usize, end: usize): void {
  const by = f32x4.splat(scale);
  while (to < end) {
    const codes = v128.load_ext<i8>(word);
    const low = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(codes));
    const high = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(codes));
    v128.store(to, f32x4.add(f32x4.mul(low, by), v128.load(position)));
    v128.store(to, f32x4.add(f32x4.mul(high, by), v128.load(position, 16)), 16);
    word += 8;
    position += 32;
    to += 32;
  }
}

function addFloat32(word: usize, position: usize, to: usize, end: usize): void {
  while (to < end) {
    v128.store(to, f32x4.add(v128.load(word), v128.load(position)));
    word += 16;
    position += 16;
    to += 16;
  }
}

/** Writes one sequence's rows, from its first position on. */
export function embedTokens(ids: usize, length: i32, to: usize): void {
  const bytes = <usize>width << 2;
  const int8 = wordKind() == WORDS_INT8;
  for (let place = 0; place < length; place++) {
    const id = load<i32>(ids + (<usize>place << 2));
    const position = positionAt(place);
    const end = to + bytes;
    if (int8) {
      addInt8(wordAt(id), load<f32>(wordScales + (<usize>id << 2)), position, to, end);
    } else {
      addFloat32(wordAt(id), position, to, end);
    }
    to = end;
  }
}
