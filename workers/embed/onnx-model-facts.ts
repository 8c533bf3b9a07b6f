/**
 * What an ONNX file tells before any runtime is loaded: that it is one, that it is whole, and how many
 * tokens and positions its tables have. A GPU does not refuse a row that is not there: it takes another
 * one, so that these numbers are the only guard. Field numbers: onnx/onnx.proto3 of ONNX 1.17.
 */
import { WhorlError } from '../../src/shared/errors.ts';
import { ProtoError, type ProtoField, protoFields, protoIntegers } from './onnx-model-proto.ts';

export interface OnnxFacts {
  /** Rows of the table that `input_ids` look into; null where that table cannot be found. */
  readonly vocabulary: number | null;
  /** Longest input that the table of positions takes; null where that table cannot be found. */
  readonly positions: number | null;
  /**
   * Whether activations are quantised by one scale for all that runs together
   * (`DynamicQuantizeLinear`): a text's vector then depends on the texts beside it.
   */
  readonly dynamic: boolean;
}

interface GraphNode {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

interface Graph {
  readonly nodes: readonly GraphNode[];
  /** Sizes of each stored tensor, by name. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly external: string | null;
}

const MODEL_IR_VERSION = 1;
const MODEL_GRAPH = 7;
const GRAPH_NODE = 1;
const GRAPH_INITIALIZER = 5;
const NODE_INPUT = 1;
const NODE_OUTPUT = 2;
const NODE_TYPE = 4;
const TENSOR_DIMS = 1;
const TENSOR_NAME = 8;
const TENSOR_LOCATION = 14;

/** Operators that hand on what they get, as far as a look-up of rows is concerned. */
const PASSING = new Set([
  'Cast',
  'Identity',
  'Reshape',
  'Unsqueeze',
  'Squeeze',
  'DequantizeLinear',
]);
/** Operators that look up rows: places of the row numbers and of the table among their inputs. */
const LOOKUPS: ReadonlyMap<string, { readonly ids: number; readonly table: number }> = new Map([
  ['Gather', { ids: 1, table: 0 }],
  ['GatherBlockQuantized', { ids: 1, table: 0 }],
  ['EmbedLayerNormalization', { ids: 0, table: 2 }],
  ['QEmbedLayerNormalization', { ids: 0, table: 2 }],
]);
const DYNAMIC = new Set(['DynamicQuantizeLinear', 'DynamicQuantizeMatMul', 'DynamicQuantizeLSTM']);
const POSITIONS = /(^|[._/])pos(ition)?s?_emb|\bwpe\b/i;
/** Far beyond any model; a file that has more was made to fill the memory. */
const MAX_PARTS = 1 << 20;
const MAX_PORTS = 1 << 14;
const MAX_DIMENSIONS = 16;

/**
 * @throws WhorlError `asset_corrupt` (retryable: a fresh download may be whole) when the bytes are no
 * ONNX file; `unsupported` when its weights lie in another file.
 */
export function readOnnxFacts(file: Uint8Array<ArrayBuffer>, name: string): OnnxFacts {
  const graph = readModel(file, name);
  if (graph.external !== null) {
    throw new WhorlError(
      'unsupported',
      `"${name}" keeps its weights in another file (the tensor "${graph.external}"); Whorl takes ONNX files that hold their weights. Save it with save_as_external_data=False.`,
    );
  }
  return {
    vocabulary: rowsOfIds(graph),
    positions: rowsOfPositions(graph),
    dynamic: graph.nodes.some(({ type }) => DYNAMIC.has(type)),
  };
}

function readModel(file: Uint8Array<ArrayBuffer>, name: string): Graph {
  try {
    let version = 0;
    let graph: Graph | null = null;
    for (const field of protoFields(file)) {
      if (field.number === MODEL_IR_VERSION) version = field.value;
      if (field.number === MODEL_GRAPH) graph = readGraph(field.bytes);
    }
    if (version === 0) throw new ProtoError('it names no version of the format');
    if (!graph || graph.nodes.length === 0) throw new ProtoError('it holds no graph');
    return graph;
  } catch (error) {
    if (!(error instanceof ProtoError)) throw error;
    throw new WhorlError(
      'asset_corrupt',
      `"${name}" is not an ONNX file (${file.length} bytes): ${error.message}. It was not kept and not used; check the address, then try again.`,
      { cause: error, retryable: true },
    );
  }
}

function readGraph(bytes: Uint8Array<ArrayBuffer>): Graph {
  const nodes: GraphNode[] = [];
  const shapes = new Map<string, readonly number[]>();
  let external: string | null = null;
  let parts = 0;
  for (const field of protoFields(bytes)) {
    if (field.number === GRAPH_NODE || field.number === GRAPH_INITIALIZER) parts += 1;
    if (parts > MAX_PARTS) {
      throw new ProtoError(`it has more than ${MAX_PARTS} nodes and tensors`);
    }
    if (field.number === GRAPH_NODE) nodes.push(readNode(field.bytes));
    if (field.number === GRAPH_INITIALIZER) {
      const tensor = readTensor(field.bytes);
      shapes.set(tensor.name, tensor.shape);
      if (tensor.external) external ??= tensor.name;
    }
  }
  return { nodes, shapes, external };
}

function readNode(bytes: Uint8Array<ArrayBuffer>): GraphNode {
  const inputs: string[] = [];
  const outputs: string[] = [];
  let type = '';
  for (const field of protoFields(bytes)) {
    if (field.number === NODE_INPUT) inputs.push(textOf(field));
    else if (field.number === NODE_OUTPUT) outputs.push(textOf(field));
    else if (field.number === NODE_TYPE) type = textOf(field);
    if (inputs.length + outputs.length > MAX_PORTS) {
      throw new ProtoError(`it has a node of more than ${MAX_PORTS} inputs and outputs`);
    }
  }
  return { type, inputs, outputs };
}

function readTensor(bytes: Uint8Array<ArrayBuffer>) {
  const shape: number[] = [];
  let name = '';
  let external = false;
  for (const field of protoFields(bytes)) {
    if (field.number === TENSOR_DIMS) shape.push(...protoIntegers(field, MAX_DIMENSIONS));
    else if (field.number === TENSOR_NAME) name = textOf(field);
    else if (field.number === TENSOR_LOCATION) external = field.value === 1;
    if (shape.length > MAX_DIMENSIONS) {
      throw new ProtoError(`it has a tensor of more than ${MAX_DIMENSIONS} dimensions`);
    }
  }
  return { name, shape, external };
}

const decoder = new TextDecoder();

function textOf({ bytes }: ProtoField): string {
  return decoder.decode(bytes);
}

/** Rows of the smallest table that `input_ids` are looked up in. */
function rowsOfIds({ nodes, shapes }: Graph): number | null {
  const same = new Set(['input_ids']);
  const source = new Map<string, string>();
  let rows: number | null = null;
  // The nodes of an ONNX graph stand in the order in which they can run.
  for (const { type, inputs, outputs } of nodes) {
    const [first = ''] = inputs;
    const [output = ''] = outputs;
    if (PASSING.has(type)) {
      source.set(output, source.get(first) ?? first);
      if (same.has(first)) same.add(output);
    }
    const places = LOOKUPS.get(type);
    if (!places || !same.has(inputs[places.ids] ?? '')) continue;
    const table = inputs[places.table] ?? '';
    const found = shapes.get(source.get(table) ?? table)?.[0];
    if (found !== undefined) rows = Math.min(rows ?? found, found);
  }
  return rows;
}

/**
 * Rows of the table that is named after positions. Models that count positions from behind the padding
 * (RoBERTa and its kin: `CumSum` over the mask) leave its first two rows out.
 */
function rowsOfPositions({ nodes, shapes }: Graph): number | null {
  const offset = nodes.some(({ type }) => type === 'CumSum') ? 2 : 0;
  for (const [name, shape] of shapes) {
    const [rows = 0, width = 0] = shape;
    const table = shape.length === 2 && rows > offset && width > 1;
    if (table && POSITIONS.test(name)) return rows - offset;
  }
  return null;
}
