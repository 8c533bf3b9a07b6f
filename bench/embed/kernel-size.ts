/** Bytes that our kernel adds to a download. */
import { gzipSync } from 'node:zlib';
import { minilmKernel } from '../../wasm/build/minilm-kernel.ts';
import { minilmRelaxed } from '../../wasm/build/minilm-relaxed.ts';

/** Bytes, gzip at level 9. */
export interface KernelSizes {
  /** Each build by itself. */
  readonly plain: number;
  readonly relaxed: number;
  /** Both in one stream, as the kernel comes: they have most of their code in common. */
  readonly both: number;
  /** Both as they stand in the worker's script. */
  readonly inlined: number;
}

export function kernelSizes(): KernelSizes {
  const size = (bytes: Uint8Array) => gzipSync(bytes, { level: 9 }).length;
  const [plain, relaxed] = [minilmKernel, minilmRelaxed].map((text) => Buffer.from(text, 'base64'));
  return {
    plain: size(plain as Buffer),
    relaxed: size(relaxed as Buffer),
    both: size(Buffer.concat([plain as Buffer, relaxed as Buffer])),
    inlined: size(Buffer.from(minilmKernel + minilmRelaxed)),
  };
}
