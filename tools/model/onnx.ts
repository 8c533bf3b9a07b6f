/**
 * The few fields of an ONNX graph that packing needs, read from its protobuf bytes. Field numbers
 * from https://github.com/onnx/onnx/blob/main/onnx/onnx.proto: ModelProto.graph 7,
 * GraphProto.initializer 5, TensorProto.name 8, TensorProto.external_data 13,
 * StringStringEntryProto.key 1 and .value 2.
 */

/** One weight that the graph keeps outside of itself. Offset and length are bytes. */
export interface ExternalReference {
  readonly tensor: string;
  readonly location: string;
  readonly offset: number;
  readonly bytes: number;
}

type Field = readonly [number: number, value: Uint8Array | bigint];

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The external-data references of the graph's initialisers, in the graph's order. */
export function externalReferences(model: Uint8Array): ExternalReference[] {
  const references: ExternalReference[] = [];
  for (const graph of messages(model, 7)) {
    for (const initializer of messages(graph, 5)) {
      const entries = new Map([...messages(initializer, 13)].map(keyAndValue));
      if (entries.size > 0) references.push(reference(text(initializer, 8), entries));
    }
  }
  return references;
}

function reference(tensor: string, entries: ReadonlyMap<string, string>): ExternalReference {
  const location = entries.get('location');
  const offset = Number(entries.get('offset') ?? 0);
  const bytes = Number(entries.get('length'));
  if (!location || !Number.isSafeInteger(offset) || !Number.isSafeInteger(bytes)) {
    throw new Error(`The graph's reference to the weight "${tensor}" is not complete.`);
  }
  return { tensor, location, offset, bytes };
}

function keyAndValue(entry: Uint8Array): readonly [string, string] {
  return [text(entry, 1), text(entry, 2)];
}

function text(message: Uint8Array, number: number): string {
  for (const bytes of messages(message, number)) return utf8.decode(bytes);
  return '';
}

function* messages(message: Uint8Array, number: number): Generator<Uint8Array> {
  for (const [field, value] of fields(message)) {
    if (field === number && typeof value !== 'bigint') yield value;
  }
}

/** Wire types of protobuf: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
function* fields(message: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new Error('The ONNX graph is cut or is not a protobuf.');
  };
  while (at < message.length) {
    const key = Number(varint());
    const type = key & 7;
    if (type === 0) {
      yield [key >>> 3, varint()];
      continue;
    }
    const size = type === 2 ? Number(varint()) : type === 1 ? 8 : type === 5 ? 4 : -1;
    if (size < 0 || at + size > message.length) {
      throw new Error('The ONNX graph is cut or is not a protobuf.');
    }
    yield [key >>> 3, message.subarray(at, at + size)];
    at += size;
  }
}
