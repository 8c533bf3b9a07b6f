/** Bytes that our kernel adds to a download. */
import { gzipSync } from 'node:zlib';
import { minilmKernel } from '../../wasm/build/minilm-kernel.ts';
import { minilmRelaxed } from '../../wasm/build/minilm-relaxed.ts';

/** Gzip, level 9, of each build; a page has both. */
export function kernelSizes(): Readonly<Record<'plain' | 'relaxed', number>> {
  const size = (base64: string) => gzipSync(Buffer.from(base64, 'base64'), { level: 9 }).length;
  return { plain: size(minilmKernel), relaxed: size(minilmRelaxed) };
}
