import { describe, expect, it, vi } from 'vitest';
import type { EmbedStartRequest } from '../../../src/shared/types.ts';
import {
  type Attempt,
  type Capabilities,
  chooseBackends,
  readCapabilities,
} from '../../../workers/embed/choose.ts';
import type { VariantChoice } from '../../../workers/embed/kernel/variant.ts';

const SIMD: VariantChoice = { variant: 'simd128', why: 'relaxed SIMD is not here.' };
const RELAXED: VariantChoice = { variant: 'relaxed', why: 'it is 1.8 times as fast here.' };
const NONE: VariantChoice = { refused: 'This browser has no SIMD.' };
const kernel = (choice: VariantChoice): Capabilities => ({
  kernel: choice,
  webgpu: 'unasked',
  adapter: '',
});
const gpu = (webgpu: Capabilities['webgpu']): Capabilities => ({
  kernel: null,
  webgpu,
  adapter: 'acme gpu',
});
const unasked: Capabilities = { kernel: null, webgpu: 'unasked', adapter: '' };
const names = (attempts: readonly Attempt[]): string[] =>
  attempts.map((attempt) => (attempt.backend === 'wasm' ? attempt.variant : attempt.backend));
const BROUGHT = {
  url: 'https://models.test/m.onnx',
  tokenizer: 'https://models.test/t.json',
  pooling: 'mean',
} as const;

type Request = Partial<EmbedStartRequest>;
const rows: readonly (readonly [string, Capabilities, Request, string[], RegExp])[] = [
  ['plain SIMD', kernel(SIMD), {}, ['simd128', 'onnx'], /"simd128"\. relaxed SIMD is not here/],
  ['relaxed SIMD', kernel(RELAXED), {}, ['relaxed', 'simd128', 'onnx'], /1\.8 times/],
  ['no SIMD', kernel(NONE), {}, ['onnx'], /no SIMD/],
  ['wasm by name', kernel(RELAXED), { backend: 'wasm' }, ['relaxed', 'simd128'], /relaxed/],
  ['wasm where it cannot run', kernel(NONE), { backend: 'wasm' }, [], /no SIMD/],
  ['a build by name', unasked, { variant: 'relaxed' }, ['relaxed'], /"relaxed".*asked for/],
  ['onnx by name', unasked, { backend: 'onnx' }, ['onnx'], /asked for/],
  ['a real GPU', gpu('real'), { backend: 'webgpu' }, ['webgpu'], /acme gpu/],
  ['a GPU in software', gpu('fallback'), { backend: 'webgpu' }, [], /software here \(acme gpu\)/],
  [
    'a GPU in software that is allowed',
    gpu('fallback'),
    { backend: 'webgpu', allowFallbackAdapter: true },
    ['webgpu'],
    /acme gpu/,
  ],
  ['no adapter', gpu('no-adapter'), { backend: 'webgpu' }, [], /no adapter/],
  [
    'no adapter, though software is allowed',
    gpu('no-adapter'),
    { backend: 'webgpu', allowFallbackAdapter: true },
    [],
    /no adapter/,
  ],
  ['no WebGPU', gpu('absent'), { backend: 'webgpu' }, [], /no WebGPU/],
  ['another encoder', unasked, { onnx: BROUGHT }, ['onnx'], /ONNX encoder/],
  ['another encoder by name', unasked, { onnx: BROUGHT, backend: 'onnx' }, ['onnx'], /ONNX/],
  [
    'another encoder on a GPU',
    gpu('real'),
    { onnx: BROUGHT, backend: 'webgpu' },
    ['webgpu'],
    /acme/,
  ],
  [
    'another encoder on our kernel',
    unasked,
    { onnx: BROUGHT, backend: 'wasm' },
    [],
    /does not run/,
  ],
];

describe('chooseBackends', () => {
  it.each(rows)('%s', (_, facts, request, attempts, why) => {
    const choice = chooseBackends(facts, { backend: 'auto', ...request });
    expect(names(choice.attempts)).toEqual(attempts);
    expect(choice.why).toMatch(why);
  });
});

describe('readCapabilities', () => {
  const adapter = (found: unknown) => ({ requestAdapter: vi.fn(async () => found as never) });
  const choose = () => vi.fn(async () => SIMD);
  const ask = (found: Parameters<typeof readCapabilities>[1]) =>
    readCapabilities({ backend: 'webgpu' }, found, choose());

  it('tells real adapters from software', async () => {
    expect((await ask(adapter({ info: { vendor: 'acme' } }))).webgpu).toBe('real');
    expect((await ask(adapter({ isFallbackAdapter: true }))).webgpu).toBe('fallback');
    const marked = adapter({ info: { isFallbackAdapter: true } });
    expect((await ask(marked)).webgpu).toBe('fallback');
    const software = adapter({ info: { vendor: 'google', architecture: 'swiftshader' } });
    expect(await ask(software)).toEqual({
      kernel: null,
      webgpu: 'fallback',
      adapter: 'google swiftshader',
    });
  });

  it('tells no WebGPU from no adapter, and never rejects for a GPU', async () => {
    expect((await ask(undefined)).webgpu).toBe('absent');
    expect((await ask(adapter(null))).webgpu).toBe('no-adapter');
    const broken = { requestAdapter: () => Promise.reject(new Error('no')) };
    expect((await ask(broken)).webgpu).toBe('no-adapter');
  });

  const asked: readonly (readonly [string, Request, boolean, boolean])[] = [
    ['auto', {}, true, false],
    ['wasm', { backend: 'wasm' }, true, false],
    ['webgpu', { backend: 'webgpu' }, false, true],
    ['onnx', { backend: 'onnx' }, false, false],
    ['a build by name', { variant: 'simd128' }, false, false],
    ['another encoder', { onnx: BROUGHT }, false, false],
  ];
  it.each(asked)('asks for %s only what matters', async (_, request, ofKernel, ofGpu) => {
    const gpu = adapter(null);
    const kernels = choose();
    await readCapabilities({ backend: 'auto', ...request }, gpu, kernels);
    expect(kernels).toHaveBeenCalledTimes(ofKernel ? 1 : 0);
    expect(gpu.requestAdapter).toHaveBeenCalledTimes(ofGpu ? 1 : 0);
  });
});
