import { describe, expect, it } from 'vitest';
import { svgOf } from '../../../bench/index/plot.ts';
import { lineOf, plotsOf } from '../../../bench/index/scale.ts';
import { readScale, type ScaleMeasures } from '../../../bench/index/scale-settings.ts';
import { SyntheticRows } from '../../../bench/index/synthetic.ts';

const times = (p50_ms: number) => ({ recall: 0.99876, p50_ms, p95_ms: 2 * p50_ms });

const measured = (n: number): ScaleMeasures => ({
  n,
  build_ms: n / 8,
  bytes_a_row: 850.4,
  by_default: times(0.12345),
  walk: times(0.4),
  signs: times(n / 2e5),
  exact: times(n / 5e4),
});

describe('how the index grows', () => {
  it('is measured up to a size that is asked for', () => {
    expect(readScale([])).toBeNull();
    expect(readScale(['--n', '20000'])).toBeNull();
    expect(readScale(['--scale'])).toEqual([1_000, 10_000, 93_150, 500_000]);
    expect(readScale(['--scale', '93150'])).toEqual([1_000, 10_000, 93_150]);
  });

  it.each([[['--scale', '10']], [['--scale', 'all']], [['--scale', '10000', '--n']]])(
    'refuses %j',
    (args) => expect(() => readScale(args)).toThrow('--scale takes a number of rows from 1000'),
  );

  it('has a line for each size', () => {
    expect(JSON.parse(lineOf(measured(10_000)))).toEqual({
      suite: 'index-scale',
      n: 10_000,
      build_s: 1.25,
      search_p50_ms: 0.123,
      search_p95_ms: 0.247,
      recall: 0.9988,
      bytes_a_row: 850,
    });
  });

  it('is drawn with every point inside, and every line named', () => {
    const svg = svgOf(plotsOf([1_000, 10_000, 500_000].map(measured)));
    const places = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)];
    expect(places).toHaveLength(3 * 5);
    for (const [, x, y] of places) {
      expect(Number(x)).toBeGreaterThan(0);
      expect(Number(x)).toBeLessThan(920);
      expect(Number(y)).toBeGreaterThan(0);
      expect(Number(y)).toBeLessThan(320);
    }
    for (const name of ['all at once', 'exact scan', 'signs', 'walk', 'by default']) {
      expect(svg).toContain(`>${name}</text>`);
    }
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('writes no markup that a name brings', () => {
    const lines = [{ name: 'a<b & c', points: [[1, 1]] as const }];
    expect(svgOf([{ title: 't', x: 'x', y: 'y', lines }])).toContain('a&lt;b &amp; c</text>');
  });
});

describe('synthetic rows', () => {
  it('are of length 1 and follow from the seed', () => {
    const source = new SyntheticRows(48, 5);
    const rows = source.take(200);
    expect(new SyntheticRows(48, 5).take(200)).toEqual(rows);
    expect(new SyntheticRows(48, 6).take(200)).not.toEqual(rows);
    expect(source.take(200)).not.toEqual(rows);
    for (let at = 0; at < rows.length; at += 48) {
      expect(Math.hypot(...rows.subarray(at, at + 48))).toBeCloseTo(1, 5);
    }
  });
});
