/** Which backends to try, in order, and why: facts first, the choice a pure function of them. */
import type { Backend, EmbedStartRequest } from '../../src/shared/types.ts';

/** What the platform has. */
export interface Capabilities {
  readonly webgpu: 'absent' | 'no-adapter' | 'fallback' | 'real';
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

export interface Choice {
  /** Backends to try, best first; empty where the one that was asked for cannot be had. */
  readonly attempts: readonly Backend[];
  /** Why, in words: one sentence a backend that is not tried, or the request. */
  readonly why: string;
}

/** Renderers in software that some browsers do not mark as fallback adapters. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render/i;

/** Asks the platform. Never rejects: an adapter that cannot be asked for is none. */
export async function readCapabilities(gpu: GpuLike | undefined): Promise<Capabilities> {
  if (!gpu) return { webgpu: 'absent', adapter: '' };
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (!adapter) return { webgpu: 'no-adapter', adapter: '' };
  const { vendor, architecture, description, device } = adapter.info ?? {};
  const name = [vendor, architecture, device, description].filter(Boolean).join(' ').trim();
  const marked = adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false;
  const software = marked || SOFTWARE.test(name);
  return { webgpu: software ? 'fallback' : 'real', adapter: name || 'an unnamed adapter' };
}

/** The backends to try for a request on this platform. */
export function chooseBackends(
  facts: Capabilities,
  request: Pick<EmbedStartRequest, 'backend' | 'allowFallbackAdapter'>,
): Choice {
  const { webgpu, adapter } = facts;
  if (request.backend === 'wasm') return { attempts: ['wasm'], why: 'WASM was asked for.' };
  if (webgpu === 'absent' || webgpu === 'no-adapter') {
    const lack = webgpu === 'absent' ? 'has no WebGPU' : 'has WebGPU but no adapter for it';
    const attempts: Backend[] = request.backend === 'auto' ? ['wasm'] : [];
    return { attempts, why: `This browser ${lack}.` };
  }
  if (request.backend === 'webgpu') {
    return { attempts: ['webgpu'], why: `WebGPU was asked for (${adapter}).` };
  }
  if (webgpu === 'fallback' && request.allowFallbackAdapter !== true) {
    return {
      attempts: ['wasm'],
      why: `WebGPU runs in software here (${adapter}), which is slower than WASM.`,
    };
  }
  return { attempts: ['webgpu', 'wasm'], why: `WebGPU has an adapter (${adapter}).` };
}
