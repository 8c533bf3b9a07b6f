/**
 * Protocol buffers, as far as an ONNX file needs them: the fields of a message with their places, read
 * without a copy. The file comes from the network, so every length is checked against what is there.
 * Wire format: https://protobuf.dev/programming-guides/encoding/
 */

export interface ProtoField {
  readonly number: number;
  /** Of a varint; 0 for other fields. Values beyond 2^53 lose their last digits. */
  readonly value: number;
  /** Of a length-delimited field, a view; empty for other fields. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const NOTHING = new Uint8Array(0);

/** Why bytes are no message. Its message is one clause, for the error of the caller. */
export class ProtoError extends Error {}

/**
 * The fields of one message, in order.
 *
 * @throws ProtoError on anything that no writer writes: a length beyond the end, a field without a
 * number, groups (which ONNX never had).
 */
export function* protoFields(bytes: Uint8Array<ArrayBuffer>): Generator<ProtoField> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at];
      if (byte === undefined) throw new ProtoError('it ends in the middle of a number');
      at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new ProtoError('it has a number without an end');
  };
  const take = (length: number): Uint8Array<ArrayBuffer> => {
    if (length > bytes.length - at) {
      throw new ProtoError(`it ends ${length - (bytes.length - at)} bytes too early`);
    }
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    if (number === 0 || number >= 2 ** 29) throw new ProtoError('it has a field without a number');
    const wire = tag % 8;
    if (wire === 0) yield { number, value: varint(), bytes: NOTHING };
    else if (wire === 2) yield { number, value: 0, bytes: take(varint()) };
    else if (wire === 1 || wire === 5) {
      take(wire === 1 ? 8 : 4);
      yield { number, value: 0, bytes: NOTHING };
    } else throw new ProtoError(`it has a field of the unknown kind ${wire}`);
  }
}

/**
 * A repeated whole number, written one by one or packed.
 *
 * @throws ProtoError where a packed field holds more than `most`.
 */
export function protoIntegers(field: ProtoField, most: number): readonly number[] {
  if (field.bytes.length === 0) return [field.value];
  const values: number[] = [];
  let value = 0;
  let scale = 1;
  for (const byte of field.bytes) {
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte >= 0x80) continue;
    if (values.length >= most) throw new ProtoError(`it has a list of more than ${most} numbers`);
    values.push(value);
    value = 0;
    scale = 1;
  }
  return values;
}
