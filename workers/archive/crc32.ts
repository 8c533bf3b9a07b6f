/** CRC-32 as zip has it (ISO 3309, polynomial 0xedb88320 reflected), over four bytes at a time. */

const SLICES = 4;

/** `TABLES[k][b]`: what byte `b` leaves behind after `k` further zero bytes. */
const TABLES: readonly Uint32Array[] = makeTables();

function makeTables(): Uint32Array[] {
  const first = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let rest = byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1;
    first[byte] = rest;
  }
  const tables = [first];
  for (let slice = 1; slice < SLICES; slice++) {
    const before = tables[slice - 1] as Uint32Array;
    tables.push(before.map((rest) => (first[rest & 255] as number) ^ (rest >>> 8)));
  }
  return tables;
}

/** The checksum of what `crc` stands for followed by `bytes`; begin with 0. */
export function crc32(bytes: Uint8Array, crc = 0): number {
  const [t0, t1, t2, t3] = TABLES as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  const whole = bytes.length - (bytes.length % SLICES);
  let rest = ~crc;
  for (let i = 0; i < whole; i += SLICES) {
    rest ^=
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    rest =
      (t3[rest & 255] as number) ^
      (t2[(rest >>> 8) & 255] as number) ^
      (t1[(rest >>> 16) & 255] as number) ^
      (t0[rest >>> 24] as number);
  }
  for (let i = whole; i < bytes.length; i++) {
    rest = (t0[(rest ^ (bytes[i] as number)) & 255] as number) ^ (rest >>> 8);
  }
  return ~rest >>> 0;
}
