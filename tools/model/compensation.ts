/**
 * Rounds a whole encoder, layer by layer, each so that it undoes what the rounding of the earlier ones
 * did. Two models run side by side over the typical inputs: the original and the rounded one.
 */
import type { BertShape } from './bert.ts';
import { attention, embeddings, layerNorm, type Weights } from './forward.ts';
import { relieved } from './outliers.ts';
import { Products } from './products.ts';
import { type QuantisedRows, roundCompensated, roundToNearest, storedValues } from './rounding.ts';
import type { Tensor } from './safetensors.ts';

/** What is stored: codes for the matrices, and the float32 tensors, of which the biases have moved. */
export interface RoundedModel {
  readonly matrices: ReadonlyMap<string, QuantisedRows>;
  readonly weights: Weights;
}

/** Rows of the original and of the rounded model, row-major. */
interface Pair {
  readonly exact: Float32Array;
  readonly rounded: Float32Array;
}

/** Some sequences, one after the other. */
interface Block extends Pair {
  readonly lengths: readonly number[];
}

/** A layer's inputs as the sums want them, block by block. */
interface LayerInputs {
  readonly size: number;
  /** The rounded model's, each with a 1 at its end. */
  readonly rows: readonly Float32Array[];
  /** By how much the original's are larger. */
  readonly drift: readonly Float32Array[];
  readonly moments: Float64Array;
}

/** Rows that are multiplied at a time: single precision is enough for sums of so many. */
const BLOCK_ROWS = 1_024;
const WORDS = 'embeddings.word_embeddings.weight';

/**
 * @param sequences Token ids of typical inputs.
 * @returns the word embeddings rounded to the nearest, linear layers with compensation.
 */
export async function roundModel(
  weights: Weights,
  shape: BertShape,
  sequences: readonly Int32Array[],
): Promise<RoundedModel> {
  const rounding = new Rounding(weights, shape, await Products.open());
  rounding.start(sequences);
  for (let layer = 0; layer < shape.layers; layer += 1) {
    rounding.attend(`encoder.layer.${layer}`);
    rounding.feedForward(`encoder.layer.${layer}`);
  }
  return rounding;
}

class Rounding implements RoundedModel {
  readonly matrices = new Map<string, QuantisedRows>();
  /** What the rounded model computes with. */
  readonly weights: Map<string, Tensor>;
  /** The original, apart from rewritten outliers. */
  readonly #exact: Map<string, Tensor>;
  readonly #shape: BertShape;
  readonly #products: Products;
  #blocks: readonly Block[] = [];

  constructor(weights: Weights, shape: BertShape, products: Products) {
    this.weights = new Map(weights);
    this.#exact = new Map(weights);
    this.#shape = shape;
    this.#products = products;
  }

  start(sequences: readonly Int32Array[]): void {
    const words = tensorOf(this.#exact, WORDS);
    const stored = roundToNearest(words);
    this.matrices.set(WORDS, stored);
    this.weights.set(WORDS, { shape: words.shape, data: storedValues(stored) });
    this.#blocks = inBlocks(sequences).map((block) => ({
      lengths: block.map((ids) => ids.length),
      exact: joined(block.map((ids) => embeddings(ids, this.#exact, this.#shape).data)),
      rounded: joined(block.map((ids) => embeddings(ids, this.weights, this.#shape).data)),
    }));
  }

  attend(layer: string): void {
    const inputs = this.#inputs(this.#blocks, this.#shape.hidden);
    for (const name of ['query', 'key', 'value']) {
      this.#round(`${layer}.attention.self.${name}`, inputs, null);
    }
    const contexts = this.#blocks.map(({ lengths, exact, rounded }) => ({
      exact: this.#context(exact, lengths, this.#exact, layer),
      rounded: this.#context(rounded, lengths, this.weights, layer),
    }));
    this.#finish(`${layer}.attention.output`, contexts, this.#shape.hidden);
  }

  feedForward(layer: string): void {
    this.#relieve(layer);
    const name = `${layer}.intermediate.dense`;
    this.#round(name, this.#inputs(this.#blocks, this.#shape.hidden), null);
    const inner = this.#blocks.map(({ exact, rounded }) => ({
      exact: this.#linear(exact, this.#exact, name).map(gelu),
      rounded: this.#linear(rounded, this.weights, name).map(gelu),
    }));
    this.#finish(`${layer}.output`, inner, this.#shape.intermediate);
  }

  /** Rewrites the layer's outlying weights, in the original too: it computes what it did. */
  #relieve(layer: string): void {
    const names = {
      inner: `${layer}.intermediate.dense.weight`,
      innerBias: `${layer}.intermediate.dense.bias`,
      outer: `${layer}.output.dense.weight`,
      outerBias: `${layer}.output.dense.bias`,
    };
    const part = {
      inner: tensorOf(this.#exact, names.inner),
      innerBias: tensorOf(this.#exact, names.innerBias),
      outer: tensorOf(this.#exact, names.outer),
      outerBias: tensorOf(this.#exact, names.outerBias),
    };
    const activations = this.#blocks.map(({ exact }) =>
      this.#linear(exact, this.#exact, `${layer}.intermediate.dense`),
    );
    const better = relieved(part, joined(activations), gelu);
    for (const key of ['inner', 'innerBias', 'outer', 'outerBias'] as const) {
      this.#exact.set(names[key], better[key]);
    }
  }

  /**
   * Rounds the dense layer that writes into the residual stream so that it takes back what the stream
   * has drifted, and moves both models past the normalisation.
   */
  #finish(name: string, inputs: readonly Pair[], width: number): void {
    const drifted = this.#blocks.map(({ exact, rounded }) => difference(exact, rounded));
    this.#round(`${name}.dense`, this.#inputs(inputs, width), drifted);
    this.#blocks = this.#blocks.map((block, index) => {
      const { exact, rounded } = inputs[index] as Pair;
      return {
        lengths: block.lengths,
        exact: this.#normalised(exact, block.exact, this.#exact, name),
        rounded: this.#normalised(rounded, block.rounded, this.weights, name),
      };
    });
  }

  #normalised(x: Float32Array, stream: Float32Array, weights: Weights, name: string): Float32Array {
    const sum = this.#linear(x, weights, `${name}.dense`);
    addTo(sum, stream);
    const columns = this.#shape.hidden;
    const rows = { rows: sum.length / columns, columns, data: sum };
    return layerNorm(rows, weights, `${name}.LayerNorm`, this.#shape.layerNormEps).data;
  }

  #context(
    x: Float32Array,
    lengths: readonly number[],
    weights: Weights,
    layer: string,
  ): Float32Array {
    const { hidden } = this.#shape;
    const [query, key, value] = ['query', 'key', 'value'].map((name) =>
      this.#linear(x, weights, `${layer}.attention.self.${name}`),
    ) as [Float32Array, Float32Array, Float32Array];
    let start = 0;
    const parts = lengths.map((rows) => {
      const [from, to] = [start * hidden, (start + rows) * hidden];
      const part = (data: Float32Array) => ({
        rows,
        columns: hidden,
        data: data.subarray(from, to),
      });
      start += rows;
      return attention(part(query), part(key), part(value), this.#shape).data;
    });
    return joined(parts);
  }

  #linear(x: Float32Array, weights: Weights, name: string): Float32Array {
    const weight = tensorOf(weights, `${name}.weight`);
    const bias = tensorOf(weights, `${name}.bias`).data;
    const out = this.#products.timesTransposed(x, weight.data, weight.shape[1] ?? 0);
    return out.map((value, k) => value + (bias[k % bias.length] as number));
  }

  /** @param drifted By how much the output shall be larger beside, block by block. */
  #round(name: string, inputs: LayerInputs, drifted: readonly Float32Array[] | null): void {
    const weight = tensorOf(this.#exact, `${name}.weight`);
    const bias = tensorOf(this.#exact, `${name}.bias`);
    const { size, moments } = inputs;
    const wanted = new Float64Array(bias.data.length * size);
    inputs.rows.forEach((rows, index) => {
      const drift = inputs.drift[index] as Float32Array;
      const short = this.#products.timesTransposed(drift, weight.data, size - 1);
      const beside = drifted?.[index];
      if (beside) addTo(short, beside);
      addTo(wanted, this.#products.crossed(short, rows, rows.length / size));
    });
    const rounded = roundCompensated(weight, bias.data, { size, inputs: moments, wanted });
    this.matrices.set(`${name}.weight`, rounded);
    this.weights.set(`${name}.weight`, { shape: weight.shape, data: storedValues(rounded) });
    this.weights.set(`${name}.bias`, { shape: bias.shape, data: rounded.bias });
  }

  #inputs(pairs: readonly Pair[], width: number): LayerInputs {
    const size = width + 1;
    const moments = new Float64Array(size * size);
    const rows = pairs.map(({ rounded }) => withOne(rounded, width));
    for (const block of rows) {
      addTo(moments, this.#products.crossed(block, block, block.length / size));
    }
    const drift = pairs.map(({ exact, rounded }) => difference(exact, rounded));
    return { size, rows, drift, moments };
  }
}

/** Sequences in blocks of up to {@link BLOCK_ROWS} tokens. */
function inBlocks(sequences: readonly Int32Array[]): Int32Array[][] {
  const blocks: Int32Array[][] = [];
  let rows = Number.POSITIVE_INFINITY;
  for (const ids of sequences) {
    if (rows + ids.length > BLOCK_ROWS) {
      blocks.push([]);
      rows = 0;
    }
    blocks.at(-1)?.push(ids);
    rows += ids.length;
  }
  return blocks;
}

/** GELU with an error function good to 1.5e-7 (Abramowitz and Stegun 7.1.26): enough to calibrate. */
function gelu(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const series =
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - series * Math.exp(-z * z);
  return 0.5 * x * (1 + (x < 0 ? -erf : erf));
}

/** Rows with a 1 at each end. */
function withOne(rows: Float32Array, width: number): Float32Array {
  const count = rows.length / width;
  const wider = new Float32Array(count * (width + 1)).fill(1);
  for (let row = 0; row < count; row += 1) {
    wider.set(rows.subarray(row * width, (row + 1) * width), row * (width + 1));
  }
  return wider;
}

function difference(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, k) => value - (b[k] as number));
}

function addTo(sums: Float64Array | Float32Array, more: Float32Array): void {
  for (let k = 0; k < more.length; k += 1) sums[k] = (sums[k] as number) + (more[k] as number);
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function tensorOf(weights: Weights, name: string): Tensor {
  const found = weights.get(name);
  if (!found) throw new Error(`The weights have no tensor "${name}".`);
  return found;
}
