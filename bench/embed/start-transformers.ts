/** Starts transformers.js. */
import { asked, measureStart } from './start.ts';
import { TransformersSide } from './transformers-side.ts';

await measureStart(() => TransformersSide.open(asked() === 'q8' ? 'q8' : 'fp32', 'default'));
