/** Where each tensor of a BERT encoder goes in the kernel, and the shape that it must have. */
import type { Architecture } from '../manifest.ts';

/** Linear layers by the kernel's numbers (`wasm/minilm/load.ts`). */
export const PARTS = {
  'attention.self.query': 0,
  'attention.self.key': 1,
  'attention.self.value': 2,
  'attention.output.dense': 3,
  'intermediate.dense': 4,
  'output.dense': 5,
} as const;

/** What a tensor is. `layer` is -1 for the LayerNorm of the embeddings; `norm` 0 follows attention, 1 the rest. */
export type TensorRole =
  | { readonly kind: 'words' }
  | { readonly kind: 'positions' }
  | { readonly kind: 'types' }
  | { readonly kind: 'gain' | 'shift'; readonly layer: number; readonly norm: number }
  | { readonly kind: 'weight' | 'bias'; readonly layer: number; readonly part: number };

export interface TensorPlace {
  readonly role: TensorRole;
  readonly rows: number;
  /** Values of a row; 1 for a vector, whose rows are its values. */
  readonly columns: number;
}

/** All tensors that a forward pass needs, by name. */
export function tensorPlaces(shape: Architecture): Map<string, TensorPlace> {
  const places = new Map<string, TensorPlace>();
  const { hidden } = shape;
  const table = (name: string, kind: 'words' | 'positions' | 'types', rows: number): void => {
    places.set(`embeddings.${name}.weight`, { role: { kind }, rows, columns: hidden });
  };
  table('word_embeddings', 'words', shape.vocabulary);
  table('position_embeddings', 'positions', shape.positions);
  table('token_type_embeddings', 'types', shape.tokenTypes);
  addNorm(places, 'embeddings.LayerNorm', hidden, -1, 0);
  for (let layer = 0; layer < shape.layers; layer += 1) addLayer(places, shape, layer);
  return places;
}

function addLayer(places: Map<string, TensorPlace>, shape: Architecture, layer: number): void {
  const { hidden, intermediate } = shape;
  const at = `encoder.layer.${layer}`;
  for (const [name, part] of Object.entries(PARTS)) {
    const rows = part === PARTS['intermediate.dense'] ? intermediate : hidden;
    const columns = part === PARTS['output.dense'] ? intermediate : hidden;
    places.set(`${at}.${name}.weight`, { role: { kind: 'weight', layer, part }, rows, columns });
    places.set(`${at}.${name}.bias`, { role: { kind: 'bias', layer, part }, rows, columns: 1 });
  }
  addNorm(places, `${at}.attention.output.LayerNorm`, hidden, layer, 0);
  addNorm(places, `${at}.output.LayerNorm`, hidden, layer, 1);
}

function addNorm(
  places: Map<string, TensorPlace>,
  name: string,
  rows: number,
  layer: number,
  norm: number,
): void {
  places.set(`${name}.weight`, { role: { kind: 'gain', layer, norm }, rows, columns: 1 });
  places.set(`${name}.bias`, { role: { kind: 'shift', layer, norm }, rows, columns: 1 });
}
