/**
 * The weights file, piece by piece, as tensors: each is handed on as far as its rows are complete, so that
 * neither the file nor a large table lies whole beside the kernel. A row over the border of two pieces waits
 * in a small buffer.
 */
import { WhorlError } from '../../src/shared/errors.ts';
import type { ModelTensor } from './manifest.ts';

/** Takes a tensor, or consecutive rows of it from `fromRow` on; bytes are valid during the call only. */
export interface TensorSink {
  load(tensor: ModelTensor, bytes: Uint8Array, scales: Float32Array | null, fromRow?: number): void;
}

/** A tensor on its way. */
interface Unpacking {
  readonly tensor: ModelTensor;
  /** Rows of a matrix; a vector counts as one. */
  readonly rows: number;
  readonly rowBytes: number;
  readonly scales: Float32Array<ArrayBuffer> | null;
  row: number;
  /** The row that is not complete, and how much of it is here. */
  readonly carry: Uint8Array<ArrayBuffer>;
  carried: number;
}

export class TensorLoader {
  readonly #sink: TensorSink;
  #coming: Unpacking[];
  #at = 0;

  /** @throws WhorlError `asset_corrupt` where a tensor could not be read from front to back. */
  constructor(tensors: readonly ModelTensor[], sink: TensorSink) {
    this.#sink = sink;
    this.#coming = tensors.map(unpacking);
  }

  /** Takes the next bytes of the file; `from` is their offset. */
  take(piece: Uint8Array<ArrayBuffer>, from: number): void {
    if (from !== this.#at) {
      throw new WhorlError('internal', `Byte ${from} of the weights came instead of ${this.#at}.`);
    }
    this.#at = from + piece.length;
    for (const each of this.#coming) {
      this.#takeScales(each, piece, from);
      const { offset, bytes } = each.tensor;
      this.#takeCodes(each, within(piece, from, offset, offset + bytes));
    }
    this.#coming = this.#coming.filter(({ row, rows }) => row < rows);
  }

  #takeScales({ tensor, scales }: Unpacking, piece: Uint8Array<ArrayBuffer>, from: number): void {
    if (!scales) return;
    const start = tensor.scalesOffset ?? 0;
    const part = within(piece, from, start, start + scales.byteLength);
    if (part.length === 0) return;
    new Uint8Array(scales.buffer).set(part, Math.max(from - start, 0));
  }

  #takeCodes(each: Unpacking, part: Uint8Array<ArrayBuffer>): void {
    const { rowBytes, carry } = each;
    let rest = part;
    if (each.carried > 0) {
      const missing = rest.subarray(0, rowBytes - each.carried);
      carry.set(missing, each.carried);
      each.carried += missing.length;
      rest = rest.subarray(missing.length);
      if (each.carried < rowBytes) return;
      each.carried = 0;
      this.#hand(each, carry);
    }
    const whole = rest.length - (rest.length % rowBytes);
    if (whole > 0) this.#hand(each, rest.subarray(0, whole));
    carry.set(rest.subarray(whole));
    each.carried = rest.length - whole;
  }

  #hand(each: Unpacking, bytes: Uint8Array<ArrayBuffer>): void {
    const { tensor, rows, rowBytes, scales, row } = each;
    const count = bytes.length / rowBytes;
    each.row += count;
    const own = rows === 1 ? scales : (scales?.subarray(row, row + count) ?? null);
    this.#sink.load(tensor, bytes, own, row);
  }
}

function unpacking(tensor: ModelTensor): Unpacking {
  const first = tensor.shape[0] ?? 1;
  const rows = tensor.shape.length > 1 ? first : 1;
  const rowBytes = tensor.bytes / rows;
  const scales = tensor.scalesOffset === undefined ? null : new Float32Array(first);
  if (scales && (tensor.scalesOffset ?? 0) + scales.byteLength > tensor.offset) {
    throw new WhorlError(
      'asset_corrupt',
      `The scales of the tensor "${tensor.name}" do not lie before its codes, so it cannot be read as it arrives. Pack the model again.`,
    );
  }
  return { tensor, rows, rowBytes, scales, row: 0, carry: new Uint8Array(rowBytes), carried: 0 };
}

/** The part of a piece that lies between two offsets of the file. */
function within(
  piece: Uint8Array<ArrayBuffer>,
  from: number,
  start: number,
  end: number,
): Uint8Array<ArrayBuffer> {
  const first = Math.max(start - from, 0);
  return piece.subarray(first, Math.max(first, Math.min(end - from, piece.length)));
}
