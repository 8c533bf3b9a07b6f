/**
 * F10, F11, F12: the browser does not promise to keep what is stored, keeps it for this window only, or
 * denies storage. All works, and the status says how far it can be trusted.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Frame, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Profile } from './harness/profile.ts';
import { seeds, WHOLE } from './harness/seeded.ts';
import { openSetting, type Setting } from './harness/setting.ts';

/** The quick third takes one of three. */
const SEEDS = seeds(WHOLE ? 3 : 1);

let setting: Setting;

beforeAll(async () => {
  setting = await openSetting();
}, 60_000);

afterAll(() => setting?.close());

const order = { collectionName: 'rows', dimension: 16 };
const rows = [
  [1, 0],
  [2, 0],
] as const;

async function openTab(profile: Profile, name: string) {
  const tab = await profile.tab(setting.url);
  await tab.page.evaluate((n) => window.faultPage.open({ name: n }), name);
  return tab;
}

test.each(SEEDS)('F10 not promised, then asked for and granted or not, seed %i', async (seed) => {
  const profile = await setting.further();
  const granted = seed % 2 === 1;
  const { page, complaints } = await openTab(profile, `persist-${seed}`);
  const persisted = () => page.evaluate(() => window.engine.status.store?.persisted);
  await expect.poll(persisted).toBe(false);
  if (granted) {
    const { origin } = setting;
    await profile.cdp.send('Browser.grantPermissions', {
      permissions: ['durableStorage'],
      origin,
    });
  }
  expect(await page.evaluate(() => window.engine.requestPersistence())).toBe(granted);
  expect(await persisted()).toBe(granted);
  // Best effort is no trouble: nothing is degraded, and all is stored.
  const { durability, modes } = await page.evaluate(() => ({ ...window.engine.status.store }));
  expect([durability, modes]).toEqual(['durable', []]);
  const aborted = page.evaluate(() =>
    window.engine.requestPersistence({ signal: AbortSignal.abort() }).catch((e) => e.code),
  );
  expect(await aborted).toBe('aborted');
  expect(complaints).toEqual([]);
  await page.close();
});

test('F11 a private window works like any other, and does not promise to keep anything', async () => {
  const browser = setting.profile.context.browser();
  if (!browser) throw new Error('no browser');
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(setting.url);
  await page.waitForFunction(() => window.faultPage !== undefined);
  await page.evaluate(() => window.faultPage.open({ name: 'private' }));
  await page.evaluate((o) => window.faultPage.create(o), order);
  const change = { kind: 'insert', rows } as const;
  const outcome = await page.evaluate(([o, c]) => window.faultPage.attempt(o, c), [
    order,
    change,
  ] as const);
  expect(outcome).toMatchObject({ ok: true });
  await expect.poll(() => page.evaluate(() => window.engine.status.store?.persisted)).toBe(false);
  expect((await page.evaluate((o) => window.faultPage.look(o), order)).wrong).toEqual([]);
  await context.close();
});

test('an engine in memory asks nobody', async () => {
  const { page } = await setting.profile.tab(setting.url);
  await page.evaluate(() => window.faultPage.open({ name: 'memory', storage: 'memory' }));
  expect(await page.evaluate(() => window.engine.requestPersistence())).toBe(false);
  expect(await page.evaluate(() => window.engine.status.store)).not.toHaveProperty('persisted');
  await page.evaluate(() => window.faultPage.close());
  const closed = page.evaluate(() => window.engine.requestPersistence().catch((e) => e.code));
  expect(await closed).toBe('closed');
  await page.close();
});

/** The fault page in a frame of another page. */
async function framed(page: Page, attributes: string): Promise<Frame> {
  await page.setContent(`<iframe ${attributes} src="${setting.url}"></iframe>`);
  await expect.poll(() => page.frames().length).toBe(2);
  const [, frame] = page.frames();
  if (frame === undefined) throw new Error('no frame');
  await frame.waitForFunction(() => window.faultPage !== undefined);
  return frame;
}

/** All of an engine's work, over memory. */
async function worksInMemory(frame: Frame, name: string, rowsOfSeed: number): Promise<void> {
  await frame.evaluate((n) => window.faultPage.open({ name: n }), name);
  await frame.evaluate((o) => window.faultPage.create(o), order);
  const many = Array.from({ length: rowsOfSeed }, (_, i) => [i, 0] as const);
  const change = { kind: 'insert', rows: many } as const;
  const [o, c] = [order, change] as const;
  const outcome = await frame.evaluate(([wanted, made]) => window.faultPage.attempt(wanted, made), [
    o,
    c,
  ] as const);
  expect(outcome, outcome.message).toMatchObject({ ok: true });
  const seen = await frame.evaluate((wanted) => window.faultPage.look(wanted), order);
  expect([seen.count, seen.wrong]).toEqual([rowsOfSeed, []]);
  const store = await frame.evaluate(() => window.engine.status.store);
  expect(store).toMatchObject({ storage: 'memory', durability: 'volatile', role: 'leader' });
  expect(store?.modes).toContain('memory_only');
  expect(store?.why).toMatch(/end with the page/);
  expect(await frame.evaluate(() => window.engine.requestPersistence())).toBe(false);
  await frame.evaluate(() => window.faultPage.close());
}

test.each(SEEDS)('F12 a sandboxed frame: memory, and the status says so, seed %i', async (seed) => {
  const page = await setting.profile.context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  const frame = await framed(page, 'sandbox="allow-scripts"');
  await worksInMemory(frame, `sandbox-${seed}`, 3 ** seed);
  expect(complaints).toEqual([]);
  await page.close();
});

test.each(SEEDS)('F12 a site that is denied all storage, seed %i', async (seed) => {
  const folder = mkdtempSync(join(tmpdir(), 'whorl-denied-'));
  mkdirSync(join(folder, 'Default'));
  // "Block all cookies": databases, caches, locks and files are denied with them.
  const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
  writeFileSync(join(folder, 'Default/Preferences'), JSON.stringify(preferences));
  const profile = await setting.further({ folder });
  const { page, complaints } = await profile.tab(setting.url);
  await worksInMemory(page.mainFrame(), `denied-${seed}`, 3 ** seed);
  expect(complaints).toEqual([]);
  await page.close();
});
