/** Packed weights as the float32 file that the graph refers to. */
import type { ModelManifest, ModelTensor } from './manifest.ts';

/**
 * The bytes that the graph's external references point into: each tensor dequantised at the offset
 * that the graph gives it. About four times the packed size.
 */
export function externalData(
  manifest: ModelManifest,
  weights: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const tensors = new Map(manifest.tensors.map((tensor) => [tensor.name, tensor]));
  const end = manifest.external.reduce(
    (most, { offset, bytes }) => Math.max(most, offset + bytes),
    0,
  );
  const data = new Uint8Array(end);
  for (const { tensor: name, offset } of manifest.external) {
    const tensor = tensors.get(name);
    if (!tensor) continue; // The manifest was parsed: every name is known.
    const values = tensorValues(tensor, weights);
    data.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
  }
  return data;
}

/** A tensor's values, row-major. A view of `weights` where they are stored as float32. */
export function tensorValues(
  tensor: ModelTensor,
  weights: Uint8Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const start = weights.byteOffset + tensor.offset;
  if (tensor.type === 'float32') {
    return new Float32Array(weights.buffer, start, tensor.bytes / 4);
  }
  const codes = new Int8Array(weights.buffer, start, tensor.bytes);
  const rows = tensor.shape[0] ?? 0;
  const scalesAt = weights.byteOffset + (tensor.scalesOffset ?? 0);
  const scales = new Float32Array(weights.buffer, scalesAt, rows);
  const columns = codes.length / rows;
  const values = new Float32Array(codes.length);
  for (let row = 0; row < rows; row += 1) {
    const scale = scales[row] ?? 0;
    for (let k = row * columns; k < (row + 1) * columns; k += 1)
      values[k] = (codes[k] ?? 0) * scale;
  }
  return values;
}
