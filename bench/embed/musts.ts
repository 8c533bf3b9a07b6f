/** The bars: what must be reached, and what is aimed at. */
import type { EmbedLine } from './report.ts';

export interface Bar {
  readonly name: string;
  /** Null where it was not measured. */
  readonly value: number | null;
  readonly must: number;
  readonly aim: number | null;
  readonly better: 'more' | 'less';
}

export type Verdict = 'aim' | 'must' | 'missed' | 'not measured';

type Bars = Readonly<Record<string, readonly [must: number, aim: number | null]>>;

const RATIOS: Bars = {
  Q_vs_ort_fp32: [2.5, 3.5],
  D_vs_ort_fp32: [2.4, 3.2],
  S_vs_ort_fp32: [2.4, 3.4],
  Q_vs_ort_int8: [1.25, 1.7],
  D_vs_ort_int8: [1.25, 1.7],
  S_vs_ort_int8: [1.25, 1.7],
  Q_vs_transformers_q8: [1.8, 2.5],
  D_vs_transformers_q8: [1.3, 2],
  S_vs_transformers_q8: [1.35, 2],
  B_vs_transformers_q8: [2, 3],
};

/** Bytes of 1,000, as downloads are counted. */
const KB = 1_000;

export function barsOf(line: EmbedLine): Bar[] {
  const bar = (
    name: string,
    value: number | null,
    [must, aim]: readonly [number, number | null],
    better: Bar['better'] = 'more',
  ): Bar => ({ name, value, must, aim, better });
  return [
    ...Object.entries(RATIOS).map(([name, bars]) => bar(name, line.ratios[name] ?? null, bars)),
    bar('stsb_dev', line.stsb_dev, [0.8665, 0.867]),
    bar('cos_mean', line.cos_mean, [0.9995, 0.9998]),
    bar('cos_min', line.cos_min, [0.9985, 0.9995]),
    bar('kernel_gzip', line.kernel_gzip, [10 * KB, 6 * KB], 'less'),
    bar('cold_ratio', line.cold_ratio, [10, null]),
    bar('query_p95_ratio', line.query_p95_ratio, [3, null], 'less'),
    bar('tokenizer_share', line.tokenizer_share, [0.1, null], 'less'),
    ...Object.entries(line.paths).flatMap(([path, { stsb_dev, cos_mean, cos_min }]) => [
      bar(`${path}: stsb_dev`, stsb_dev, [0.8665, 0.867]),
      bar(`${path}: cos_mean`, cos_mean, [0.9995, 0.9998]),
      bar(`${path}: cos_min`, cos_min, [0.9985, 0.9995]),
    ]),
  ];
}

export function verdictOf({ value, must, aim, better }: Bar): Verdict {
  if (value === null) return 'not measured';
  const reaches = (wanted: number) => (better === 'more' ? value >= wanted : value <= wanted);
  if (aim !== null && reaches(aim)) return 'aim';
  return reaches(must) ? 'must' : 'missed';
}
