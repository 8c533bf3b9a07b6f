/** Every encoder that can be chosen for the packed model, for one platform's deps. */
import type { EmbedStartRequest } from '../../src/shared/types.ts';
import { type BackendDeps, BackendStarter } from '../../workers/embed/backends.ts';
import type { Attempt } from '../../workers/embed/choose.ts';
import { kernelBinary } from '../../workers/embed/kernel/binaries.ts';
import type { EncoderCase } from './encoder-suite.ts';

const KERNELS = (['simd128', 'relaxed'] as const).flatMap((variant) =>
  (['int8', 'float32'] as const).map((precision) => ({ variant, precision })),
);

const able = {
  simd128: WebAssembly.validate(await kernelBinary('simd128')),
  relaxed: WebAssembly.validate(await kernelBinary('relaxed')),
};

/** @param where The platform, for the names of the suites. */
export function encoderCases(
  where: string,
  request: Pick<EmbedStartRequest, 'assets' | 'ort'>,
  deps: () => BackendDeps,
): EncoderCase[] {
  const onnx = caseOf(`ONNX Runtime, WASM, ${where}`, { ...request, backend: 'onnx' }, deps, {
    backend: 'onnx',
  });
  const kernels = KERNELS.map(({ variant, precision }) => {
    const name = `own kernel, ${variant}, ${precision}, ${where}`;
    const start = { ...request, backend: 'wasm', variant, precision } as const;
    return {
      ...caseOf(name, start, deps, { backend: 'wasm', variant }),
      ...(able[variant] ? {} : { skip: `this platform has no ${variant} SIMD` }),
    };
  });
  return [onnx, ...kernels];
}

function caseOf(
  name: string,
  request: EmbedStartRequest,
  deps: () => BackendDeps,
  attempt: Attempt,
): EncoderCase {
  return {
    name,
    timeoutMs: 120_000,
    async open() {
      const options = { signal: new AbortController().signal, onProgress: () => {} };
      const starter = new BackendStarter(request, deps());
      const files = starter.open(options);
      const { vocabulary } = (await files).manifest.architecture;
      const { encoder, tokenizer, answers } = await starter.start(attempt, options, files);
      return { encoder, tokenizer, answers, vocabulary };
    },
  };
}
