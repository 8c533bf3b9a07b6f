/**
 * One weight of the feed-forward part may be twenty times as large as its neighbours: a neuron that
 * is a switch for the special tokens. Its row then has a scale so coarse that its other weights are
 * lost. In MiniLM-L6 one row of layer 0 has 77% of all the rounding error of its matrix, one of layer 2
 * has 61%. The layer is rewritten so that it computes the same with a smaller weight.
 */
import type { Tensor } from './safetensors.ts';

/** The feed-forward part of a layer: `inner` is `[intermediate, hidden]`, `outer` `[hidden, intermediate]`. */
export interface FeedForward {
  readonly inner: Tensor;
  readonly innerBias: Tensor;
  readonly outer: Tensor;
  readonly outerBias: Tensor;
}

/** An outlying weight: how large, and which neuron feeds it. */
interface Outlier {
  readonly weight: number;
  readonly neuron: number;
}

/** Share of a matrix' rounding error from which a row is relieved. */
const SHARE = 0.5;
/** By how much a switch is made louder, and its weights smaller. */
const FACTOR = 4;
/** Most that the louder switch may differ, as a share of the rounding error of the row as it is. */
const ALIKE = 0.01;

/**
 * The same function with smaller outlying weights.
 *
 * @param activations Of the neurons on typical inputs: their values before GELU, `rows x intermediate`.
 * @returns the layer itself where no row stands out.
 */
export function relieved(
  layer: FeedForward,
  activations: Float32Array,
  gelu: (x: number) => number,
): FeedForward {
  const outlier = findOutlier(layer.outer);
  if (!outlier) return layer;
  const values = activations.map(gelu);
  const columns = layer.innerBias.data.length;
  if (isSwitch(outlier, activations, values, gelu, columns)) return louder(layer, outlier.neuron);
  return doubled(layer, outlier.neuron, values);
}

/** The largest weight of the row with the largest scale, if the row's rounding error outweighs all others. */
function findOutlier({ shape, data }: Tensor): Outlier | null {
  const columns = shape[1] ?? 0;
  let total = 0;
  let found: Outlier = { weight: 0, neuron: 0 };
  for (let start = 0; start < data.length; start += columns) {
    let neuron = 0;
    for (let k = 1; k < columns; k += 1) {
      if (size(data, start + k) > size(data, start + neuron)) neuron = k;
    }
    const weight = size(data, start + neuron);
    // The error of a row goes by the square of its scale, which goes by its largest weight.
    total += weight ** 2;
    if (weight > found.weight) found = { weight, neuron };
  }
  return found.weight ** 2 > SHARE * total ? found : null;
}

/** Whether gelu(4x) / 4 is gelu(x) wherever the neuron is: far above zero or far below. */
function isSwitch(
  { weight, neuron }: Outlier,
  activations: Float32Array,
  values: Float32Array,
  gelu: (x: number) => number,
  columns: number,
): boolean {
  let changed = 0;
  for (let at = neuron; at < activations.length; at += columns) {
    const louder = gelu(FACTOR * (activations[at] as number)) / FACTOR;
    changed += (weight * (louder - (values[at] as number))) ** 2;
  }
  const power = values.reduce((sum, value) => sum + value * value, 0);
  return changed < (ALIKE * power * (weight / 127) ** 2) / 12;
}

/** The neuron four times as loud, its outgoing weights a quarter. */
function louder(layer: FeedForward, neuron: number): FeedForward {
  const { inner, innerBias, outer } = layer;
  return {
    ...layer,
    inner: changed(inner, (data, hidden) => {
      for (let k = neuron * hidden; k < (neuron + 1) * hidden; k += 1) scale(data, k, FACTOR);
    }),
    innerBias: changed(innerBias, (data) => scale(data, neuron, FACTOR)),
    outer: changed(outer, (data, columns) => {
      for (let k = neuron; k < data.length; k += columns) scale(data, k, 1 / FACTOR);
    }),
  };
}

/** The neuron twice, each with half the outgoing weights, in the place of the one that matters least. */
function doubled(layer: FeedForward, neuron: number, values: Float32Array): FeedForward {
  const { inner, innerBias, outer, outerBias } = layer;
  const { spare, mean } = leastNeuron(outer, neuron, values);
  return {
    inner: changed(inner, (data, hidden) => {
      data.copyWithin(spare * hidden, neuron * hidden, (neuron + 1) * hidden);
    }),
    innerBias: changed(innerBias, (data) => data.copyWithin(spare, neuron, neuron + 1)),
    outer: changed(outer, (data, columns) => {
      for (let start = 0; start < data.length; start += columns) {
        scale(data, start + neuron, 1 / 2);
        data[start + spare] = data[start + neuron] as number;
      }
    }),
    outerBias: changed(outerBias, (data, columns) => {
      for (let row = 0; row < data.length / columns; row += 1) {
        const lost = outer.data[row * (outer.shape[1] ?? 0) + spare] as number;
        data[row] = (data[row] as number) + mean * lost;
      }
    }),
  };
}

/** The neuron whose output varies least on what follows, and its mean value. */
function leastNeuron(
  { shape, data }: Tensor,
  except: number,
  values: Float32Array,
): { readonly spare: number; readonly mean: number } {
  const columns = shape[1] ?? 0;
  const rows = values.length / columns;
  let best = { spare: -1, mean: 0, effect: Number.POSITIVE_INFINITY };
  for (let neuron = 0; neuron < columns; neuron += 1) {
    const { sum, squares } = powers(values, neuron, columns);
    const mean = sum / rows;
    const effect = (squares / rows - mean ** 2) * powers(data, neuron, columns).squares;
    if (neuron !== except && effect < best.effect) best = { spare: neuron, mean, effect };
  }
  return best;
}

function powers(values: Float32Array, column: number, columns: number) {
  let sum = 0;
  let squares = 0;
  for (let at = column; at < values.length; at += columns) {
    const value = values[at] as number;
    sum += value;
    squares += value * value;
  }
  return { sum, squares };
}

/** A copy that was changed; a vector has columns of one value. */
function changed(
  { shape, data }: Tensor,
  change: (data: Float32Array, columns: number) => void,
): Tensor {
  const copy = data.slice();
  change(copy, shape[1] ?? 1);
  return { shape, data: copy };
}

function scale(data: Float32Array, at: number, factor: number): void {
  data[at] = (data[at] as number) * factor;
}

function size(data: Float32Array, at: number): number {
  return Math.abs(data[at] as number);
}
