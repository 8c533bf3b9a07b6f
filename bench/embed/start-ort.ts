/** Starts onnxruntime-web. */
import { OrtSide } from './ort-side.ts';
import { asked, measureStart } from './start.ts';

await measureStart(() => OrtSide.open(asked() === 'int8' ? 'int8' : 'fp32'));
