/**
 * The bytes of the kernel's builds and of the probe. They are inlined, because a library cannot know where
 * its consumer serves files, and as one compressed stream, because they have most of their code in common:
 * base64 would hide that from whatever compresses the script.
 */
import { WhorlError } from '../../../src/shared/errors.ts';
import { minilmKernels, minilmKernelsParts } from '../../../wasm/build/minilm-kernels.ts';

/** A build of the kernel, or the probe that is asked which of them to take. */
export type KernelBinary = keyof typeof minilmKernelsParts;

let opened: Promise<Uint8Array<ArrayBuffer>> | null = null;

/** Whether this platform can open them (Chrome 80, Firefox 113, Safari 16.4). */
export function canOpenBinaries(): boolean {
  return typeof DecompressionStream === 'function';
}

/** The bytes of one; all of them are opened at the first call. @throws `unsupported` */
export async function kernelBinary(name: KernelBinary): Promise<Uint8Array<ArrayBuffer>> {
  opened ??= open();
  const bytes = await opened.catch((error: unknown) => {
    opened = null;
    throw error;
  });
  const [from, to] = minilmKernelsParts[name];
  return bytes.subarray(from, to);
}

async function open(): Promise<Uint8Array<ArrayBuffer>> {
  if (!canOpenBinaries()) {
    throw new WhorlError(
      'unsupported',
      "The encoder's kernel could not be opened, because this browser has no DecompressionStream. Nothing was changed; use a newer browser.",
    );
  }
  const packed = Uint8Array.from(atob(minilmKernels), (c) => c.charCodeAt(0));
  const { readable, writable } = new DecompressionStream('gzip');
  const writer = writable.getWriter();
  // What fails here fails at the reading end, too, where it is told.
  Promise.all([writer.write(packed), writer.close()]).catch(() => {});
  return readAll(readable.getReader(), minilmKernelsParts.probe[1]);
}

/** By a reader, because a Blob and a Response would take 3 ms instead of 1.5. */
async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  size: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    bytes.set(part.value, at);
    at += part.value.length;
  }
  return bytes;
}
