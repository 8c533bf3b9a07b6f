/**
 * The weights file: tensors in the order of use, each on a 64 byte border, a quantised one with its
 * scales right before its codes, so that whoever reads the file from the front can unpack a tensor as
 * soon as its last byte has arrived.
 */
import type { ModelTensor } from '../../workers/embed/manifest.ts';
import type { TensorPlan } from './bert.ts';
import type { Tensor } from './safetensors.ts';

const ALIGNMENT = 64;

/** An int8 code a value and a float32 scale a row: value = code x scale. */
export interface QuantisedRows {
  readonly codes: Int8Array;
  readonly scales: Float32Array;
}

/** Symmetric quantisation by row: scale = largest magnitude / 127, codes -127..127. */
export function quantiseRows({ shape, data }: Tensor): QuantisedRows {
  const rows = shape[0] ?? 0;
  const columns = data.length / rows;
  const codes = new Int8Array(data.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const values = data.subarray(row * columns, (row + 1) * columns);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const scale = Math.fround(largest / 127);
    scales[row] = scale;
    if (scale === 0) continue;
    values.forEach((value, k) => {
      codes[row * columns + k] = Math.max(-127, Math.min(127, Math.round(value / scale)));
    });
  }
  return { codes, scales };
}

/** The bytes of the weights file and the table of its tensors. */
export function packWeights(
  plan: readonly TensorPlan[],
  weights: ReadonlyMap<string, Tensor>,
): { readonly bytes: Uint8Array; readonly tensors: ModelTensor[] } {
  const parts: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  let end = 0;
  const place = (values: Float32Array | Int8Array): number => {
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    parts.push({ offset, bytes });
    end = offset + bytes.length;
    return offset;
  };
  const tensors = plan.map((planned): ModelTensor => {
    const { name, shape } = planned;
    const source = weightOf(weights, planned);
    if (!planned.quantised) {
      return {
        name,
        shape,
        type: 'float32',
        offset: place(source.data),
        bytes: source.data.length * 4,
      };
    }
    const { codes, scales } = quantiseRows(source);
    const scalesOffset = place(scales);
    return {
      name,
      shape,
      type: 'int8-rows',
      offset: place(codes),
      bytes: codes.length,
      scalesOffset,
    };
  });
  const bytes = new Uint8Array(end);
  for (const part of parts) bytes.set(part.bytes, part.offset);
  return { bytes, tensors };
}

function weightOf(weights: ReadonlyMap<string, Tensor>, planned: TensorPlan): Tensor {
  const tensor = weights.get(planned.name);
  if (!tensor) throw new Error(`The weights have no tensor "${planned.name}".`);
  if (tensor.shape.join() !== planned.shape.join()) {
    throw new Error(
      `"${planned.name}" is ${tensor.shape.join(' x ')}, not ${planned.shape.join(' x ')}.`,
    );
  }
  return tensor;
}
