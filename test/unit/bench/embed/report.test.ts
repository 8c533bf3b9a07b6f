import { describe, expect, it } from 'vitest';
import type { EmbedMeasures } from '../../../../bench/embed/measures.ts';
import { barsOf, verdictOf } from '../../../../bench/embed/musts.ts';
import { PARTS, readOptions } from '../../../../bench/embed/options.ts';
import { fileOf, lineOf, tablesOf } from '../../../../bench/embed/report.ts';

const NOTHING: EmbedMeasures = {
  compared: {},
  peers: {},
  paths: {},
  pathTimes: {},
  latency: [],
  memory: {},
  kernels: { plain: 4_000, relaxed: 4_500, both: 8_500, inlined: 9_000 },
};

const MEASURES: EmbedMeasures = {
  ...NOTHING,
  compared: {
    Q: {
      tokens: 1_000,
      texts: 64,
      batches: {},
      times: { ours: [110, 100, 90], ort_fp32: [400, 300, 350], transformers_q8: [179, 250, 100] },
    },
    D: {
      tokens: 5_000,
      texts: 64,
      batches: { ort_int8: 8 },
      times: { ours: [100], ort_int8: [170] },
    },
  },
  quality: { mean: 0.999612, min: 0.99911, stsb: 0.866812 },
  peers: { ort_int8: { mean: 0.994, min: 0.98 } },
  paths: { float32: { mean: 1, min: 0.99999, stsb: 0.86716 } },
  starts: {
    ours: [
      { navigation_ms: 200, start_ms: 100 },
      { navigation_ms: 300, start_ms: 120 },
      { navigation_ms: 900, start_ms: 110 },
    ],
    ort_fp32: [{ navigation_ms: 1_500, start_ms: 1_320 }],
    ours_in_memory: [{ navigation_ms: 90, start_ms: 30 }],
    ort_fp32_in_memory: [{ navigation_ms: 990, start_ms: 600 }],
  },
  latency: [
    { workers: 1, work: 'embed', idle: [5, 5, 5], busy: [5, 9, 10] },
    { workers: 2, work: 'insert', idle: [5, 5, 5], busy: [5, 6, 7] },
  ],
  tokenizer: { ours: [4, 5, 6], peer: [8, 9, 10] },
  memory: { 'ours, one worker': 50 * 2 ** 20 },
};

const CIRCUMSTANCES = {
  date: '2026-01-02T03:04:05.000Z',
  peers: { 'onnxruntime-web': '1.30.0' },
  rounds: 3,
  machine: {
    cores: 2,
    model: 'a processor',
    platform: 'linux x64',
    browser: 'Chromium 156',
    load_before: 0,
    load_after: 1,
  },
};

describe('the last line', () => {
  it('has the ratios of medians, the peer over ours', () => {
    expect(lineOf(MEASURES).ratios).toEqual({
      Q_vs_ort_fp32: 3.5,
      Q_vs_transformers_q8: 1.79,
      D_vs_ort_int8: 1.7,
    });
  });

  it('has quality, size, start, latency and the share of the tokenizer', () => {
    expect(lineOf(MEASURES)).toMatchObject({
      suite: 'embed',
      stsb_dev: 0.86681,
      cos_mean: 0.99961,
      cos_min: 0.99911,
      kernel_gzip: 8_500,
      cold_ratio: 20,
      cold_ratio_engine: 12,
      cold_ratio_navigation: 5,
      query_p95_ratio: 2,
      tokenizer_share: 0.05,
      paths: { float32: { stsb_dev: 0.86716, cos_mean: 1, cos_min: 0.99999 } },
    });
  });

  it('says null of what was not measured', () => {
    expect(lineOf(NOTHING)).toEqual({
      suite: 'embed',
      ratios: {},
      stsb_dev: null,
      cos_mean: null,
      cos_min: null,
      kernel_gzip: 8_500,
      cold_ratio: null,
      cold_ratio_engine: null,
      cold_ratio_navigation: null,
      query_p95_ratio: null,
      tokenizer_share: null,
      paths: {},
    });
  });
});

describe('the bars', () => {
  const verdicts = (measures: EmbedMeasures) =>
    Object.fromEntries(barsOf(lineOf(measures)).map((bar) => [bar.name, verdictOf(bar)]));

  it('are reached, reached as aimed, missed, or not measured', () => {
    expect(verdicts(MEASURES)).toMatchObject({
      Q_vs_ort_fp32: 'aim',
      Q_vs_transformers_q8: 'missed',
      D_vs_ort_int8: 'aim',
      S_vs_ort_fp32: 'not measured',
      B_vs_transformers_q8: 'not measured',
      stsb_dev: 'must',
      cos_mean: 'must',
      kernel_gzip: 'must',
      cold_ratio: 'must',
      query_p95_ratio: 'must',
      tokenizer_share: 'must',
      'float32: cos_min': 'aim',
    });
  });

  it('count a number that is none as missed', () => {
    const broken = { ...MEASURES, quality: { mean: Number.NaN, min: 0.9, stsb: 0.8 } };
    expect(verdicts(broken)).toMatchObject({ cos_mean: 'missed', cos_min: 'missed' });
  });

  it('go the other way for what should be small', () => {
    const large = { ...NOTHING, kernels: { ...NOTHING.kernels, both: 10_001 } };
    expect(verdicts(large).kernel_gzip).toBe('missed');
    const small = { ...NOTHING, kernels: { ...NOTHING.kernels, both: 6_000 } };
    expect(verdicts(small).kernel_gzip).toBe('aim');
  });
});

describe('the report', () => {
  it('has a table a workload, with the batch and the range of ratios', () => {
    const rows = tablesOf(MEASURES);
    const row = rows.find((text) => text.startsWith('ort_fp32'));
    expect(row).toMatch(/350 ms\s+2857\s+3\.5\s+3\.00-3\.89$/);
    expect(rows.find((text) => text.startsWith('ort_int8'))).toMatch(/ 8\s+170 ms/);
  });

  it('writes a file with the line, the machine, the date and all times', () => {
    expect(JSON.parse(fileOf(MEASURES, CIRCUMSTANCES))).toMatchObject({
      ...lineOf(MEASURES),
      ...CIRCUMSTANCES,
      measures: { compared: { Q: { times: { ours: [110, 100, 90] } } } },
    });
  });

  it('has no tables but those of size and bars where nothing was measured', () => {
    const heads = tablesOf(NOTHING).filter((_, at, rows) => at === 0 || rows[at - 1] === '');
    expect(heads).toEqual([
      expect.stringMatching(/^kernel, bytes of gzip/),
      expect.stringMatching(/measured\s+must\s+aim\s+reached$/),
    ]);
  });
});

describe('options', () => {
  it('have defaults', () => {
    expect(readOptions([])).toEqual({ only: new Set(PARTS), rounds: 7 });
    expect(readOptions(['--rounds', '3', '--only', 'Q,S'])).toEqual({
      only: new Set(['Q', 'S']),
      rounds: 3,
    });
  });

  it.each([
    [['--n', '3'], 'no option "--n"'],
    [['Q'], 'no option "Q"'],
    [['--only', 'Q,X'], 'names "X"'],
    [['--only'], 'names ""'],
    [['--rounds', '0'], '--rounds must be an integer from 1 to 100'],
    [['--rounds', '1e1'], '--rounds must be'],
    [['--rounds'], '--rounds must be'],
  ])('refuse %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(message);
  });
});
