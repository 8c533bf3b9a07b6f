/** Where kernels come from: our own build, or what a test puts in its place. */
import type { Precision } from '../../src/shared/types.ts';
import { type KernelVariant, type LentKernel, MiniLmKernel } from './kernel/minilm-kernel.ts';
import { chooseVariant, readKernelFacts, type VariantChoice } from './kernel/variant.ts';
import type { BatchKernel } from './kernel-encoder.ts';
import type { Architecture } from './manifest.ts';
import type { TensorSink } from './tensor-loader.ts';

/** A kernel from the side of whoever starts it; `kernel/minilm-kernel.ts` describes each method. */
export interface Kernel extends BatchKernel, TensorSink {
  readonly identity: string;
  missing(): string[];
  image(): ArrayBuffer;
}

export interface KernelSettings {
  readonly precision: Precision;
  readonly variant: KernelVariant;
  readonly maxTokens: number;
}

export interface KernelSource {
  /** Looks at this machine, for some ten milliseconds, and says which build is right here and fast. */
  choose(): Promise<VariantChoice>;
  open(shape: Architecture, settings: KernelSettings): Promise<Kernel>;
  openLent(shape: Architecture, settings: KernelSettings, lent: LentKernel): Promise<Kernel>;
}

export const ownKernels: KernelSource = {
  choose: async () => chooseVariant(await readKernelFacts()),
  open: (shape, settings) => MiniLmKernel.open(shape, settings),
  openLent: (shape, settings, lent) => MiniLmKernel.openLent(shape, settings, lent),
};

const VARIANTS: readonly string[] = ['simd128', 'relaxed'] satisfies KernelVariant[];

/** The build that an identity (`minilm/<variant>/<precision>/<hash>`) names; null where it names none. */
export function variantOf(identity: string): KernelVariant | null {
  const name = identity.split('/')[1] ?? '';
  return VARIANTS.includes(name) ? (name as KernelVariant) : null;
}
