/** Names and shapes of a BERT encoder's tensors, in the order in which a forward pass uses them. */

/** Sizes from the model's `config.json`. */
export interface BertShape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly vocabulary: number;
  readonly positions: number;
  readonly tokenTypes: number;
  readonly layerNormEps: number;
}

/** Name, shape, and whether it is a matrix that is stored as int8. */
export interface TensorPlan {
  readonly name: string;
  readonly shape: readonly number[];
  readonly quantised: boolean;
}

interface BertConfig {
  readonly model_type: string;
  readonly hidden_act: string;
  readonly position_embedding_type?: string;
  readonly num_hidden_layers: number;
  readonly hidden_size: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  readonly type_vocab_size: number;
  readonly layer_norm_eps: number;
}

/** Reads a `config.json`. Throws for anything but an absolute-position BERT with the exact GELU. */
export function bertShape(config: BertConfig): BertShape {
  const position = config.position_embedding_type ?? 'absolute';
  if (config.model_type !== 'bert' || config.hidden_act !== 'gelu' || position !== 'absolute') {
    throw new Error(
      `Only BERT encoders with absolute positions and GELU can be packed; this one says ${config.model_type}, ${position}, ${config.hidden_act}.`,
    );
  }
  return {
    layers: config.num_hidden_layers,
    hidden: config.hidden_size,
    heads: config.num_attention_heads,
    intermediate: config.intermediate_size,
    vocabulary: config.vocab_size,
    positions: config.max_position_embeddings,
    tokenTypes: config.type_vocab_size,
    layerNormEps: config.layer_norm_eps,
  };
}

/** Every tensor of a forward pass, in order of use. Linear weights are `[out, in]`. */
export function tensorPlan(shape: BertShape): TensorPlan[] {
  const { hidden } = shape;
  return [
    matrix('embeddings.word_embeddings.weight', shape.vocabulary, hidden),
    plain('embeddings.position_embeddings.weight', shape.positions, hidden),
    plain('embeddings.token_type_embeddings.weight', shape.tokenTypes, hidden),
    ...norm('embeddings.LayerNorm', hidden),
    ...Array.from({ length: shape.layers }, (_, layer) => layerPlan(shape, layer)).flat(),
  ];
}

/** The same tensors, all as float32. */
export function exactPlan(plan: readonly TensorPlan[]): TensorPlan[] {
  return plan.map((tensor) => ({ ...tensor, quantised: false }));
}

function layerPlan({ hidden, intermediate }: BertShape, layer: number): TensorPlan[] {
  const at = `encoder.layer.${layer}`;
  return [
    ...linear(`${at}.attention.self.query`, hidden, hidden),
    ...linear(`${at}.attention.self.key`, hidden, hidden),
    ...linear(`${at}.attention.self.value`, hidden, hidden),
    ...linear(`${at}.attention.output.dense`, hidden, hidden),
    ...norm(`${at}.attention.output.LayerNorm`, hidden),
    ...linear(`${at}.intermediate.dense`, intermediate, hidden),
    ...linear(`${at}.output.dense`, hidden, intermediate),
    ...norm(`${at}.output.LayerNorm`, hidden),
  ];
}

function matrix(name: string, rows: number, columns: number): TensorPlan {
  return { name, shape: [rows, columns], quantised: true };
}

function plain(name: string, ...shape: number[]): TensorPlan {
  return { name, shape, quantised: false };
}

function linear(name: string, out: number, inner: number): TensorPlan[] {
  return [matrix(`${name}.weight`, out, inner), plain(`${name}.bias`, out)];
}

function norm(name: string, size: number): TensorPlan[] {
  return [plain(`${name}.weight`, size), plain(`${name}.bias`, size)];
}
