/**
 * `npm run bench:index -- --scale [rows]`: how building and searching grow from 1,000 to 500,000 rows of
 * synthetic vectors of which codes alone are kept; ours only. Writes `bench/results/index-scale.json` and
 * `.svg`, and a line of JSON for each size.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { type Plot, svgOf } from './plot.ts';
import type { Circumstances } from './report.ts';
import {
  SCALE_QUERIES,
  SCALE_SEED,
  type ScaleMeasures,
  type ScaleSearch,
  type ScaleSettings,
} from './scale-settings.ts';
import { DIMENSION } from './vectors.ts';

/** What the page offers. */
interface Page {
  measureScale(settings: ScaleSettings): Promise<ScaleMeasures>;
}

/** Measures each size in a page of its own. */
export async function measureSizes(
  browser: Browser,
  url: string,
  sizes: readonly number[],
): Promise<ScaleMeasures[]> {
  const all: ScaleMeasures[] = [];
  for (const n of sizes) {
    const page = await browser.newPage();
    await page.goto(url, { waitUntil: 'load' });
    await page.waitForFunction('globalThis.measureScale');
    const settings = { n, dimension: DIMENSION, seed: SCALE_SEED, queries: SCALE_QUERIES };
    const measures = await page.evaluate(
      (asked) => (globalThis as unknown as Page).measureScale(asked),
      settings,
    );
    await page.close();
    console.log(lineOf(measures));
    all.push(measures);
  }
  return all;
}

/** A line of JSON for one size. */
export function lineOf({ n, build_ms, bytes_a_row, by_default }: ScaleMeasures): string {
  return JSON.stringify({
    suite: 'index-scale',
    n,
    build_s: Number((build_ms / 1000).toFixed(2)),
    search_p50_ms: Number(by_default.p50_ms.toFixed(3)),
    search_p95_ms: Number(by_default.p95_ms.toFixed(3)),
    recall: Number(by_default.recall.toFixed(4)),
    bytes_a_row: Math.round(bytes_a_row),
  });
}

/** How building and searching grow. */
export function plotsOf(all: readonly ScaleMeasures[]): Plot[] {
  const search = (name: string, of: (measures: ScaleMeasures) => ScaleSearch) => ({
    name,
    points: all.map((measures) => [measures.n, of(measures).p50_ms] as const),
  });
  const build = all.map(({ n, build_ms }) => [n, build_ms / 1000] as const);
  return [
    { title: 'Build', x: 'rows', y: 'seconds', lines: [{ name: 'all at once', points: build }] },
    {
      title: 'Search, p50',
      x: 'rows',
      y: 'milliseconds',
      lines: [
        search('exact scan', ({ exact }) => exact),
        search('signs', ({ signs }) => signs),
        search('walk', ({ walk }) => walk),
        search('by default', ({ by_default }) => by_default),
      ],
    },
  ];
}

/** Writes what was measured into a folder. */
export function writeScale(
  folder: string,
  all: readonly ScaleMeasures[],
  { date, machine }: Circumstances,
): void {
  mkdirSync(folder, { recursive: true });
  const short = (_: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toFixed(4)) : value;
  const content = { suite: 'index-scale', date, machine, sizes: all };
  writeFileSync(join(folder, 'index-scale.json'), `${JSON.stringify(content, short, 2)}\n`);
  writeFileSync(join(folder, 'index-scale.svg'), svgOf(plotsOf(all)));
}
