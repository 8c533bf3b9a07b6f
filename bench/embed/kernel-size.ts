/** Bytes that our kernel adds to a download. */
import { gunzipSync, gzipSync } from 'node:zlib';
import { minilmKernels, minilmKernelsParts } from '../../wasm/build/minilm-kernels.ts';

/** Bytes, gzip at level 9. */
export interface KernelSizes {
  /** Each build by itself. */
  readonly plain: number;
  readonly relaxed: number;
  /** Both and the probe in one stream, as the worker's script holds them. */
  readonly both: number;
  /** That stream as base64, in a script that is sent compressed. */
  readonly inlined: number;
}

export function kernelSizes(): KernelSizes {
  const size = (bytes: Uint8Array) => gzipSync(bytes, { level: 9 }).length;
  const stream = Buffer.from(minilmKernels, 'base64');
  const all = gunzipSync(stream);
  const { simd128, relaxed } = minilmKernelsParts;
  return {
    plain: size(all.subarray(...simd128)),
    relaxed: size(all.subarray(...relaxed)),
    both: stream.length,
    inlined: size(Buffer.from(minilmKernels)),
  };
}
