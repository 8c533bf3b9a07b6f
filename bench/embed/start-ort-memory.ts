/** Starts onnxruntime-web from files that are already in memory, its own binary too. */
import { cachedBytes } from './cached.ts';
import { importOrt, OrtSide, readFiles } from './ort-side.ts';
import { PLACES } from './settings.ts';
import { asked, measureStart } from './start.ts';

const [ort, files, binary] = await Promise.all([
  importOrt(),
  readFiles(asked() === 'int8' ? 'int8' : 'fp32'),
  cachedBytes('bench-onnxruntime-web', new URL(PLACES.ortBinary, location.href).href),
]);
ort.env.wasm.wasmBinary = binary;
await measureStart(() => OrtSide.start(ort, files));
