/**
 * The app as a person meets it: the built site behind the built proxy, from the first visit to the
 * reload without a network. One profile for all; each test goes on where the one before ended.
 */
import type { Browser, BrowserContext, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { complaintsOf, launch, type Site, startSite } from '../support/site.ts';

const QUESTION = 'Which hotel dims its lights for people who look at the stars?';
const READY_MS = 150_000;

let site: Site;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: string[];

async function open(): Promise<void> {
  page = await context.newPage();
  complaints = complaintsOf(page);
  await page.goto(site.url);
}

async function ask(question: string): Promise<void> {
  await page.getByRole('textbox').fill(question);
  await page.getByRole('textbox').press('Enter');
}

/** The answer to the newest question is stored and shown. */
async function answered(question: string): Promise<void> {
  await page
    .locator('article.turn[data-turn] h1', { hasText: question })
    .waitFor({ timeout: 30_000 });
}

async function untilReady(): Promise<void> {
  await page.getByRole('button', { name: 'Ask', exact: true }).waitFor({ timeout: READY_MS });
}

beforeAll(async () => {
  site = await startSite();
  browser = await launch();
  context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1360, height: 900 } });
  await open();
});

afterAll(async () => {
  await browser?.close();
  await site?.close();
});

describe('the app', () => {
  it('is usable at once by words, while the model comes', async () => {
    await page.getByText('Searching by words until the model is ready').waitFor();
    await page.getByRole('textbox').fill('mountain hut climbers');
    const first = page.locator('ol.cards li').first();
    await first.waitFor({ timeout: 10_000 });
    expect(await first.innerText()).toMatch(/hut/i);
    expect(await page.getByRole('progressbar').count()).toBeGreaterThan(0);
    await page.getByRole('textbox').fill('');
  });

  it('answers with sources when it is ready, and says that it quotes', async () => {
    await untilReady();
    await ask(QUESTION);
    await answered(QUESTION);
    await expect.poll(() => page.locator('ol.hits > li').count()).toBeGreaterThanOrEqual(3);
    expect(await page.locator('.offline').innerText()).toMatch(/quoted/i);
    expect(await page.locator('.verdict').innerText()).toMatch(/backed by a source/);
  });

  it('leads from a citation to its source', async () => {
    await page.locator('whorl-answer a[href^="#source-"]').first().click();
    const focused = page.locator('li.hit:focus');
    await focused.waitFor({ timeout: 5_000 });
    expect(await focused.getAttribute('id')).toMatch(/^source-\d+$/);
  });

  it('shows exactly what was sent', async () => {
    await page.getByRole('button', { name: 'What was sent' }).click();
    const dialog = page.locator('dialog.sent[open]');
    expect(await dialog.innerText()).toContain(QUESTION);
    await page.keyboard.press('Escape');
    expect(await page.locator('dialog.sent[open]').count()).toBe(0);
  });

  it('keeps turn and rating over a reload', async () => {
    const helpful = page.locator('.verdict').getByRole('button', { name: 'Helpful', exact: true });
    await helpful.click();
    await expect.poll(() => helpful.getAttribute('aria-pressed')).toBe('true');
    // Said when it is stored; the button shows it before.
    await expect
      .poll(() => page.locator('p.said').textContent())
      .toBe('Your rating is kept. Questions like this one learn from it.');
    expect(complaints).toEqual([]);
    await page.reload();
    await answered(QUESTION);
    await expect.poll(() => helpful.getAttribute('aria-pressed')).toBe('true');
    expect(await page.locator('whorl-spiral a, whorl-spiral circle').count()).toBeGreaterThan(0);
  });

  it('puts a similar question on the way that the rating showed, and says why', async () => {
    await untilReady();
    await ask('Which hotel keeps its lamps low so guests can watch the stars?');
    await answered('Which hotel keeps its lamps low so guests can watch the stars?');
    const learnt = page.locator('ol.hits .why, ol.hits .bar .learnt');
    expect(await learnt.count()).toBeGreaterThan(0);
  });

  it('speaks Japanese when asked to', async () => {
    await page.getByRole('combobox').first().selectOption('ja');
    await expect.poll(() => page.evaluate(() => document.documentElement.lang)).toBe('ja');
    await page.getByRole('combobox').first().selectOption('en');
    await expect.poll(() => page.evaluate(() => document.documentElement.lang)).toBe('en');
  });

  it('can be used by keyboard alone', async () => {
    await page.goto(`${site.url}#ask`);
    await untilReady();
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    const seen: string[] = [];
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const name = await page.evaluate(() => document.activeElement?.tagName ?? '');
      seen.push(name);
      if (name === 'TEXTAREA') break;
    }
    expect(seen).toContain('A');
    expect(seen.at(-1)).toBe('TEXTAREA');
    await page.keyboard.type('Where do monks look after travellers?');
    await page.keyboard.press('Enter');
    await answered('Where do monks look after travellers?');
  });

  it('starts and answers without a network after one visit', async () => {
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.evaluate(async () => {
      // The worker has what it needs when its cache holds the page.
      while (!(await caches.match(new URL('./', location.href))))
        await new Promise((r) => setTimeout(r, 200));
    });
    expect(complaints).toEqual([]);
    await page.close();
    await context.setOffline(true);
    await open();
    await untilReady();
    await ask('Who runs an inn beside a canal?');
    await answered('Who runs an inn beside a canal?');
    await context.setOffline(false);
    expect(complaints.filter((line) => !/Failed to load resource|net::ERR/.test(line))).toEqual([]);
  });

  it('answers in a second tab as in the first, and keeps what it answers', async () => {
    const second = await context.newPage();
    const said = complaintsOf(second);
    await second.goto(site.url);
    await second.getByRole('button', { name: 'Ask', exact: true }).waitFor({ timeout: READY_MS });
    const question = 'Which house keeps a fire for people who walk?';
    await second.getByRole('textbox').fill(question);
    await second.getByRole('textbox').press('Enter');
    await second
      .locator('article.turn[data-turn] h1', { hasText: question })
      .waitFor({ timeout: 30_000 });
    await second.close();
    expect(said).toEqual([]);
    await page.reload();
    await untilReady();
    // Its turn of the spiral, which is drawn from what is stored.
    const turn = page.locator('svg title', { hasText: question }).first();
    await turn.waitFor({ state: 'attached', timeout: 30_000 });
  });
});
