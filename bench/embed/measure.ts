/** Measures what is asked for, one part after the other. */
import type { BrowserContext } from 'playwright';
import { BenchPage } from './browser.ts';
import { compare } from './compare.ts';
import { kernelSizes } from './kernel-size.ts';
import type { Comparison, EmbedMeasures, Latency, Likeness, Quality } from './measures.ts';
import { measureMemory } from './memory.ts';
import type { Options } from './options.ts';
import { correlation, likenessTo } from './quality.ts';
import { ratioOf } from './report.ts';
import {
  type Opening,
  PATHS,
  type PathName,
  PEERS,
  type SideName,
  type WorkloadName,
} from './settings.ts';
import type { Stage } from './stage.ts';
import { measureStarts } from './starts.ts';
import type { AllTexts } from './texts.ts';

export interface Setting {
  readonly browser: BrowserContext;
  /** For profiles of further browsers. */
  readonly folder: string;
  readonly stage: Stage;
  readonly texts: AllTexts;
  readonly options: Options;
}

const ONE: Opening = { workers: 1, threads: 1 };
const BY_DEFAULT: Opening = { workers: 2, threads: 'default' };
const TWO: Opening = { workers: 2, threads: 2 };
/** A peer whose vectors are further off does not run the same model, and its time says nothing. */
const LEAST_LIKENESS = 0.98;
const LATENCY_ROUNDS = 3;
/**
 * Rounds of a workload to those that were asked for. A round of Q is over in half a second a side, so that a
 * single disturbance moves its median; one of B takes as long as ten of D.
 */
const ROUNDS: Readonly<Record<WorkloadName, number>> = { Q: 3, D: 1, S: 2, B: 1 / 3 };
const TOKENIZER_ROUNDS = 50;
const PADDED_BATCH = 8;

export async function measure(setting: Setting): Promise<EmbedMeasures> {
  const { options, folder, stage } = setting;
  const { only } = options;
  const one = await oneThread(setting);
  return {
    ...one,
    ...(only.has('B') ? await bulk(setting, one.compared) : {}),
    ...(only.has('quality') ? { quality: await qualityOf(setting, 'ours', BY_DEFAULT) } : {}),
    ...(await pathsOf(setting)),
    ...(only.has('start') ? { starts: await startsOf(setting) } : {}),
    latency: only.has('latency') ? await latencies(setting) : [],
    ...(only.has('tokenizer') ? { tokenizer: await tokenizers(setting) } : {}),
    memory: only.has('memory') ? await measureMemory(folder, stage.isolated.url) : {},
    kernels: kernelSizes(),
  };
}

/** A page with sides open, closed afterwards. */
async function onPage<T>(
  { browser, stage }: Setting,
  where: 'isolated' | 'plain',
  sides: readonly SideName[],
  opening: Opening,
  work: (page: BenchPage) => Promise<T>,
): Promise<T> {
  const page = await BenchPage.open(browser, stage[where].url);
  try {
    await page.call('open', sides, opening);
    const result = await work(page);
    await page.call('close');
    return result;
  } finally {
    await page.close();
  }
}

async function contest(
  { texts, options }: Setting,
  page: BenchPage,
  workload: WorkloadName,
  sides: readonly SideName[],
): Promise<Comparison> {
  console.log(`${workload}: ${sides.join(', ')}`);
  const found = await compare({
    page,
    workload,
    sides,
    rounds: Math.ceil(options.rounds * ROUNDS[workload]),
    texts: texts.workloads[workload],
    tokens: texts.tokens[workload],
  });
  // The tables come at the end; whoever stops a long run keeps this.
  const ratios = sides.slice(1).map((side) => `${side} ${ratioOf(found.times, side)}`);
  console.log(`  times ${sides[0]}: ${ratios.join(', ')}`);
  return found;
}

function asked({ options }: Setting): WorkloadName[] {
  return (['Q', 'D', 'S'] as const).filter((name) => options.only.has(name));
}

async function oneThread(setting: Setting): Promise<Pick<EmbedMeasures, 'compared' | 'peers'>> {
  const workloads = asked(setting);
  if (workloads.length === 0) return { compared: {}, peers: {} };
  const sides: readonly SideName[] = ['kernel', 'ours', ...PEERS];
  return onPage(setting, 'isolated', sides, ONE, async (page) => {
    const peers = await peerLikeness(setting, page);
    const compared: Partial<Record<WorkloadName, Comparison>> = {};
    for (const name of workloads) compared[name] = await contest(setting, page, name, sides);
    return { compared, peers };
  });
}

async function peerLikeness(
  { texts }: Setting,
  page: BenchPage,
): Promise<Partial<Record<SideName, Likeness>>> {
  const found: Partial<Record<SideName, Likeness>> = {};
  for (const peer of PEERS) {
    const vectors = await page.call('vectors', peer, 'golden', PADDED_BATCH);
    const likeness = likenessTo(texts.golden, Float32Array.from(vectors));
    if (!(likeness.mean >= LEAST_LIKENESS)) {
      throw new Error(`${peer} gives other vectors: their mean cosine is ${likeness.mean}.`);
    }
    found[peer] = likeness;
  }
  return found;
}

async function bulk(
  setting: Setting,
  compared: EmbedMeasures['compared'],
): Promise<Pick<EmbedMeasures, 'compared' | 'twoThreads'>> {
  const sides: readonly SideName[] = ['ours', 'transformers_q8'];
  const on = (where: 'plain' | 'isolated', opening: Opening) =>
    onPage(setting, where, sides, opening, (page) => contest(setting, page, 'B', sides));
  const plain = await on('plain', BY_DEFAULT);
  return { compared: { ...compared, B: plain }, twoThreads: await on('isolated', TWO) };
}

function qualityOf(setting: Setting, side: SideName, opening: Opening): Promise<Quality> {
  return onPage(setting, 'isolated', [side], opening, (page) => qualityOn(setting, page, side));
}

async function qualityOn({ texts }: Setting, page: BenchPage, side: SideName): Promise<Quality> {
  console.log(`quality: ${side}`);
  const rows = async (name: string) =>
    Float32Array.from(await page.call('vectors', side, name, PADDED_BATCH));
  const likeness = likenessTo(texts.golden, await rows('golden'));
  return { ...likeness, stsb: correlation(texts.pairs, await rows('sts')) };
}

/** The kernel's paths: speed beside the engine's, and quality, whichever of them the engine chose. */
async function pathsOf(setting: Setting): Promise<Pick<EmbedMeasures, 'paths' | 'pathTimes'>> {
  if (!setting.options.only.has('paths')) return { paths: {}, pathTimes: {} };
  const sides: readonly SideName[] = ['ours', ...PATHS];
  return onPage(setting, 'isolated', sides, ONE, async (page) => {
    const pathTimes: Partial<Record<WorkloadName, Comparison>> = {};
    for (const name of ['Q', 'D', 'S'] as const) {
      pathTimes[name] = await contest(setting, page, name, sides);
    }
    const paths: Partial<Record<PathName, Quality>> = {};
    for (const name of PATHS) paths[name] = await qualityOn(setting, page, name);
    return { paths, pathTimes };
  });
}

function startsOf({ browser, stage, options }: Setting) {
  console.log('start: every side on fresh pages');
  return measureStarts(browser, stage.isolated.url, options.rounds);
}

async function latencies(setting: Setting): Promise<Latency[]> {
  const found: Latency[] = [];
  for (const workers of [1, 2]) {
    for (const work of ['embed', 'insert'] as const) {
      console.log(`latency: ${workers} workers, bulk ${work}`);
      const times = await onPage(setting, 'isolated', [], ONE, (page) =>
        page.call('latency', workers, work, LATENCY_ROUNDS),
      );
      found.push({ workers, work, ...times });
    }
  }
  return found;
}

function tokenizers(setting: Setting) {
  return onPage(setting, 'isolated', [], ONE, (page) => page.call('tokenizers', TOKENIZER_ROUNDS));
}
