import { describe, expect, it } from 'vitest';
import type { ModelTensor } from '../../../workers/embed/manifest.ts';
import { TensorLoader } from '../../../workers/embed/tensor-loader.ts';
import { noise } from './asset-server.ts';

// As packed: scales right before their codes, blocks on multiples of 4, gaps between them.
const TENSORS: readonly ModelTensor[] = [
  { name: 'words', shape: [50, 12], type: 'int8-rows', offset: 256, bytes: 600, scalesOffset: 0 },
  { name: 'positions', shape: [9, 12], type: 'float32', offset: 896, bytes: 432 },
  { name: 'gain', shape: [30], type: 'float32', offset: 1_344, bytes: 120 },
  {
    name: 'wide',
    shape: [2, 40],
    type: 'int8-rows',
    offset: 1_472,
    bytes: 80,
    scalesOffset: 1_464,
  },
];
const FILE = noise(1_600, 5);

/** Puts parts together again as they came. */
class Collector {
  readonly parts = new Map<string, number>();
  readonly bytes = new Map<string, number[]>();
  readonly scales = new Map<string, number[]>();
  readonly largest = new Map<string, number>();

  load(tensor: ModelTensor, bytes: Uint8Array, scales: Float32Array | null, fromRow = 0): void {
    const { name, shape } = tensor;
    const known = this.bytes.get(name) ?? [];
    const rowBytes = shape.length > 1 ? tensor.bytes / (shape[0] ?? 1) : tensor.bytes;
    expect(bytes.length % rowBytes).toBe(0);
    expect(known.length / rowBytes).toBe(fromRow);
    this.bytes.set(name, [...known, ...bytes]);
    if (scales) this.scales.set(name, [...(this.scales.get(name) ?? []), ...scales]);
    this.parts.set(name, (this.parts.get(name) ?? 0) + 1);
    this.largest.set(name, Math.max(this.largest.get(name) ?? 0, bytes.length));
  }
}

function feed(size: number, tensors: readonly ModelTensor[] = TENSORS): Collector {
  const collector = new Collector();
  const loader = new TensorLoader(tensors, collector);
  for (let at = 0; at < FILE.length; at += size) loader.take(FILE.slice(at, at + size), at);
  return collector;
}

describe('TensorLoader', () => {
  it.each([1, 3, 4, 7, 13, 64, 255, 257, 600, 1_000, 1_600])(
    'gives every row once, in order, with its scale, from pieces of %i bytes',
    (size) => {
      const { bytes, scales } = feed(size);
      for (const tensor of TENSORS) {
        const { name, offset, scalesOffset } = tensor;
        expect(bytes.get(name)).toEqual([...FILE.slice(offset, offset + tensor.bytes)]);
        if (scalesOffset === undefined) {
          expect(scales.has(name)).toBe(false);
          continue;
        }
        const end = scalesOffset + 4 * (tensor.shape[0] ?? 0);
        const wanted = new Float32Array(FILE.slice(scalesOffset, end).buffer);
        expect(scales.get(name)).toEqual([...wanted]);
      }
    },
  );

  it('hands on a whole tensor at once, and no more than a piece of a large one', () => {
    expect([...feed(1_600).parts.values()]).toEqual([1, 1, 1, 1]);
    const { parts, largest } = feed(100);
    expect(parts.get('words')).toBeGreaterThan(4);
    expect(largest.get('words')).toBeLessThanOrEqual(100);
  });

  it('takes tensors that share their bytes', () => {
    const twin = { ...(TENSORS[1] as ModelTensor), name: 'twin' };
    const { bytes } = feed(64, [...TENSORS, twin]);
    expect(bytes.get('twin')).toEqual(bytes.get('positions'));
  });

  it('refuses codes whose scales come later, by name, and a gap in the file', () => {
    const late = { ...(TENSORS[0] as ModelTensor), scalesOffset: 1_400 };
    expect(() => new TensorLoader([late], new Collector())).toThrowError(
      expect.objectContaining({ code: 'asset_corrupt', message: expect.stringMatching(/"words"/) }),
    );
    const loader = new TensorLoader(TENSORS, new Collector());
    loader.take(FILE.slice(0, 10), 0);
    expect(() => loader.take(FILE.slice(20, 30), 20)).toThrowError(
      expect.objectContaining({ code: 'internal' }),
    );
  });

  it('passes on what the sink throws', () => {
    const sink = {
      load: () => {
        throw new Error('no room');
      },
    };
    const loader = new TensorLoader(TENSORS, sink);
    expect(() => loader.take(FILE, 0)).toThrow('no room');
  });
});
