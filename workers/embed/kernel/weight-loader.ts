/**
 * Weights into the kernel: tables and vectors to where they stay, linear layers by a staging area out of
 * which the kernel packs them. Tensors come in any order, and tables and matrices also in parts of whole rows.
 */
import { WhorlError } from '../../../src/shared/errors.ts';
import type { Architecture, ModelTensor } from '../manifest.ts';
import type { MiniLmExports } from './instance.ts';
import { checkTensor, corruptTensor } from './tensor-check.ts';
import { type TensorPlace, type TensorRole, tensorPlaces } from './tensor-places.ts';

/** Kinds of word embeddings, as `wasm/minilm/shape.ts` numbers them. */
const WORDS_INT8 = 1;
const WORDS_FLOAT32 = 2;

/** Rows of one tensor as they arrive. */
interface Rows {
  readonly first: number;
  readonly count: number;
  readonly columns: number;
  readonly bytes: Uint8Array;
  /** One a row; null where the values are float32. */
  readonly scales: Float32Array | null;
}

/** A part of a linear layer. */
type LinearRole = Extract<TensorRole, { readonly part: number }>;

export class WeightLoader {
  readonly #kernel: MiniLmExports;
  readonly #shape: Architecture;
  readonly #places: Map<string, TensorPlace>;
  /** Rows that are there, by tensor. */
  readonly #loaded = new Map<string, number>();

  constructor(kernel: MiniLmExports, shape: Architecture) {
    this.#kernel = kernel;
    this.#shape = shape;
    this.#places = tensorPlaces(shape);
  }

  /** Names of the tensors of which rows are missing. */
  missing(): string[] {
    const names = [...this.#places].filter(([name, { rows }]) => this.#loaded.get(name) !== rows);
    return names.map(([name]) => name);
  }

  /**
   * Takes a tensor, or its next rows from `fromRow` on. One that no forward pass needs is ignored.
   *
   * @throws `asset_corrupt` for a wrong shape, type, size or scale; `out_of_memory` for the word embeddings
   */
  load(tensor: ModelTensor, bytes: Uint8Array, scales: Float32Array | null, fromRow: number): void {
    const place = this.#places.get(tensor.name);
    if (!place) return;
    checkTensor(tensor, place);
    const rows = rowsOf(tensor, place, bytes, scales, fromRow);
    const before = this.#loaded.get(tensor.name) ?? 0;
    if (fromRow !== before) {
      throw corruptTensor(tensor, `its row ${fromRow} came where row ${before} was next`);
    }
    this.#write(place.role, rows);
    this.#loaded.set(tensor.name, before + rows.count);
  }

  /** Counts everything as loaded, for a model region that was copied as a whole. */
  complete(): void {
    for (const [name, { rows }] of this.#places) this.#loaded.set(name, rows);
  }

  #write(role: TensorRole, rows: Rows): void {
    switch (role.kind) {
      case 'words':
        this.#writeWords(rows);
        break;
      case 'positions':
      case 'types':
        this.#addPositions(role.kind, rows);
        break;
      case 'gain':
        this.#writeFloats(this.#kernel.gainAt(role.layer, role.norm), rows);
        break;
      case 'shift':
        this.#writeFloats(this.#kernel.shiftAt(role.layer, role.norm), rows);
        break;
      case 'weight':
        this.#writeWeights(role, rows);
        break;
      case 'bias':
        this.#writeBias(role, rows);
        break;
    }
  }

  #bytes(): Uint8Array {
    return new Uint8Array(this.#kernel.memory.buffer);
  }

  #writeFloats(address: number, { first, bytes }: Rows): void {
    this.#bytes().set(bytes, (address >>> 0) + first * 4);
  }

  #writeWords(rows: Rows): void {
    const kernel = this.#kernel;
    const kind = rows.scales ? WORDS_INT8 : WORDS_FLOAT32;
    if (kernel.wordKind() === 0 && !kernel.layWords(kind)) {
      throw new WhorlError(
        'out_of_memory',
        `There is no memory for the word embeddings of the encoder (${this.#shape.vocabulary} rows). What was loaded before is kept. Close other tabs and try again.`,
      );
    }
    const size = rows.scales ? 1 : 4;
    const stride = kernel.rowWidth() * size;
    const at = (kernel.wordsAt() >>> 0) + rows.first * stride;
    copyRows(this.#bytes(), at, stride, rows.bytes, rows.columns * size);
    if (!rows.scales) return;
    const scalesAt = (kernel.wordScalesAt() >>> 2) + rows.first;
    new Float32Array(kernel.memory.buffer).set(rows.scales, scalesAt);
  }

  /** Positions, and token type 0, which every text has and which joins them. */
  #addPositions(kind: 'positions' | 'types', rows: Rows): void {
    const kernel = this.#kernel;
    const values = valuesOf(rows);
    const most = Math.floor((kernel.stagingSize() >>> 2) / rows.columns);
    for (let done = 0; done < rows.count; done += most) {
      const count = Math.min(most, rows.count - done);
      const part = values.subarray(done * rows.columns, (done + count) * rows.columns);
      new Float32Array(kernel.memory.buffer).set(part, kernel.stagingAt() >>> 2);
      if (kind === 'positions') kernel.addPositions(rows.first + done, count);
      else if (rows.first + done === 0) kernel.addToPositions();
    }
  }

  #writeWeights({ layer, part }: LinearRole, rows: Rows): void {
    const kernel = this.#kernel;
    const size = rows.scales ? 1 : 4;
    const rowBytes = rows.columns * size;
    const most = Math.floor((kernel.stagingSize() >>> 0) / (rowBytes + size * 4));
    for (let done = 0; done < rows.count; done += most) {
      const count = Math.min(most, rows.count - done);
      const bytes = rows.bytes.subarray(done * rowBytes, (done + count) * rowBytes);
      this.#bytes().set(bytes, kernel.stagingAt() >>> 0);
      if (rows.scales) {
        const at = kernel.stagedScales(part, count) >>> 2;
        new Float32Array(kernel.memory.buffer).set(rows.scales.subarray(done, done + count), at);
      }
      kernel.loadRows(layer, part, rows.first + done, count, rows.scales ? 0 : 1);
    }
  }

  #writeBias({ layer, part }: LinearRole, rows: Rows): void {
    const kernel = this.#kernel;
    const most = (kernel.stagingSize() >>> 0) / 4;
    for (let done = 0; done < rows.count; done += most) {
      const count = Math.min(most, rows.count - done);
      this.#bytes().set(
        rows.bytes.subarray(done * 4, (done + count) * 4),
        kernel.stagingAt() >>> 0,
      );
      kernel.loadBias(layer, part, rows.first + done, count);
    }
  }
}

/** Copies rows that lie behind each other to rows that lie `stride` bytes apart. */
function copyRows(
  memory: Uint8Array,
  at: number,
  stride: number,
  bytes: Uint8Array,
  rowBytes: number,
): void {
  if (stride === rowBytes) {
    memory.set(bytes, at);
    return;
  }
  for (let from = 0; from < bytes.length; from += rowBytes) {
    memory.set(bytes.subarray(from, from + rowBytes), at + (from / rowBytes) * stride);
  }
}

function valuesOf({ bytes, scales, columns }: Rows): Float32Array {
  if (!scales) return new Float32Array(bytes.slice().buffer);
  const codes = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  return Float32Array.from(
    codes,
    (code, at) => code * (scales[Math.floor(at / columns)] as number),
  );
}

/** The rows that arrived, their number and scales checked. */
function rowsOf(
  tensor: ModelTensor,
  place: TensorPlace,
  bytes: Uint8Array,
  scales: Float32Array | null,
  first: number,
): Rows {
  const { columns } = place;
  const count = bytes.length / (columns * (tensor.type === 'float32' ? 4 : 1));
  if (!Number.isInteger(count) || count < 1 || first + count > place.rows) {
    throw corruptTensor(tensor, `${bytes.length} bytes are no whole rows from row ${first} on`);
  }
  if (tensor.type === 'float32') return { first, count, columns, bytes, scales: null };
  if (scales?.length !== count) {
    throw corruptTensor(tensor, `${scales?.length ?? 0} scales came with ${count} rows`);
  }
  if (!scales.every(Number.isFinite))
    throw corruptTensor(tensor, 'one of its scales is not finite');
  return { first, count, columns, bytes, scales };
}
