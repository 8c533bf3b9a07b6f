import { ASSETS, diskDeps, PLACES } from '../unit/embed/node-model.ts';
import { encoderCases } from './encoder-cases.ts';
import { encoderSuite } from './encoder-suite.ts';

for (const each of encoderCases('in Node', { assets: ASSETS, ort: PLACES }, diskDeps)) {
  encoderSuite(each);
}
