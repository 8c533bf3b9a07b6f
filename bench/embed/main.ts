/**
 * `npm run bench:embed -- [--only Q,S] [--rounds 7]`: our engine, onnxruntime-web and transformers.js in
 * Chromium, in turns. Prints tables and, as the last line, JSON; a whole run writes
 * `bench/results/embed.json`.
 *
 * Q, D, S: one thread each. Our kernel on the page's thread, as the peers; beside it the engine through the
 * public API of the built library: one embed worker, no cache of vectors. onnxruntime-web with `numThreads` 1 on the page's thread, Hugging Face's tokenizer before it.
 * transformers.js with `numThreads` 1, its pipeline as documented. Peers get texts sorted by length, in padded
 * batches of the size that is quickest for each; every side is timed from texts to vectors.
 * B: our pool of two workers, transformers.js by its defaults, on a page that is not isolated.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrowserContext } from 'playwright';
import { launch } from './browser.ts';
import { measure } from './measure.ts';
import type { EmbedMeasures } from './measures.ts';
import { missing } from './missing.ts';
import { type Options, PARTS, readOptions } from './options.ts';
import { type Circumstances, fileOf, lineOf, tablesOf } from './report.ts';
import { peerVersions, setStage } from './stage.ts';
import { readTexts } from './texts.ts';

const RESULTS = fileURLToPath(new URL('../results', import.meta.url));

function circumstances(
  browser: BrowserContext,
  { rounds }: Options,
  loadBefore: number,
): Circumstances {
  return {
    date: new Date().toISOString(),
    peers: peerVersions(),
    rounds,
    machine: {
      cores: availableParallelism(),
      model: cpus()[0]?.model.trim() ?? 'unknown',
      platform: `${process.platform} ${process.arch}`,
      browser: `Chromium ${browser.browser()?.version() ?? 'of unknown version'}`,
      load_before: loadBefore,
      load_after: loadavg()[0] ?? 0,
    },
  };
}

function report(measures: EmbedMeasures, where: Circumstances, options: Options): void {
  for (const row of tablesOf(measures)) console.log(row);
  const { cores, model, browser, load_before, load_after } = where.machine;
  console.log(
    `${where.date}: ${cores} cores, ${model}, ${browser}, load ${load_before} to ${load_after}`,
  );
  if (options.only.size === PARTS.length) {
    mkdirSync(RESULTS, { recursive: true });
    writeFileSync(join(RESULTS, 'embed.json'), fileOf(measures, where));
    console.log('written to bench/results/embed.json');
  }
  console.log(JSON.stringify(lineOf(measures)));
}

async function run(options: Options, folder: string): Promise<void> {
  const loadBefore = loadavg()[0] ?? 0;
  const texts = readTexts();
  const stage = await setStage(folder, texts.byName);
  const browser = await launch(folder);
  try {
    const measures = await measure({ browser, folder, stage, texts, options });
    report(measures, circumstances(browser, options, loadBefore), options);
  } finally {
    await browser.close();
    await Promise.all([stage.isolated.close(), stage.plain.close()]);
  }
}

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  if (missing) return console.log(`skipped: ${missing}`);
  const folder = mkdtempSync(join(tmpdir(), 'whorl-bench-'));
  try {
    await run(options, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main(process.argv.slice(2));
