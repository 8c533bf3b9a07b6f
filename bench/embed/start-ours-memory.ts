/** Starts our kernel, on the page's thread, from files that are already in memory. */
import { fetchModel, KernelSide } from './kernel-side.ts';
import { measureStart } from './start.ts';

const model = await fetchModel();
await measureStart(() => KernelSide.open('plain', model));
