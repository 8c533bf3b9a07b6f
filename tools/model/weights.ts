/**
 * The weights file: tensors in the order of use, each on a 64 byte border, a quantised one with its
 * scales right before its codes, so that whoever reads the file from the front can unpack a tensor as
 * soon as its last byte has arrived.
 */
import type { ModelTensor } from '../../workers/embed/manifest.ts';
import type { TensorPlan } from './bert.ts';
import { type QuantisedRows, roundToNearest } from './rounding.ts';
import type { Tensor } from './safetensors.ts';

const ALIGNMENT = 64;

/**
 * The bytes of the weights file and the table of its tensors.
 *
 * @param rounded Matrices that are rounded already, by name; others are rounded to the nearest.
 */
export function packWeights(
  plan: readonly TensorPlan[],
  weights: ReadonlyMap<string, Tensor>,
  rounded: ReadonlyMap<string, QuantisedRows>,
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
    const { codes, scales } = rounded.get(name) ?? roundToNearest(source);
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

/** Throws unless every planned tensor is there in its shape. */
export function checkTensors(
  plan: readonly TensorPlan[],
  weights: ReadonlyMap<string, Tensor>,
): void {
  for (const planned of plan) weightOf(weights, planned);
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
