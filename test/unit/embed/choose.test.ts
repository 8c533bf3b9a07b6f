import { describe, expect, it } from 'vitest';
import {
  type Capabilities,
  chooseBackends,
  readCapabilities,
} from '../../../workers/embed/choose.ts';

const facts = (webgpu: Capabilities['webgpu']): Capabilities => ({ webgpu, adapter: 'acme gpu' });

describe('chooseBackends', () => {
  it.each([
    ['real', 'auto', undefined, ['webgpu', 'wasm']],
    ['fallback', 'auto', undefined, ['wasm']],
    ['fallback', 'auto', true, ['webgpu', 'wasm']],
    ['no-adapter', 'auto', true, ['wasm']],
    ['absent', 'auto', undefined, ['wasm']],
    ['real', 'wasm', undefined, ['wasm']],
    ['real', 'webgpu', undefined, ['webgpu']],
    ['fallback', 'webgpu', undefined, ['webgpu']],
    ['no-adapter', 'webgpu', undefined, []],
    ['absent', 'webgpu', undefined, []],
  ] as const)('%s, %s, fallback allowed: %s gives %j', (webgpu, backend, allow, attempts) => {
    const request = { backend, ...(allow === undefined ? {} : { allowFallbackAdapter: allow }) };
    const choice = chooseBackends(facts(webgpu), request);
    expect(choice.attempts).toEqual(attempts);
    expect(choice.why).toMatch(/\w.*\./);
  });
});

describe('readCapabilities', () => {
  const gpu = (adapter: unknown) => ({ requestAdapter: async () => adapter as never });

  it('tells real adapters from software', async () => {
    expect((await readCapabilities(gpu({ info: { vendor: 'acme' } }))).webgpu).toBe('real');
    expect((await readCapabilities(gpu({ isFallbackAdapter: true }))).webgpu).toBe('fallback');
    expect((await readCapabilities(gpu({ info: { isFallbackAdapter: true } }))).webgpu).toBe(
      'fallback',
    );
    const software = gpu({ info: { vendor: 'google', architecture: 'swiftshader' } });
    expect(await readCapabilities(software)).toEqual({
      webgpu: 'fallback',
      adapter: 'google swiftshader',
    });
  });

  it('tells no WebGPU from no adapter, and never rejects', async () => {
    expect((await readCapabilities(undefined)).webgpu).toBe('absent');
    expect((await readCapabilities(gpu(null))).webgpu).toBe('no-adapter');
    const broken = { requestAdapter: () => Promise.reject(new Error('no')) };
    expect((await readCapabilities(broken)).webgpu).toBe('no-adapter');
  });
});
