/** A small made-up model on a pretended server, and real kernels whose results a test may spoil. */
import { type MadeUpOptions, makeUpModel } from '../../../tools/model/made-up.ts';
import { type KernelVariant, MiniLmKernel } from '../../../workers/embed/kernel/minilm-kernel.ts';
import type { Slot } from '../../../workers/embed/kernel-encoder.ts';
import type { Kernel, KernelSource } from '../../../workers/embed/kernel-source.ts';
import type { EmbedderDeps } from '../../../workers/embed/start-embedder.ts';
import { AssetServer } from './asset-server.ts';
import { diskDeps } from './node-model.ts';

const SMALL: MadeUpOptions = {
  layers: 2,
  hidden: 48,
  heads: 4,
  intermediate: 96,
  vocabulary: 400,
  positions: 64,
  maxTokens: 64,
  tokenizer: 'WordPiece',
  seed: 11,
};

/** A server with a made-up model; it has no graph, so that only our own kernel runs it. */
export function madeUpServer(changes: Partial<MadeUpOptions> = {}): AssetServer {
  const files = Object.fromEntries(makeUpModel({ ...SMALL, ...changes }));
  const { 'manifest.json': manifest, ...others } = files;
  return new AssetServer(others, JSON.parse(new TextDecoder().decode(manifest)));
}

/** Deps over a server, with real kernels. */
export function serverDeps(server: AssetServer, changes: Partial<EmbedderDeps> = {}): EmbedderDeps {
  return { ...diskDeps(), ...server.deps(), ...changes };
}

export interface Spoilt {
  /** What the pretended machine would run. Default `simd128`; `relaxed` runs the plain build under that name. */
  readonly variant?: KernelVariant;
  /** Changes vectors as they leave the kernel. */
  readonly change?: (vectors: Float32Array, variant: KernelVariant, slot: Slot) => void;
  readonly missing?: readonly string[];
}

/** Real kernels that are opened by pretence under either name; `opened` remembers them. */
export function spoiltKernels({ variant = 'simd128', change, missing = [] }: Spoilt = {}): {
  readonly kernels: KernelSource;
  readonly opened: {
    readonly kernel: MiniLmKernel;
    readonly variant: KernelVariant;
    closed: number;
  }[];
} {
  const opened: { kernel: MiniLmKernel; variant: KernelVariant; closed: number }[] = [];
  const wrap = (kernel: MiniLmKernel, name: KernelVariant): Kernel => {
    const entry = { kernel, variant: name, closed: 0 };
    opened.push(entry);
    return {
      identity: kernel.identity.replace('simd128', name),
      load: (...args) => kernel.load(...args),
      missing: () => [...missing, ...kernel.missing()],
      image: () => kernel.image(),
      begin: (slot, sequences) => kernel.begin(slot, sequences),
      step: (slot) => kernel.step(slot),
      take(slot) {
        const vectors = kernel.take(slot);
        change?.(vectors, name, slot);
        return vectors;
      },
      cancel: (slot) => kernel.cancel(slot),
      close() {
        entry.closed += 1;
        kernel.close();
      },
    };
  };
  const plain = { variant: 'simd128' } as const;
  const kernels: KernelSource = {
    choose: async () => ({ variant, why: 'The test says so.' }),
    open: async (shape, settings) =>
      wrap(await MiniLmKernel.open(shape, { ...settings, ...plain }), settings.variant),
    openLent: async (shape, settings, lent) => {
      const kernel = lent.kernel.replace(settings.variant, 'simd128');
      const own = { ...settings, ...plain };
      return wrap(await MiniLmKernel.openLent(shape, own, { ...lent, kernel }), settings.variant);
    },
  };
  return { kernels, opened };
}
