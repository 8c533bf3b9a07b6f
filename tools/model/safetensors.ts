/**
 * Reader of the safetensors format: 8 bytes of header length (little-endian), a JSON header, and the
 * tensors' bytes. https://huggingface.co/docs/safetensors
 */

/** A float32 tensor, row-major. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

const MAX_HEADER_BYTES = 16 * 1024 * 1024;

/** The float32 tensors of a file by name; tensors of other types (position ids) are left out. */
export function readSafetensors(file: Uint8Array): Map<string, Tensor> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES || 8 + length > file.length) {
    throw new Error(`The safetensors header says ${length} bytes, which the file cannot hold.`);
  }
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header as Record<string, Entry>)) {
    if (name === '__metadata__' || entry.dtype !== 'F32') continue;
    tensors.set(name, readTensor(name, entry, file.subarray(8 + length)));
  }
  return tensors;
}

function readTensor(name: string, entry: Entry, body: Uint8Array): Tensor {
  const [start, end] = entry.data_offsets;
  const count = entry.shape.reduce((product, size) => product * size, 1);
  if (start > end || end > body.length || end - start !== count * 4) {
    throw new Error(`The tensor "${name}" does not lie inside the safetensors file.`);
  }
  // A copy, since the file's offset need not be a multiple of four; Buffer's own slice copies nothing.
  const copy = new Uint8Array(end - start);
  copy.set(body.subarray(start, end));
  return { shape: entry.shape, data: new Float32Array(copy.buffer) };
}
