/** Whether the tensors of a model are those that its architecture needs. */
import { WhorlError } from '../../../src/shared/errors.ts';
import type { Architecture, ModelTensor } from '../manifest.ts';
import { type TensorPlace, tensorPlaces } from './tensor-places.ts';

/**
 * Looks at what a manifest says of all tensors, before memory is taken for them.
 *
 * @throws `asset_corrupt` that names the first tensor that is missing or has another shape or type.
 */
export function checkTensors(shape: Architecture, tensors: readonly ModelTensor[]): void {
  const known = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const places = tensorPlaces(shape);
  refuseMissing([...places.keys()].filter((name) => !known.has(name)));
  for (const [name, place] of places) {
    const tensor = known.get(name);
    if (tensor !== undefined) checkTensor(tensor, place);
  }
}

/** @throws `asset_corrupt` that names the first of them, where there are any. */
export function refuseMissing([first, ...others]: readonly string[]): void {
  if (first === undefined) return;
  const more = others.length > 0 ? ` and ${others.length} others` : '';
  throw new WhorlError(
    'asset_corrupt',
    `The weights of the model lack the tensor "${first}"${more}. The encoder was not started; pack the model again.`,
  );
}

/** @throws `asset_corrupt` for another shape or type than a forward pass needs. */
export function checkTensor(tensor: ModelTensor, { rows, columns, role }: TensorPlace): void {
  const isVector = role.kind === 'gain' || role.kind === 'shift' || role.kind === 'bias';
  const wanted = isVector ? [rows] : [rows, columns];
  if (tensor.shape.join() !== wanted.join()) {
    throw corruptTensor(tensor, `its shape is [${tensor.shape}] where [${wanted}] is needed`);
  }
  if (isVector && tensor.type !== 'float32') {
    const why = `it is stored as ${tensor.type}, but biases and LayerNorms are float32`;
    throw corruptTensor(tensor, why);
  }
}

export function corruptTensor(tensor: ModelTensor, what: string): WhorlError {
  return new WhorlError(
    'asset_corrupt',
    `The tensor "${tensor.name}" does not fit the model: ${what}. The encoder was not started; pack the model again.`,
  );
}
