/**
 * Where the workers and ONNX Runtime lie beside the published `index.js`. Each is a whole file that
 * any bundler copies as an asset, or that a page without a bundler loads as it is.
 */
import type { OrtPlaces } from './shared/types.ts';

export const archiveWorkerUrl = new URL('./archive.worker.js', import.meta.url);
export const embedWorkerUrl = new URL('./embed.worker.js', import.meta.url);
export const indexWorkerUrl = new URL('./index.worker.js', import.meta.url);

export const ortPlaces: OrtPlaces = {
  wasmModule: new URL('./ort/ort.wasm.bundle.min.mjs', import.meta.url).href,
  wasmBinary: new URL('./ort/ort-wasm-simd-threaded.wasm', import.meta.url).href,
  webgpuModule: new URL('./ort/ort.webgpu.bundle.min.mjs', import.meta.url).href,
  webgpuBinary: new URL('./ort/ort-wasm-simd-threaded.asyncify.wasm', import.meta.url).href,
};
