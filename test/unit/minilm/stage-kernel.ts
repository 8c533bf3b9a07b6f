/** The test build of the whole kernel, set up for a small shape, with room for a test's own data. */

import type { Precision } from '../../../src/shared/types.ts';
import { minilmStages } from '../../../wasm/build/minilm-stages.ts';
import { minilmStagesRelaxed } from '../../../wasm/build/minilm-stages-relaxed.ts';
import type { MiniLmExports } from '../../../workers/embed/kernel/instance.ts';
import type { Architecture } from '../../../workers/embed/manifest.ts';
import { allowRelaxed, type Build } from './builds.ts';

/** Exports of `wasm/minilm/stages.ts` beside the kernel's own. */
interface StageExports extends MiniLmExports {
  allocate(bytes: bigint): number;
  layerNorm(x: number, rows: number, gain: number, shift: number): void;
  powersOf(x: number, count: number): void;
  softmaxRow(row: number, length: number): number;
  embedTokens(ids: number, length: number, to: number): void;
  attend(rows: number, length: number, head: number, from: number, to: number): void;
  pool(x: number, rows: number, to: number): void;
  positionAt(position: number): number;
  paddedHead(): number;
  paddedContext(): number;
}

export class StageKernel {
  readonly call: StageExports;
  readonly shape: Architecture;

  constructor(build: Build, shape: Architecture, precision: Precision = 'int8') {
    allowRelaxed();
    const text = build === 'plain' ? minilmStages : minilmStagesRelaxed;
    const module = new WebAssembly.Module(Buffer.from(text, 'base64'));
    const abort = () => {
      throw new Error('abort');
    };
    const instance = new WebAssembly.Instance(module, { env: { abort } });
    this.call = instance.exports as unknown as StageExports;
    this.shape = shape;
    const { layers, hidden, heads, intermediate, vocabulary, positions, layerNormEps } = shape;
    const sizes = [layers, hidden, heads, intermediate, vocabulary, positions, positions] as const;
    if (!this.call.setUp(...sizes, layerNormEps, precision === 'float32' ? 1 : 0))
      throw new Error('There is no memory.');
  }

  /** A copy of `values` in the kernel, with room for `slack` more. */
  put(values: ArrayLike<number>, slack = 0): number {
    const at = this.call.allocate(BigInt((values.length + slack) * 4));
    this.floats(at, values.length).set(values);
    return at;
  }

  /** A view of the kernel's memory, valid until it grows. */
  floats(at: number, count: number): Float32Array {
    return new Float32Array(this.call.memory.buffer, at, count);
  }
}

/** A shape of which only what a test names matters. */
export function shapeOf(parts: Partial<Architecture>): Architecture {
  return {
    type: 'bert',
    layers: 1,
    hidden: 64,
    heads: 2,
    intermediate: 64,
    vocabulary: 16,
    positions: 64,
    tokenTypes: 2,
    layerNormEps: 1e-12,
    ...parts,
  };
}
