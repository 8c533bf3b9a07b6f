/** Opens a side by its name. */
import { fetchModel, KernelSide } from './kernel-side.ts';
import { OrtSide } from './ort-side.ts';
import { OurSide } from './our-side.ts';
import type { Opening, SideName } from './settings.ts';
import type { Side } from './side.ts';
import { TransformersSide } from './transformers-side.ts';

export async function openSide(name: SideName, { workers, threads }: Opening): Promise<Side> {
  switch (name) {
    case 'ours': {
      const side = await OurSide.open(workers);
      console.info(`ours: ${side.why}`);
      return side;
    }
    case 'kernel':
      return KernelSide.openChosen(await fetchModel());
    case 'plain':
    case 'relaxed':
    case 'float32':
    case 'float32_relaxed':
      return KernelSide.open(name, await fetchModel());
    case 'ort_fp32':
      return OrtSide.open('fp32');
    case 'ort_int8':
      return OrtSide.open('int8');
    case 'transformers_fp32':
      return TransformersSide.open('fp32', threads);
    case 'transformers_q8':
      return TransformersSide.open('q8', threads);
  }
}
