/**
 * What a session of ONNX Runtime asks for and answers, and one run of it. Graphs come from many
 * exporters: whatever does not fit is refused with the names and shapes that the graph has.
 */
import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { WhorlError } from '../../src/shared/errors.ts';
import type { OrtModule } from './ort-runtime.ts';
import { halfToFloat, type Pooling, poolFirst, poolMean } from './pooling.ts';

/** The part of a session that is used. */
export type SessionLike = Pick<
  InferenceSession,
  'run' | 'release' | 'inputMetadata' | 'outputMetadata'
>;

type Metadata = InferenceSession['inputMetadata'][number];
type IdType = 'int64' | 'int32';

/** An input, filled from the token ids: the ids, 1 where a token is no padding, or 0 everywhere. */
interface GraphInput {
  readonly name: string;
  readonly role: 'ids' | 'mask' | 'types';
  readonly type: IdType;
}

export interface GraphPlan {
  readonly inputs: readonly GraphInput[];
  /** Name of the output that vectors are made of. */
  readonly output: string;
  readonly pooling: Pooling;
  /** Numbers a vector; null where the graph tells only by running. */
  readonly dimension: number | null;
  /** Without an attention mask nothing may be padded: a batch has texts of one length. */
  readonly masked: boolean;
  /** Names and shapes, for messages. */
  readonly words: string;
}

const ROLES: { readonly [name: string]: GraphInput['role'] } = {
  input_ids: 'ids',
  attention_mask: 'mask',
  token_type_ids: 'types',
};
const PREFERRED: { readonly [P in Pooling]: readonly string[] } = {
  none: ['sentence_embedding'],
  mean: ['last_hidden_state', 'token_embeddings'],
  cls: ['last_hidden_state', 'token_embeddings'],
};
const MAX_DIMENSION = 8_192;

/**
 * How to run a session: by its metadata alone.
 *
 * @throws WhorlError `asset_corrupt` that says which names and shapes the graph has.
 */
export function planGraph(
  session: Pick<SessionLike, 'inputMetadata' | 'outputMetadata'>,
  pooling: Pooling,
): GraphPlan {
  const words = `It takes ${list(session.inputMetadata)} and answers ${list(session.outputMetadata)}.`;
  const inputs = session.inputMetadata.map((metadata) => inputOf(metadata, words));
  if (!inputs.some(({ role }) => role === 'ids')) {
    throw unfit('it has no input "input_ids"', words);
  }
  const output = outputOf(session.outputMetadata, pooling, words);
  return {
    inputs,
    output: output.name,
    pooling,
    dimension: dimensionOf(output, words),
    masked: inputs.some(({ role }) => role === 'mask'),
    words,
  };
}

/**
 * Runs one batch. What the runtime throws comes through as it is.
 *
 * @param batch Token ids; of one length where the graph has no mask.
 * @returns row-major `batch.length x dimension` in a buffer of its own, not yet of unit length.
 * @throws WhorlError `asset_corrupt` where the output has another shape or type than planned.
 */
export async function runGraph(
  runtime: Pick<OrtModule, 'Tensor'>,
  session: SessionLike,
  plan: GraphPlan,
  batch: readonly Int32Array[],
): Promise<{ readonly vectors: Float32Array<ArrayBuffer>; readonly dimension: number }> {
  const feeds = makeFeeds(runtime, plan, batch);
  let output: Tensor | undefined;
  try {
    output = (await session.run(feeds, [plan.output]))[plan.output];
    if (!output) throw unfit(`it gave no output "${plan.output}"`, plan.words);
    return await readOutput(output, plan, batch);
  } finally {
    output?.dispose();
    for (const tensor of Object.values(feeds)) tensor.dispose();
  }
}

/** Rows of token ids, padded to the longest with 0, and the mask of what is real. */
function makeFeeds(
  { Tensor: TensorOf }: Pick<OrtModule, 'Tensor'>,
  { inputs }: GraphPlan,
  batch: readonly Int32Array[],
): { readonly [name: string]: Tensor } {
  const longest = batch.reduce((most, { length }) => Math.max(most, length), 0);
  const rows: { readonly [R in GraphInput['role']]: Int32Array } = {
    ids: new Int32Array(batch.length * longest),
    mask: new Int32Array(batch.length * longest),
    types: new Int32Array(batch.length * longest),
  };
  batch.forEach((sequence, row) => {
    rows.ids.set(sequence, row * longest);
    rows.mask.fill(1, row * longest, row * longest + sequence.length);
  });
  const dims = [batch.length, longest];
  return Object.fromEntries(
    inputs.map(({ name, role, type }) => [
      name,
      type === 'int32'
        ? new TensorOf('int32', rows[role], dims)
        : new TensorOf('int64', BigInt64Array.from(rows[role], BigInt), dims),
    ]),
  );
}

async function readOutput(
  output: Tensor,
  plan: GraphPlan,
  batch: readonly Int32Array[],
): Promise<{ vectors: Float32Array<ArrayBuffer>; dimension: number }> {
  const { pooling } = plan;
  const lengths = batch.map(({ length }) => length);
  const tokens = Math.max(...lengths);
  const wanted = pooling === 'none' ? [batch.length] : [batch.length, tokens];
  const dimension = output.dims.at(-1) ?? 0;
  const fits =
    output.dims.length === wanted.length + 1 &&
    wanted.every((size, axis) => output.dims[axis] === size) &&
    dimension >= 1 &&
    dimension <= MAX_DIMENSION;
  if (!fits) {
    throw unfit(
      `"${plan.output}" came with the shape [${output.dims.join(', ')}] for ${batch.length} texts of up to ${tokens} tokens`,
      plan.words,
    );
  }
  const values = floatsOf(await output.getData(), plan);
  if (values.length !== output.dims.reduce((product, size) => product * size, 1)) {
    throw unfit(
      `"${plan.output}" has ${values.length} numbers, not what its shape says`,
      plan.words,
    );
  }
  if (pooling === 'none') return { vectors: values, dimension };
  const states = { values, tokens, dimension };
  const vectors =
    pooling === 'mean' ? poolMean(states, lengths) : poolFirst(states, lengths.length);
  return { vectors, dimension };
}

/** A copy: what the runtime hands out may lie in its memory. */
function floatsOf(data: Tensor.DataType, { output, words }: GraphPlan): Float32Array<ArrayBuffer> {
  if (data instanceof Float32Array) return new Float32Array(data);
  if (data instanceof Uint16Array) return halfToFloat(data);
  // Where the platform has it, the runtime hands half precision out as Float16Array.
  const kind = Object.prototype.toString.call(data).slice(8, -1);
  if (kind === 'Float16Array') return Float32Array.from(data as ArrayLike<number>);
  throw unfit(`"${output}" holds ${kind}, not numbers of 32 or 16 bits`, words);
}

function inputOf(metadata: Metadata, words: string): GraphInput {
  const { name } = metadata;
  const role = Object.hasOwn(ROLES, name) ? ROLES[name] : undefined;
  if (!role) throw unfit(`it asks for an input "${name}" that no tokenizer gives`, words);
  const type = metadata.isTensor ? metadata.type : 'none';
  if (type !== 'int64' && type !== 'int32') {
    throw unfit(`its input "${name}" is neither int64 nor int32`, words);
  }
  const shape = shapeOf(metadata);
  if (shape.length > 0 && (shape.length !== 2 || shape.some((size) => typeof size === 'number'))) {
    throw unfit(`its input "${name}" is not of the free shape [texts, tokens]`, words);
  }
  return { name, role, type };
}

function outputOf(outputs: readonly Metadata[], pooling: Pooling, words: string): Metadata {
  const rank = pooling === 'none' ? 2 : 3;
  const fitting = outputs.filter((output) => {
    const shape = shapeOf(output);
    return isFloat(output) && (shape.length === rank || shape.length === 0);
  });
  for (const name of PREFERRED[pooling]) {
    const found = fitting.find((output) => output.name === name);
    if (found) return found;
  }
  const [only] = fitting.filter((output) => shapeOf(output).length === rank);
  const count = fitting.filter((output) => shapeOf(output).length === rank).length;
  if (only && count === 1) return only;
  const wanted =
    pooling === 'none'
      ? 'one vector a text ([texts, numbers], for instance "sentence_embedding")'
      : 'a vector for each token ([texts, tokens, numbers], for instance "last_hidden_state")';
  throw unfit(
    `with pooling "${pooling}" it must answer ${wanted}, and ${count === 0 ? 'no output is that' : `${count} outputs are that`}`,
    words,
  );
}

function dimensionOf(output: Metadata, words: string): number | null {
  const last = shapeOf(output).at(-1);
  if (typeof last !== 'number') return null;
  if (last >= 1 && last <= MAX_DIMENSION) return last;
  throw unfit(
    `"${output.name}" has ${last} numbers a vector; 1 to ${MAX_DIMENSION} can be kept`,
    words,
  );
}

function isFloat(metadata: Metadata): boolean {
  return metadata.isTensor && (metadata.type === 'float32' || metadata.type === 'float16');
}

function shapeOf(metadata: Metadata): readonly (number | string)[] {
  return metadata.isTensor ? metadata.shape : [];
}

const MOST_NAMED = 12;

function list(all: readonly Metadata[]): string {
  if (all.length === 0) return 'nothing';
  const named = all.slice(0, MOST_NAMED).map((metadata) => {
    const type = metadata.isTensor ? metadata.type : 'no tensor';
    return `${metadata.name.slice(0, 80)} (${type} [${shapeOf(metadata).join(', ')}])`;
  });
  if (all.length > MOST_NAMED) named.push(`${all.length - MOST_NAMED} more`);
  return named.join(', ');
}

function unfit(why: string, words: string): WhorlError {
  return new WhorlError(
    'asset_corrupt',
    `The ONNX graph is not a text encoder that Whorl can run: ${why}. ${words} Export it for feature extraction, or choose the pooling that fits.`,
  );
}
