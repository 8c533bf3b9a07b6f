/** The inlined binaries: what is packed, and a platform that cannot open it. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { minilmKernels, minilmKernelsParts } from '../../../wasm/build/minilm-kernels.ts';

const NAMES = ['simd128', 'relaxed', 'probe'] as const;

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

describe('the inlined kernels', () => {
  test('are one gzip stream without time or system, of less than 10 KB', () => {
    const packed = Buffer.from(minilmKernels, 'base64');
    expect([...packed.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
    expect(packed.length).toBeLessThan(10_000);
  });

  test('are modules that lie behind each other, opened once for all calls', async () => {
    let opened = 0;
    class Counted extends DecompressionStream {
      constructor(format: CompressionFormat) {
        super(format);
        opened += 1;
      }
    }
    vi.stubGlobal('DecompressionStream', Counted);
    const { kernelBinary } = await import('../../../workers/embed/kernel/binaries.ts');
    const all = await Promise.all(NAMES.map((name) => kernelBinary(name)));
    all.forEach((bytes, index) => {
      const [from, to] = minilmKernelsParts[NAMES[index]!];
      expect(from).toBe(index === 0 ? 0 : minilmKernelsParts[NAMES[index - 1]!][1]);
      expect(bytes.length).toBe(to - from);
      expect([...bytes.subarray(0, 8)]).toEqual([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    });
    expect(all.at(-1)!.byteOffset + all.at(-1)!.length).toBe(all[0]!.buffer.byteLength);
    expect(opened).toBe(1);
  });

  test('are refused by name where there is no DecompressionStream, until there is one', async () => {
    const { DecompressionStream: real } = globalThis;
    vi.stubGlobal('DecompressionStream', undefined);
    const { kernelBinary } = await import('../../../workers/embed/kernel/binaries.ts');
    const { chooseVariant, readKernelFacts } = await import(
      '../../../workers/embed/kernel/variant.ts'
    );
    await expect(kernelBinary('relaxed')).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('no DecompressionStream'),
    });
    const facts = await readKernelFacts();
    expect(facts).toMatchObject({ opens: false, simd: false, relaxed: false, speedup: null });
    expect(chooseVariant(facts)).toHaveProperty('refused');
    vi.stubGlobal('DecompressionStream', real);
    expect(await kernelBinary('relaxed')).toHaveLength(
      minilmKernelsParts.relaxed[1] - minilmKernelsParts.relaxed[0],
    );
  });
});
