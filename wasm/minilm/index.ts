/**
 * The kernel of the encoder, as its host sees it: token ids to unit vectors. Order of calls:
 * `limitMemory`, `setUp`, `layWords` and the weights, then batches. Addresses are valid until the next
 * call that may take memory. Nothing is checked here that the host checks: sizes, ids, and that every
 * weight is there.
 */
import { dropBatch, startBatch, step } from './forward';
import { addPositions, addToPositions, loadBias, loadRows, padLayer, stagedScales } from './load';
import { limitMemory, usedBytes } from './memory';
import { setFloat32 } from './precision';
import { layScratch, staging, stagingBytes } from './scratch';
import {
  gainAt, layers, layModel, layWords, model, modelBytes, setShape, shiftAt, width, wordAt, wordKind, words, wordScales,
} from './shape';
import { idsAt, reserveSlot, startsAt, vectorsAt } from './slots';

export {
  addPositions, addToPositions, dropBatch, gainAt, idsAt, layWords, limitMemory, loadBias, loadRows, modelBytes, reserveSlot, shiftAt,
  stagedScales, startBatch, startsAt, step, usedBytes, vectorsAt, wordKind,
};

/** Lays everything out but word embeddings and slots; false when memory is exhausted. `precision` 1 is float32. */
export function setUp(
  layerCount: i32, hidden: i32, heads: i32, intermediate: i32, vocabulary: i32, positions: i32, maxTokens: i32,
  epsilon: f64, precision: i32,
): bool {
  setFloat32(precision == 1);
  setShape(layerCount, hidden, heads, intermediate, vocabulary, positions, maxTokens, epsilon);
  if (!layScratch() || !layModel()) return false;
  for (let layer = 0; layer < layers; layer++) padLayer(layer);
  return true;
}

/** Address of the model region, which a copy of another instance may be written to. */
export function modelAt(): usize {
  return model;
}

/** Columns of a hidden state and of an embedding's row, padded. */
export function rowWidth(): i32 {
  return width;
}

export function wordsAt(): usize {
  return words;
}

export function wordScalesAt(): usize {
  return wordScales;
}

export function stagingAt(): usize {
  return staging;
}

export function stagingSize(): usize {
  return stagingBytes;
}
