/**
 * The encoder's sizes and where its weights lie. Offsets follow from the sizes alone, and the region
 * holds no addresses, so that a copy of it is valid in another instance of the same build.
 *
 * Vectors and matrices are padded with zeros to multiples of 8 columns: hidden states, the
 * feed-forward layer, and inside query, key, value and context each head.
 */
import { linearBytes } from './linear';
import { aligned, allocate } from './memory';

/** Query, key and value as one matrix: all queries, then all keys, then all values, by heads. */
export const ATTENTION_IN: i32 = 0;
/** Mixes the heads' contexts. */
export const ATTENTION_OUT: i32 = 1;
/** Hidden to feed-forward. */
export const FEED_IN: i32 = 2;
/** Feed-forward to hidden. */
export const FEED_OUT: i32 = 3;

/** Word embeddings as int8 rows with a scale each. */
export const WORDS_INT8: i32 = 1;
/** Word embeddings as float32 rows. */
export const WORDS_FLOAT32: i32 = 2;

/** Words of the header: the eight sizes below and the kind of the word embeddings. */
const HEADER_BYTES: u64 = 64;
const WORD_KIND_AT: usize = 32;

export let layers: i32 = 0;
export let hidden: i32 = 0;
export let heads: i32 = 0;
/** Columns of one head. */
export let headSize: i32 = 0;
export let intermediate: i32 = 0;
export let vocabulary: i32 = 0;
/** Rows of the position embeddings. */
export let positions: i32 = 0;
/** Tokens of the longest sequence. */
export let maxTokens: i32 = 0;
/** Added to the variance by every LayerNorm. */
export let epsilon: f64 = 0;

/** Columns of a hidden state, padded. */
export let width: i32 = 0;
/** Columns of one head, padded. */
export let headWidth: i32 = 0;
/** Columns of all heads, padded: a third of what {@link ATTENTION_IN} gives. */
export let context: i32 = 0;
/** Columns of the feed-forward layer, padded. */
export let feed: i32 = 0;

/** Address of the model region; its header first. */
export let model: usize = 0;
/** Address of the word embeddings, the last part; 0 until their kind is known. */
export let words: usize = 0;
/** Address of the words' scales, where they are int8. */
export let wordScales: usize = 0;
let modelEnd: usize = 0;

let positionsAt: usize = 0;
let layersAt: usize = 0;
let layerBytes: usize = 0;
let normBytes: usize = 0;

function toEight(columns: i32): i32 {
  return (columns + 7) & ~7;
}

/** Sets the sizes, which the host has checked. */
export function setShape(
  layerCount: i32, hiddenSize: i32, headCount: i32, feedSize: i32, words: i32, places: i32, tokens: i32, eps: f64,
): void {
  layers = layerCount;
  hidden = hiddenSize;
  heads = headCount;
  headSize = hiddenSize / headCount;
  intermediate = feedSize;
  vocabulary = words;
  positions = places;
  maxTokens = tokens;
  epsilon = eps;
  width = toEight(hidden);
  headWidth = toEight(headSize);
  context = heads * headWidth;
  feed = toEight(intermediate);
}

/** Columns that a linear layer gives. */
export function columnsOf(linear: i32): i32 {
  if (linear == ATTENTION_IN) return 3 * context;
  return linear == FEED_IN ? feed : width;
}

/** Columns that a linear layer reads. */
export function innerOf(linear: i32): i32 {
  if (linear == ATTENTION_OUT) return context;
  return linear == FEED_OUT ? feed : width;
}

function bytesOfLinear(linear: i32): u64 {
  return aligned(<u64>linearBytes(columnsOf(linear), innerOf(linear)));
}

/** Lays the model region but for the word embeddings; false when memory is exhausted. */
export function layModel(): bool {
  const norm = 2 * aligned(<u64>width << 2);
  let layer = 2 * norm;
  for (let linear = ATTENTION_IN; linear <= FEED_OUT; linear++) layer += bytesOfLinear(linear);
  const table = aligned((<u64>positions * <u64>width) << 2);
  const at = allocate(HEADER_BYTES + table + norm + layer * <u64>layers);
  if (at == 0) return false;
  model = at;
  positionsAt = at + <usize>HEADER_BYTES;
  layersAt = positionsAt + <usize>(table + norm);
  layerBytes = <usize>layer;
  normBytes = <usize>norm;
  modelEnd = layersAt + layerBytes * <usize>layers;
  writeHeader();
  return true;
}

function writeHeader(): void {
  store<i32>(model, layers);
  store<i32>(model, hidden, 4);
  store<i32>(model, heads, 8);
  store<i32>(model, intermediate, 12);
  store<i32>(model, vocabulary, 16);
  store<i32>(model, positions, 20);
  store<f64>(model, epsilon, 24);
}

/** Lays the word embeddings behind the rest, once; false when memory is exhausted. */
export function layWords(kind: i32): bool {
  const scales = kind == WORDS_INT8 ? aligned(<u64>vocabulary << 2) : 0;
  const row = <u64>width << (kind == WORDS_INT8 ? 0 : 2);
  const bytes = scales + aligned(<u64>vocabulary * row);
  const at = allocate(bytes);
  if (at == 0) return false;
  wordScales = at;
  words = at + <usize>scales;
  modelEnd = at + <usize>bytes;
  store<i32>(model + WORD_KIND_AT, kind);
  return true;
}

/** Kind of the word embeddings; 0 while none are laid. */
export function wordKind(): i32 {
  return load<i32>(model + WORD_KIND_AT);
}

/** Bytes of the model region, from {@link model}. */
export function modelBytes(): usize {
  return modelEnd - model;
}

/** Address of a word's row. */
export function wordAt(id: i32): usize {
  return words + (<usize>id * <usize>width << (wordKind() == WORDS_INT8 ? 0 : 2));
}

/** Address of a position's row, the embedding of token type 0 included. */
export function positionAt(position: i32): usize {
  return positionsAt + (<usize>position * <usize>width << 2);
}

/** Address of a LayerNorm's gain; `norm` 0 follows attention and 1 the feed-forward part, layer -1 has one for embeddings. */
export function gainAt(layer: i32, norm: i32): usize {
  if (layer < 0) return layersAt - normBytes;
  return layersAt + <usize>layer * layerBytes + <usize>norm * normBytes;
}

/** Address of a LayerNorm's shift; as {@link gainAt}. */
export function shiftAt(layer: i32, norm: i32): usize {
  return gainAt(layer, norm) + (normBytes >> 1);
}

/** Address of a packed linear layer. */
export function linearAt(layer: i32, linear: i32): usize {
  let at = gainAt(layer, 2);
  for (let before = ATTENTION_IN; before < linear; before++) at += <usize>bytesOfLinear(before);
  return at;
}
