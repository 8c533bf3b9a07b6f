import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { indexKernel } from '../../../wasm/build/index-kernel.ts';
import { VectorIndex } from '../../../workers/index/kernel/vector-index.ts';
import { describeVectorIndex } from './suite.ts';

describeVectorIndex(2500);

describe('the kernel', () => {
  it('is small', () => {
    expect(gzipSync(Buffer.from(indexKernel, 'base64'), { level: 9 }).length).toBeLessThan(12_000);
  });

  it('reports its memory', async () => {
    const index = await VectorIndex.create({ dimension: 8, metric: 'L2', indexType: 'FLAT' });
    const before = index.bytes;
    index.append(new Float32Array(80_000));
    expect(index.bytes).toBeGreaterThan(before + 80_000 * 4);
  });
});
