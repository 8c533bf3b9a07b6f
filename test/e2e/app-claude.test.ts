/**
 * Written answers in the app: page, built proxy and a stand-in for the Claude API in a line. What a
 * person sees of a streamed answer, of Stop, and of every way in which an answer fails to come. One
 * profile for all; each test goes on where the one before ended.
 */
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MessagesBody } from '../fakes/messages-script.ts';
import { type MessagesServer, startMessagesServer } from '../fakes/messages-server.ts';
import { complaintsOf, launch, type Site, startSite } from '../support/site.ts';

const QUESTION = 'Where is smoked eel served below the river bank?';
const BACKED = [
  'The Eel and Lantern stands four steps below the bank of the Great Ouse [1].',
  'Smoked eel on rye is served from October to March [1].',
];
const INVENTED = 'A circus painted it bright pink in 1974 [1].';
const ANSWER = [...BACKED, INVENTED].join(' ');
const READY_MS = 150_000;

let upstream: MessagesServer;
let site: Site;
let browser: Browser;
let page: Page;
let complaints: string[];

const askButton = () => page.getByRole('button', { name: 'Ask', exact: true });
const problem = () => page.getByRole('alert');
const dots = () => page.locator('whorl-spiral a.dot').count();

async function untilReady(): Promise<void> {
  await askButton().waitFor({ timeout: READY_MS });
}

async function ask(question: string): Promise<void> {
  await page.getByRole('textbox').fill(question);
  await page.getByRole('textbox').press('Enter');
}

async function answered(question: string): Promise<void> {
  await page
    .locator('article.turn[data-turn] h1', { hasText: question })
    .waitFor({ timeout: 30_000 });
}

/** The question is shown with how it ended, as no turn. */
async function ended(question: string, how: string): Promise<void> {
  const turn = page.locator('article.turn:not([data-turn])', { hasText: question });
  await turn.getByText(how).waitFor({ timeout: 30_000 });
  expect(await page.locator('main .thumb').count()).toBe(0);
}

beforeAll(async () => {
  upstream = await startMessagesServer(ANSWER);
  site = await startSite({ upstream });
  browser = await launch();
  page = await browser.newPage({ locale: 'en-GB', viewport: { width: 1360, height: 900 } });
  complaints = complaintsOf(page);
  await page.goto(site.url);
  await untilReady();
}, READY_MS);

afterAll(async () => {
  await browser?.close();
  await site?.close();
  await upstream?.close();
});

describe('an answer of Claude', () => {
  it('streams, cites, and has its invented sentence underlined', async () => {
    upstream.use({ text: ANSWER, delayMs: 60, deltaLength: 4 });
    await ask(QUESTION);
    const answer = page.locator('.answer');
    await page.locator('.answer[aria-busy=true]', { hasText: 'The Eel' }).waitFor();
    expect(await answer.innerText()).not.toContain('1974');
    expect(await page.locator('ol.hits > li').count()).toBe(5);
    await answered(QUESTION);
    expect(await page.locator('whorl-answer a.cite[href="#source-1"]').count()).toBe(3);
    const underlined = page.locator('whorl-answer mark.unsure');
    expect(await underlined.count()).toBe(1);
    expect(await underlined.innerText()).toContain('A circus painted it bright pink in 1974');
    const line = await underlined.evaluate((mark) => getComputedStyle(mark).textDecorationLine);
    expect(line).toBe('underline');
    const verdict = await page.locator('.verdict').innerText();
    expect(verdict).toContain('2 of 3 sentences are backed by a source');
    expect(await page.locator('.offline').count()).toBe(0);
  });

  it('was made from exactly what the page shows as sent', async () => {
    await page.getByRole('button', { name: 'What was sent' }).click();
    const shown = await page.locator('dialog.sent[open] pre').allTextContents();
    await page.keyboard.press('Escape');
    const sent = upstream.requests.at(-1)?.body as MessagesBody | undefined;
    expect(shown).toEqual([sent?.system, ...(sent?.messages ?? []).map(({ content }) => content)]);
    expect(await page.content()).not.toContain(upstream.key);
  });

  it('is there after a reload with its rating, its line, and the same time', async () => {
    const helpful = page.locator('.verdict').getByRole('button', { name: 'Helpful', exact: true });
    await helpful.click();
    await expect.poll(() => helpful.getAttribute('aria-pressed')).toBe('true');
    await expect.poll(() => page.locator('aside dl').innerText()).toMatch(/Rated by you\s+1/);
    const before = await page.locator('.turn > .meta').innerText();
    await page.reload();
    await answered(QUESTION);
    expect(await helpful.getAttribute('aria-pressed')).toBe('true');
    expect(await page.locator('whorl-answer mark.unsure').count()).toBe(1);
    expect(await page.locator('.turn > .meta').innerText()).toBe(before);
    await untilReady();
  });
});

describe('an answer that does not come to its end', () => {
  it('is stopped by the button: upstream too, and nothing is kept', async () => {
    const turns = await dots();
    upstream.use({ text: ANSWER.repeat(20), delayMs: 60, deltaLength: 4 });
    await ask('Tell me a very long story about eels');
    await page.locator('.answer', { hasText: 'The Eel' }).waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await ended('a very long story', 'You stopped this answer. It was not kept.');
    const request = upstream.requests.at(-1);
    await request?.over;
    expect(request?.disconnected).toBe(true);
    expect(await page.locator('.answer').innerText()).toContain('The Eel');
    expect(await dots()).toBe(turns);
    await page.reload();
    await answered(QUESTION);
    expect(await dots()).toBe(turns);
    await untilReady();
  });

  it.each([
    ['max_tokens', 'This answer reached its longest length. It was not kept.'],
    ['refusal', 'Claude declined to answer. Nothing was kept.'],
  ] as const)('is no turn when it ends by %s', async (stopReason, words) => {
    const turns = await dots();
    upstream.use({ text: 'The Eel and Lantern stands', stopReason });
    await ask(`Which inn ends by ${stopReason}?`);
    await ended(stopReason, words);
    expect(await dots()).toBe(turns);
    expect(await problem().count()).toBe(0);
  });

  it.each(['cut', 'end', 'error'] as const)(
    'is no turn when its stream has a fault: %s',
    async (kind) => {
      const turns = await dots();
      upstream.use({ text: ANSWER, fault: { kind, after: 6 } });
      await ask(`Which inn breaks by ${kind}?`);
      await ended(`by ${kind}`, 'This answer was cut. It was not kept.');
      expect(await problem().getByRole('button', { name: 'Try again' }).count()).toBe(1);
      expect(await page.locator('.answer').innerText()).toContain('The Eel and Lantern');
      expect(await dots()).toBe(turns);
    },
  );

  it('was never begun when Claude is overloaded: words, and one button that works', async () => {
    const turns = await dots();
    upstream.use({ status: 529 });
    await ask('Which inn is too busy?');
    await ended('too busy', 'This question was not answered.');
    expect(await problem().innerText()).toContain(
      'Claude has too much to do right now. Nothing was lost. Ask again in a moment.',
    );
    expect(await problem().locator('.button:not(.icon-only)').count()).toBe(1);
    expect(await page.locator('.again').count()).toBe(0);
    upstream.use(ANSWER);
    await problem().getByRole('button', { name: 'Try again' }).click();
    await answered('too busy');
    expect(await problem().count()).toBe(0);
    expect(await dots()).toBe(turns + 1);
  });

  it('leaves no complaint in the console but the statuses that were scripted', () => {
    expect(complaints.filter((line) => !/Failed to load resource.* 529/.test(line))).toEqual([]);
  });
});
