/**
 * What an erased record leaves in the files of the browser's profile: a report, not a bar. A page cannot make
 * LevelDB compact, and it keeps what was deleted until then; what can be promised is what the live stores hold
 * (`test/browser/erase-scan.test.ts`). Only that the scanner sees, that the mirror's files are clean, and that
 * nothing of the record comes back through the browser, is checked here. Runs in `npm run test:faults` only.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultTab } from './harness/profile.ts';
import { Seeded, seeds, WHOLE } from './harness/seeded.ts';
import { openSetting, type Setting } from './harness/setting.ts';

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

let setting: Setting;

beforeAll(async () => {
  setting = await openSetting();
}, 60_000);

afterAll(() => setting?.close());

/** Folders of the profile that hold the canary: in UTF-8, in UTF-16, or as bytes of the vector. */
function foldersWith(needles: readonly Buffer[]): string[] {
  const found = new Set<string>();
  const walk = (folder: string): void => {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat?.isDirectory()) walk(path);
      else if (stat?.isFile() && needles.some((needle) => readFileSync(path).includes(needle))) {
        const kind = name.replace(/^\d+/, 'N').replace(/^[0-9a-f]{8,}$/, 'N');
        found.add(join(relative(setting.profile.folder, folder), kind));
      }
    }
  };
  walk(setting.profile.folder);
  return [...found].sort();
}

async function open(name: string): Promise<FaultTab> {
  const tab = await setting.profile.tab(setting.url);
  await tab.page.evaluate((engine) => window.faultPage.open({ name: engine }), name);
  return tab;
}

/** Seconds for what is written in the background, then an end without a word to the browser. */
async function restarted(name: string, tab: FaultTab): Promise<FaultTab> {
  await tab.page.evaluate(() => window.faultPage.close());
  await tab.page.waitForTimeout(1_000);
  await setting.profile.kill();
  await setting.profile.restart();
  return open(name);
}

async function write(tab: FaultTab, canary: string, vector: number[], others: number) {
  await tab.page.evaluate(
    async ({ canary, vector, others }) => {
      const { milvus } = window.engine;
      await milvus.createCollection({
        collectionName: 'c',
        schema: {
          fields: [
            { fieldName: 'id', dataType: 'Int64', isPrimary: true },
            { fieldName: 'text', dataType: 'VarChar', elementTypeParams: { max_length: 200 } },
            { fieldName: 'v', dataType: 'FloatVector', elementTypeParams: { dim: vector.length } },
          ],
        },
        indexParams: [{ fieldName: 'v', metricType: 'L2', indexType: 'HNSW' }],
      });
      const row = (id: number) => ({ id, text: `entry ${id}`, v: vector.map((x) => x + id) });
      const data = Array.from({ length: others }, (_, i) => row(i + 1));
      await milvus.insert({ collectionName: 'c', data });
      await milvus.insert({ collectionName: 'c', data: [{ id: 0, text: canary, v: vector }] });
    },
    { canary, vector, others },
  );
}

test.skipIf(!WHOLE).each(seeds(3))(
  'T27 seed %i: what an erased record leaves in the profile',
  async (seed) => {
    const random = new Seeded(seed);
    const name = `erase-${seed}`;
    const canary = Array.from({ length: 44 }, () => LETTERS[random.int(0, 61)]).join('');
    const vector = Array.from({ length: 16 }, () => Math.fround(random.int(1, 1e6) / 7));
    const text = [Buffer.from(canary, 'utf8'), Buffer.from(canary, 'utf16le')];
    const floats = [Buffer.from(Float32Array.from(vector).buffer)];
    const look = () => ({ text: foldersWith(text), vector: foldersWith(floats) });
    const report: { readonly [step: string]: ReturnType<typeof look> }[] = [];
    let tab = await open(name);
    await write(tab, canary, vector, random.int(50, 500));
    tab = await restarted(name, tab);
    const before = look();
    expect(before.text).not.toEqual([]);
    expect(before.vector).not.toEqual([]);
    report.push({ before });
    const erased = await tab.page.evaluate(() =>
      window.engine.erase({ collectionName: 'c', ids: [0] }),
    );
    expect(erased).toMatchObject({ records: 1 });
    tab = await restarted(name, tab);
    const rows = await tab.page.evaluate(() =>
      window.engine.milvus.query({ collectionName: 'c', filter: 'id == 0' }),
    );
    expect(rows).toEqual([]);
    const after = look();
    const files = [...after.text, ...after.vector].filter((place) => place.includes('File System'));
    expect(files).toEqual([]);
    report.push({ 'after erase and restart': after });
    await tab.page.evaluate((confirm) => window.engine.eraseAll({ confirm }), name);
    tab = await restarted(name, tab);
    report.push({ 'after eraseAll and restart': look() });
    await tab.page.evaluate(() => window.faultPage.close());
    console.info(`T27 seed ${seed}: ${JSON.stringify(report, null, 1)}`);
  },
  120_000,
);
