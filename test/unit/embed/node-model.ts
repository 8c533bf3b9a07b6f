/** The committed model and ONNX Runtime, read from disk through the same core as in the worker. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OrtPlaces } from '../../../src/shared/types.ts';
import { ownKernels } from '../../../workers/embed/kernel-source.ts';
import type { EmbedderDeps } from '../../../workers/embed/start-embedder.ts';
import { breathe, now, wait } from '../../../workers/embed/timing.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const HOST = 'http://disk.test/';
const ORT = `${HOST}node_modules/onnxruntime-web/dist/`;

export const ASSETS = `${HOST}public/models/all-MiniLM-L6-v2/`;

export const PLACES: OrtPlaces = {
  wasmModule: `${ORT}ort.wasm.bundle.min.mjs`,
  wasmBinary: `${ORT}ort-wasm-simd-threaded.wasm`,
  webgpuModule: `${ORT}ort.webgpu.bundle.min.mjs`,
  webgpuBinary: `${ORT}ort-wasm-simd-threaded.asyncify.wasm`,
};

function onDisk(url: string): string {
  return join(ROOT, new URL(url).pathname);
}

export function diskDeps(changes: Partial<EmbedderDeps> = {}): EmbedderDeps {
  return {
    fetch: async (url) => {
      try {
        return new Response(readFileSync(onDisk(url)));
      } catch {
        return new Response('no', { status: 404 });
      }
    },
    cache: null,
    importModule: (url) => import(/* @vite-ignore */ onDisk(url)),
    gpu: undefined,
    kernels: ownKernels,
    wait,
    breathe,
    now,
    ...changes,
  };
}
