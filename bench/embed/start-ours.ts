/** Starts our engine, through its public API. */
import { OurSide } from './our-side.ts';
import { measureStart } from './start.ts';

await measureStart(() => OurSide.open(1));
