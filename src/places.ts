/**
 * Where the workers and ONNX Runtime lie, as the bundler of the site and of the tests knows it. The
 * published library has `places.lib.ts` in its stead.
 */
import archiveWorker from '../workers/archive/worker.ts?worker&url';
import embedWorker from '../workers/embed/worker.ts?worker&url';
import indexWorker from '../workers/index/worker.ts?worker&url';
import type { OrtPlaces } from './shared/types.ts';

export const archiveWorkerUrl = new URL(archiveWorker, import.meta.url);
export const embedWorkerUrl = new URL(embedWorker, import.meta.url);
export const indexWorkerUrl = new URL(indexWorker, import.meta.url);

export const ortPlaces: OrtPlaces = {
  wasmModule: new URL(
    '../node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs',
    import.meta.url,
  ).href,
  wasmBinary: new URL(
    '../node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm',
    import.meta.url,
  ).href,
  webgpuModule: new URL(
    '../node_modules/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs',
    import.meta.url,
  ).href,
  webgpuBinary: new URL(
    '../node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm',
    import.meta.url,
  ).href,
};
