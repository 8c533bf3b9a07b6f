import { ortPlaces } from '../../src/places.ts';
import { ownKernels } from '../../workers/embed/kernel-source.ts';
import { breathe, now, wait } from '../../workers/embed/timing.ts';
import { encoderCases } from './encoder-cases.ts';
import { encoderSuite } from './encoder-suite.ts';

const assets = new URL('/models/all-MiniLM-L6-v2/', location.href).href;
const deps = () => ({
  fetch: (url: string, init: RequestInit) => fetch(url, init),
  importModule: (url: string) => import(/* @vite-ignore */ url),
  cache: null,
  kernels: ownKernels,
  wait,
  breathe,
  now,
});

for (const each of encoderCases('in Chromium', { assets, ort: ortPlaces }, deps)) {
  encoderSuite(each);
}
