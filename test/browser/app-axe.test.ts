import axe from 'axe-core';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import '../../src/app/styles/base.css';
import '../../src/app/styles/shell.css';
import '../../src/app/styles/turn.css';
import '../../src/app/styles/pages.css';
import { LANGUAGES } from '../../src/app/language.ts';
import { type Mounted, mountApp, settle } from '../fakes/app-mount.ts';

let mounted: Mounted | null = null;

beforeAll(() => {
  document.title = 'Whorl';
});
afterEach(async () => {
  await mounted?.unmount();
  mounted = null;
});

async function violations(): Promise<string[]> {
  const { violations: found } = await axe.run(document, {
    resultTypes: ['violations'],
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    // The test page is the runner's; its own frame has no landmarks to speak of.
    rules: { 'page-has-heading-one': { enabled: true } },
  });
  return found.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(' | ')}`);
}

describe('axe', () => {
  it('finds what is wrong', async () => {
    const bad = document.createElement('main');
    bad.innerHTML = '<button></button><input>';
    document.body.append(bad);
    const found = await violations();
    bad.remove();
    expect(found.some((one) => one.startsWith('button-name'))).toBe(true);
  });

  for (const language of LANGUAGES) {
    for (const theme of ['light', 'dark'] as const) {
      it(`finds nothing in ${language}, ${theme}`, async () => {
        mounted = await mountApp({ language, theme });
        const { session, show } = mounted;
        const found: Record<string, string[]> = {};
        found.welcome = await violations();
        session.submit('Where do sailors sing?');
        await settle();
        await session.rate(session.state.turns[0]?.turn.id ?? '', 'up');
        await settle();
        found.turn = await violations();
        document.querySelector<HTMLButtonElement>('.verdict [aria-haspopup]')?.click();
        await settle();
        found.sent = await violations();
        document.querySelector<HTMLDialogElement>('dialog')?.close();
        for (const view of ['records', 'learning', 'status'] as const) {
          await show(`#${view}`);
          found[view] = await violations();
        }
        await show('#records');
        document.querySelector<HTMLButtonElement>('.bar-head button')?.click();
        document.querySelector<HTMLButtonElement>('.record .remove')?.click();
        await settle();
        found.form = await violations();
        const none = Object.fromEntries(Object.keys(found).map((key) => [key, []]));
        expect(found).toEqual(none);
      });
    }
  }

  it('finds nothing while the model loads, in search, and in a problem', async () => {
    mounted = await mountApp({ language: 'en', theme: 'light', isWaiting: true });
    const found = [...(await violations())];
    await mounted.session.search('horseradish');
    await settle();
    found.push(...(await violations()));
    mounted.breakModel();
    await settle();
    expect(document.querySelector('.problem')).not.toBeNull();
    found.push(...(await violations()));
    expect(found).toEqual([]);
  });
});
