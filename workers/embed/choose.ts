/** Which backends to try, in order, and why: facts first, the choice a pure function of them. */
import type { Backend, EmbedStartRequest } from '../../src/shared/types.ts';
import type { KernelVariant } from './kernel/minilm-kernel.ts';
import type { VariantChoice } from './kernel/variant.ts';

/** What the platform has, as far as the request made it worth asking: asking takes time. */
export interface Capabilities {
  /** Null: not asked. */
  readonly kernel: VariantChoice | null;
  readonly webgpu: 'unasked' | 'absent' | 'no-adapter' | 'fallback' | 'real';
  /** The adapter in words, for people. */
  readonly adapter: string;
}

/** The part of `navigator.gpu` that is asked. */
export interface GpuLike {
  requestAdapter(): Promise<AdapterLike | null>;
}

interface AdapterLike {
  readonly isFallbackAdapter?: boolean;
  readonly info?: {
    readonly vendor?: string;
    readonly architecture?: string;
    readonly description?: string;
    readonly device?: string;
    readonly isFallbackAdapter?: boolean;
  };
}

/** One way to run the model. */
export type Attempt =
  | { readonly backend: 'wasm'; readonly variant: KernelVariant }
  | { readonly backend: Exclude<Backend, 'wasm'> };

export interface Choice {
  /** What to try, best first; empty where what was asked for cannot be had. */
  readonly attempts: readonly Attempt[];
  /** Why, in words: one sentence a backend that is not tried, or the request. */
  readonly why: string;
}

/** The part of a start that matters for the choice. */
export type ChoiceRequest = Pick<
  EmbedStartRequest,
  'backend' | 'allowFallbackAdapter' | 'variant' | 'onnx'
>;

/** Renderers in software that some browsers do not mark as fallback adapters. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render/i;

/** Asks the platform what the request makes worth asking. An adapter that cannot be asked for is none. */
export async function readCapabilities(
  request: ChoiceRequest,
  gpu: GpuLike | undefined,
  kernel: () => Promise<VariantChoice>,
): Promise<Capabilities> {
  if (request.backend === 'webgpu') return { kernel: null, ...(await readGpu(gpu)) };
  const own = request.backend !== 'onnx' && !request.onnx && !request.variant;
  return { kernel: own ? await kernel() : null, webgpu: 'unasked', adapter: '' };
}

async function readGpu(gpu: GpuLike | undefined): Promise<Omit<Capabilities, 'kernel'>> {
  if (!gpu) return { webgpu: 'absent', adapter: '' };
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (!adapter) return { webgpu: 'no-adapter', adapter: '' };
  const { vendor, architecture, description, device } = adapter.info ?? {};
  const name = [vendor, architecture, device, description].filter(Boolean).join(' ').trim();
  const marked = adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false;
  const software = marked || SOFTWARE.test(name);
  return { webgpu: software ? 'fallback' : 'real', adapter: name || 'an unnamed adapter' };
}

/** What to try for a request on this platform. */
export function chooseBackends(facts: Capabilities, request: ChoiceRequest): Choice {
  if (request.backend === 'webgpu') return chooseGpu(facts, request);
  if (request.onnx) {
    if (request.backend !== 'wasm') {
      return { attempts: [{ backend: 'onnx' }], why: 'An ONNX encoder was brought.' };
    }
    return { attempts: [], why: "Whorl's own kernel does not run ONNX encoders." };
  }
  if (request.backend === 'onnx') {
    return {
      attempts: [{ backend: 'onnx' }],
      why: 'ONNX Runtime on WebAssembly was asked for.',
    };
  }
  const { attempts, why } = chooseKernel(facts, request);
  if (request.backend === 'wasm' || request.variant) return { attempts, why };
  return { attempts: [...attempts, { backend: 'onnx' }], why };
}

/** A build of relaxed SIMD that is wrong here is followed by the plain one, unless it was asked for by name. */
function chooseKernel({ kernel }: Capabilities, { variant }: ChoiceRequest): Choice {
  if (variant) {
    const why = `The build "${variant}" of Whorl's own kernel was asked for.`;
    return { attempts: [{ backend: 'wasm', variant }], why };
  }
  if (!kernel) throw new Error('The kernel was chosen before anybody asked for its facts.');
  if ('refused' in kernel) return { attempts: [], why: kernel.refused };
  const variants: KernelVariant[] =
    kernel.variant === 'relaxed' ? ['relaxed', 'simd128'] : [kernel.variant];
  const attempts = variants.map((each) => ({ backend: 'wasm', variant: each }) as const);
  return { attempts, why: `Whorl's own kernel, build "${kernel.variant}". ${kernel.why}` };
}

function chooseGpu(
  { webgpu, adapter }: Capabilities,
  { allowFallbackAdapter }: ChoiceRequest,
): Choice {
  if (webgpu === 'real' || (webgpu === 'fallback' && allowFallbackAdapter === true)) {
    return { attempts: [{ backend: 'webgpu' }], why: `WebGPU was asked for (${adapter}).` };
  }
  if (webgpu === 'fallback') {
    const why = `WebGPU runs in software here (${adapter}), which is slower than Whorl's own kernel.`;
    return { attempts: [], why };
  }
  const lack = webgpu === 'absent' ? 'has no WebGPU' : 'has WebGPU but no adapter for it';
  return { attempts: [], why: `This browser ${lack}.` };
}
