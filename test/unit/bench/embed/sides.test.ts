import { describe, expect, it } from 'vitest';
import { keepTrying } from '../../../../bench/embed/compare.ts';
import { meanOfTokens } from '../../../../bench/embed/ort-side.ts';
import { type Runner, runInTurns } from '../../../../bench/embed/rounds.ts';
import { fileOf } from '../../../../bench/embed/server.ts';
import { DIMENSION } from '../../../../bench/embed/settings.ts';
import { batchesOfLikeLength, scatter } from '../../../../bench/embed/side.ts';

describe('padded batches', () => {
  it('hold texts of like length, each once', () => {
    expect(batchesOfLikeLength([9, 1, 5, 2, 8], 2)).toEqual([[1, 3], [2, 4], [0]]);
    expect(batchesOfLikeLength([3, 3, 3], 8)).toEqual([[0, 1, 2]]);
    expect(batchesOfLikeLength([], 4)).toEqual([]);
  });

  it('give their rows back to where the texts stood', () => {
    const all = new Float32Array(6);
    scatter(all, Float32Array.of(1, 2, 3, 4), [2, 0], 2);
    expect([...all]).toEqual([3, 4, 0, 0, 1, 2]);
  });
});

describe('the search for the best batch of a peer', () => {
  it('keeps the quickest, goes on while little is lost, and ends when much is', () => {
    const best: Parameters<typeof keepTrying>[0] = new Map();
    const next = (batch: number, ms: number) => keepTrying(best, 'ort_int8', { batch, ms });
    expect(next(1, 100)).toBe(true);
    expect(next(2, 110)).toBe(true);
    expect(next(4, 80)).toBe(true);
    expect(best.get('ort_int8')).toEqual({ batch: 4, ms: 80 });
    expect(next(8, 95)).toBe(false);
    expect(best.get('ort_int8')).toEqual({ batch: 4, ms: 80 });
  });
});

describe('pooling on the side of a peer', () => {
  it('takes the mean of the tokens that are no padding, at unit length', () => {
    const data = new Float32Array(2 * 2 * DIMENSION);
    data[0] = 3; // first text, first token
    data[DIMENSION + 1] = 4; // first text, second token
    data[2 * DIMENSION + 5] = 7; // second text, its only token
    data[3 * DIMENSION] = 1_000; // padding
    const rows = meanOfTokens(data, [[101, 102], [101]], 2);
    expect(rows[0]).toBeCloseTo(0.6, 6);
    expect(rows[1]).toBeCloseTo(0.8, 6);
    expect(rows[DIMENSION]).toBe(0);
    expect(rows[DIMENSION + 5]).toBeCloseTo(1, 6);
  });
});

describe('rounds', () => {
  it('begin with another side each, and count neither pauses nor the others', async () => {
    let time = 0;
    const order: string[] = [];
    const runner = (name: Runner['name'], cost: number): Runner => ({
      name,
      run: async () => {
        order.push(name);
        time += cost;
      },
    });
    const pause = async () => {
      time += 1_000;
    };
    const runners = [runner('ours', 1), runner('ort_fp32', 10), runner('ort_int8', 5)];
    const times = await runInTurns(runners, 2, { now: () => time, pause });
    expect(order).toEqual(['ours', 'ort_fp32', 'ort_int8', 'ort_fp32', 'ort_int8', 'ours']);
    expect(times).toEqual({ ours: [1, 1], ort_fp32: [10, 10], ort_int8: [5, 5] });
  });
});

describe('the server', () => {
  const served = {
    folders: new Map([
      ['', '/pages'],
      ['lib/', '/library'],
      ['peer-models/m/', '/models/m'],
    ]),
    files: new Map([['peer-models/m/onnx/model.onnx_data', '/models/weights']]),
  };

  it.each([
    ['page.js', '/pages/page.js'],
    ['lib/ort/a.b.mjs', '/library/ort/a.b.mjs'],
    ['peer-models/m/onnx/model.onnx', '/models/m/onnx/model.onnx'],
    ['peer-models/m/onnx/model.onnx_data', '/models/weights'],
  ])('finds %s', (path, file) => {
    expect(fileOf(path, served)).toBe(file);
  });

  it.each(['', 'lib/', '../secret', 'lib/../../secret', 'lib/.hidden', 'lib//etc/passwd', 'a\\b'])(
    'has nothing at "%s"',
    (path) => {
      expect(fileOf(path, served)).toBeNull();
    },
  );
});
