import { describe, expect, it } from 'vitest';
import { readOptions } from '../../../bench/index/options.ts';
import { fileOf, lineOf, tableOf } from '../../../bench/index/report.ts';
import type { AllMeasures } from '../../../bench/index/settings.ts';

const times = (p50_ms: number, recall: number) => ({
  recall,
  p50_ms,
  p95_ms: 2 * p50_ms,
  quickest_round_ms: p50_ms,
  slowest_round_ms: 1.5 * p50_ms,
});

const MEASURES: AllMeasures = {
  ours: {
    build_ms: 3000,
    recall_at_ef: [{ ef: 128, recall: 0.99123456 }],
    ef: 120,
    search: times(0.2, 0.9902),
    by_default: times(0.3, 0.9987),
    by_signs: times(0.25, 0.999),
    exact: times(0.4, 1),
    bytes_a_row: 2400.4,
    one_by_one: { build_ms: 4000, recall_at_ef: [{ ef: 128, recall: 0.992 }], ef: 110 },
    exact10k: times(0.15, 1),
  },
  peer: {
    build_ms: 10_000,
    recall_at_ef: [
      { ef: 128, recall: 0.98 },
      { ef: 256, recall: 0.995 },
    ],
    ef: 200,
    search: { ...times(1.7, 0.9901), p95_ms: 2 },
  },
  open: { ours_ms: 200, peer_ms: 1300 },
  kernel_gzip: 9999,
};

const CIRCUMSTANCES = {
  date: '2024-01-02T03:04:05.000Z',
  peer_version: '0.8.2',
  machine: {
    cores: 2,
    model: 'a processor',
    platform: 'linux x64',
    browser: 'Chromium 147',
    load_before: 0.123456,
    load_after: 1,
  },
};

describe('the report', () => {
  it('ends in a line whose ratios are the peer over ours', () => {
    expect(lineOf(20_000, MEASURES)).toEqual({
      suite: 'index',
      n: 20_000,
      build_ratio: 3.33,
      search_p50_ratio: 8.5,
      search_p95_ratio: 5,
      recall: 0.9902,
      peer_recall: 0.9901,
      open_ratio: 6.5,
      exact10k_ms: 0.15,
      kernel_gzip: 9999,
    });
  });

  it('writes a file with the line, the settings, machine and date', () => {
    const settings = { n: 20_000, dimension: 384, rounds: 7 };
    const file = JSON.parse(fileOf(settings, 500, MEASURES, CIRCUMSTANCES));
    expect(file).toMatchObject({
      ...lineOf(20_000, MEASURES),
      date: CIRCUMSTANCES.date,
      machine: { cores: 2, load_before: 0.1235 },
      settings: { n: 20_000, queries: 500, limit: 10, M: 48, ef_construction: 200 },
      ours: { recall_at_ef: [{ ef: 128, recall: 0.9912 }], ef: 120, exact: { recall: 1 } },
      peer: { ef: 200, build_ms: 10_000 },
    });
  });

  it('has a table of equal columns in which each ef stands once', () => {
    const rows = tableOf(20_000, MEASURES);
    expect(rows.filter((row) => row.includes('ef 128'))).toHaveLength(1);
    expect(rows.find((row) => row.includes('ef 256'))).toMatch(/ef 256\s+0\.9950$/);
    expect(rows.find((row) => row.startsWith('build'))).toMatch(/3\.00 s\s+10\.00 s\s+3\.33$/);
    expect(rows.find((row) => row.startsWith('one by one'))).toMatch(/4\.00 s\s+2\.5$/);
    expect(rows.find((row) => row.startsWith('open'))).toMatch(/0\.20 s\s+1\.30 s\s+6\.5$/);
  });
});

describe('options', () => {
  it('have defaults', () => {
    const common = { rounds: 7, dimension: 384 };
    expect(readOptions([])).toEqual([
      { n: 20_000, ...common },
      { n: 93_150, ...common },
    ]);
    expect(readOptions(['--rounds', '3', '--n', '5000'])).toMatchObject([{ n: 5000, rounds: 3 }]);
  });

  it.each([
    [['--ef', '3'], 'no option "--ef"'],
    [['20000'], 'no option "20000"'],
    [['--n'], '--n must be an integer from 1000 to 93150'],
    [['--n', '93151'], '--n must be an integer'],
    [['--n', '1e4'], '--n must be an integer'],
    [['--n', '-5'], '--n must be an integer'],
    [['--rounds', '0'], '--rounds must be an integer from 1 to 100'],
  ])('refuse %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(message);
  });
});
