import { afterEach, describe, expect, it } from 'vitest';
import { userEvent } from 'vitest/browser';
import '../../src/app/styles/base.css';
import '../../src/app/styles/shell.css';
import '../../src/app/styles/turn.css';
import '../../src/app/styles/pages.css';
import type { StopReason } from '../../src/loop/types.ts';
import { WhorlError } from '../../src/shared/errors.ts';
import type { FakeScript } from '../fakes/app-engine.ts';
import { type Mounted, type MountOptions, mountApp, settle } from '../fakes/app-mount.ts';

let mounted: Mounted | null = null;

async function open(options: Partial<MountOptions> = {}): Promise<Mounted> {
  mounted = await mountApp({ language: 'en', theme: 'light', ...options });
  return mounted;
}

afterEach(async () => {
  await mounted?.unmount();
  mounted = null;
});

const one = <E extends Element>(selector: string): E => {
  const found = document.querySelector<E>(selector);
  if (!found) throw new Error(`There is no ${selector}.`);
  return found;
};

const box = () => one<HTMLTextAreaElement>('textarea[name=question]');

async function ask(question: string): Promise<void> {
  await userEvent.fill(box(), question);
  await userEvent.keyboard('{Enter}');
  await settle();
}

describe('asking', () => {
  it('goes from the box to an answer with an address of its own', async () => {
    const { session } = await open();
    await ask('Where do sailors sing?');
    expect(box().value).toBe('');
    expect(location.hash).toBe('#turn/turn-1');
    expect(one('h1').textContent).toBe('Where do sailors sing?');
    expect(one('.verdict').textContent).toContain('2 of 3 sentences are backed by a source');
    expect(one('mark.unsure').textContent).toContain('Both stay open all night.');
    expect(session.state.running).toBeNull();
  });

  it('keeps Enter for the input method and Shift+Enter for a line', async () => {
    const { engine } = await open();
    await userEvent.fill(box(), '雨の夜');
    box().dispatchEvent(
      new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true }),
    );
    await settle();
    expect(engine.turnsStored).toHaveLength(0);
    await userEvent.keyboard('{Shift>}{Enter}{/Shift}');
    expect(box().value).toBe('雨の夜\n');
    await userEvent.keyboard('{Enter}');
    await settle();
    expect(engine.turnsStored[0]?.question).toBe('雨の夜');
  });

  it('streams into a busy region that is not live, and says the end once', async () => {
    let go = (): void => {};
    const wait = new Promise<void>((resolve) => {
      go = resolve;
    });
    let pieces = 0;
    await open({ script: { pause: () => (++pieces === 2 ? wait : Promise.resolve()) } });
    await ask('Slowly?');
    const answer = one('.answer');
    expect(answer.getAttribute('aria-busy')).toBe('true');
    expect(answer.closest('[aria-live], [role=status], [role=log]')).toBeNull();
    expect(answer.textContent).toContain('is the place');
    expect(one('.app ~ [role=status]').textContent).toBe('');
    expect(document.activeElement).toBe(box());
    go();
    await settle();
    expect(one('.app ~ [role=status]').textContent).toBe(
      'The answer is ready. 2 of 3 sentences are backed by a source',
    );
  });

  it('stops on the button, keeps what came, and asks again', async () => {
    let isFirst = true;
    const script: MountOptions['script'] = {
      pause: (signal) =>
        isFirst && signal
          ? new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
          : Promise.resolve(),
    };
    const { engine } = await open({ script });
    await ask('Long?');
    await userEvent.click(one('.go.stop'));
    await settle();
    expect(one('.turn .meta').textContent).toContain('You stopped this answer. It was not kept.');
    expect(engine.turnsStored).toHaveLength(0);
    isFirst = false;
    await userEvent.click(one('.again button'));
    await settle();
    expect(engine.turnsStored).toHaveLength(1);
  });

  it('says what happened, what was kept, and has one button', async () => {
    let isBroken = true;
    await open({
      script: {
        onAsk: () => {
          if (isBroken) throw Object.assign(new Error('x'), { name: 'AbortError' });
        },
      },
    });
    await ask('Now?');
    expect(one('.problem').getAttribute('role')).toBe('alert');
    expect(one('.problem').textContent).toContain('What was saved is untouched.');
    expect(document.querySelectorAll('.problem .button:not(.icon-only)')).toHaveLength(1);
    expect(document.querySelector('.again')).toBeNull();
    isBroken = false;
    await userEvent.click(one('.problem .button:not(.icon-only)'));
    await settle();
    expect(document.querySelector('.problem')).toBeNull();
    expect(location.hash).toBe('#turn/turn-1');
  });
});

describe('an answer that is not kept', () => {
  it('is no turn: nothing to rate, no dot, no address, and asked again by one button', async () => {
    const script = { draft: 'max_tokens' as StopReason | undefined };
    const { engine } = await open({ script: script as Partial<FakeScript> });
    await ask('Long?');
    expect(one('.turn .meta').textContent).toContain(
      'This answer reached its longest length. It was not kept.',
    );
    expect(one('whorl-answer').textContent).toContain('Both stay open all night.');
    expect(one('.app ~ [role=status]').textContent).toContain('It was not kept.');
    expect(document.querySelectorAll('main .thumb')).toHaveLength(0);
    expect(document.querySelectorAll('.spiral a.dot')).toHaveLength(0);
    expect(location.hash).toBe('#ask');
    Object.assign(engine.script, { draft: undefined });
    await userEvent.click(one('.again button'));
    await settle();
    expect(location.hash).toBe('#turn/turn-1');
  });

  it('says that the question was not answered where not a word had come', async () => {
    let isBroken = true;
    await open({
      script: {
        onAsk: () => {
          if (isBroken) throw new WhorlError('overloaded', 'Overloaded.');
        },
      },
    });
    await ask('Now?');
    expect(one('.turn .meta').textContent?.trim()).toBe('This question was not answered.');
    expect(one('.problem').textContent).toContain('Claude has too much to do right now.');
    isBroken = false;
    one<HTMLButtonElement>('.problem .button:not(.icon-only)').focus();
    await userEvent.keyboard('{Enter}');
    await settle();
    expect(location.hash).toBe('#turn/turn-1');
    expect(document.activeElement).toBe(one('main'));
  });

  it('takes its problem away when another turn is opened', async () => {
    let isBroken = false;
    const { show } = await open({
      script: {
        onAsk: () => {
          if (isBroken) throw new WhorlError('overloaded', 'Overloaded.');
        },
      },
    });
    await ask('First?');
    isBroken = true;
    await ask('Now?');
    await show('#records');
    expect(document.querySelectorAll('.problem')).toHaveLength(1);
    await show('#turn/turn-1');
    expect(document.querySelectorAll('.problem')).toHaveLength(0);
    expect(one('h1').textContent).toBe('First?');
  });

  it('leaves the focus on the button that stopped it, and sends nothing with that press', async () => {
    const script: MountOptions['script'] = {
      pause: (signal) =>
        new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
    };
    const { engine, session } = await open({ script });
    await ask('Long?');
    await userEvent.fill(box(), 'The next one');
    one<HTMLButtonElement>('.go.stop').focus();
    await userEvent.keyboard('{Enter}');
    await settle();
    expect(document.activeElement).toBe(one('.go'));
    expect(one('.go').textContent?.trim()).toBe('Ask');
    expect(session.state.running?.state).toBe('stopped');
    expect(box().value).toBe('The next one');
    expect(engine.turnsStored).toHaveLength(0);
  });
});

describe('sources', () => {
  it('are jumped to, lit, opened and focused from a citation; the address stays', async () => {
    await open();
    await ask('Where?');
    const before = location.hash;
    const cite = one<HTMLAnchorElement>('a.cite[href="#source-2"]');
    expect(cite.getAttribute('aria-label')).toMatch(/^Source 2: ./);
    cite.focus();
    await userEvent.keyboard('{Enter}');
    await settle();
    const source = one('#source-2');
    expect(document.activeElement).toBe(source);
    expect(source.classList.contains('lit')).toBe(true);
    expect(source.querySelector('details')?.open).toBe(true);
    expect(location.hash).toBe(before);
    const { top, bottom } = source.getBoundingClientRect();
    expect(top).toBeGreaterThanOrEqual(0);
    expect(bottom).toBeLessThanOrEqual(window.innerHeight);
  });

  it('have one score, its parts, and why feedback moved them', async () => {
    await open();
    await ask('Where?');
    const first = one('#source-1');
    expect(first.querySelector('.score')?.textContent).toMatch(
      /similarity 0\.55, words 0\.\d\d, learnt 0\.12/,
    );
    expect(first.querySelector('.why')?.textContent).toContain(
      'Up 2 places: you chose it, or one close to it, for “somewhere cosy for a small guest”',
    );
    const widths = [...first.querySelectorAll('.bar rect:not(.track)')].map((rect) =>
      Number(rect.getAttribute('width')),
    );
    expect(widths.every((width) => width >= 0 && width <= 104)).toBe(true);
    expect(widths[0]).toBeCloseTo((0.55 / 1.3) * 104, 3);
  });

  it.each([
    ['a record that was left and rose', { places: 2, liked: false }],
    ['a liked record that fell', { places: -1, liked: true }],
    ['a record that was left and stayed', { places: 0, liked: false }],
  ])('say no reason that speaks against itself: %s', async (_, change) => {
    await open({ script: { why: change } });
    await ask('Where?');
    expect(document.querySelectorAll('.hit')).toHaveLength(5);
    expect(document.querySelectorAll('.why')).toHaveLength(0);
  });

  it('are called liked only where the person said so', async () => {
    const { session } = await open();
    await ask('Where?');
    const first = session.state.turns[0]?.turn.hits[0]?.id ?? '';
    await session.rateHit('turn-1', first, 'up');
    await settle();
    expect(one('#source-1 .why').textContent).toContain('Up 2 places: you liked it for “');
    await session.rateHit('turn-1', first, 'down');
    await settle();
    expect(one('#source-1 .why').textContent).toContain('you chose it, or one close to it, for “');
  });

  it('are rated by a press, and taken back by another', async () => {
    const { engine } = await open();
    await ask('Where?');
    const up = one<HTMLButtonElement>('#source-1 .thumb.up');
    await userEvent.click(up);
    await settle();
    expect(up.getAttribute('aria-pressed')).toBe('true');
    expect(Object.values(engine.turnsStored[0]?.hitVotes ?? {})).toEqual(['up']);
    await userEvent.click(up);
    await settle();
    expect(up.getAttribute('aria-pressed')).toBe('false');
    expect(Object.values(engine.turnsStored[0]?.hitVotes ?? {})).toEqual([null]);
  });
});

describe('what was sent', () => {
  it('is the prompt exactly, in a dialog that gives the focus back', async () => {
    const { engine } = await open();
    await ask('Where?');
    const button = one<HTMLButtonElement>('.verdict [aria-haspopup]');
    button.focus();
    await userEvent.keyboard('{Enter}');
    const dialog = one<HTMLDialogElement>('dialog.sent');
    expect(dialog.open).toBe(true);
    const shown = [...dialog.querySelectorAll('pre')].map((pre) => pre.textContent);
    const { system, messages } = engine.turnsStored[0]!.prompt;
    expect(shown).toEqual([system, ...messages.map(({ content }) => content)]);
    await userEvent.keyboard('{Escape}');
    expect(dialog.open).toBe(false);
    expect(document.activeElement).toBe(button);
  });

  it('says that nothing left the device when the answer is quoted', async () => {
    await open({ script: { extractive: true } });
    await ask('Where?');
    expect(one('.offline').textContent).toBe('Offline answer: sentences quoted from your records.');
    expect(one('dialog.sent').textContent).toContain('Nothing left this device');
  });
});

describe('the spiral', () => {
  it('leads back to any turn, with one tab stop and arrow keys', async () => {
    const { show } = await open();
    for (const question of ['First?', 'Second?', 'Third?']) await ask(question);
    const dots = [...document.querySelectorAll<SVGAElement>('.spiral a.dot')];
    expect(dots.map((dot) => dot.getAttribute('tabindex'))).toEqual(['-1', '-1', '0']);
    expect(dots[0]?.getAttribute('aria-label')).toBe(
      'Turn 1: First?. 2 of 3 sentences are backed by a source. unrated',
    );
    expect(dots[2]?.classList.contains('last')).toBe(true);
    dots[2]?.focus();
    await userEvent.keyboard('{ArrowLeft}{ArrowLeft}{ArrowLeft}');
    expect(document.activeElement).toBe(dots[0]);
    await userEvent.keyboard('{Enter}');
    await settle();
    expect(location.hash).toBe('#turn/turn-1');
    expect(one('h1').textContent).toBe('First?');
    await show('#turn/never');
    expect(one('main').textContent).toContain('This turn is not on this device.');
  });

  it('names no trust before the first rating, and a number after it', async () => {
    const { session } = await open();
    await ask('First?');
    const trust = () => [...document.querySelectorAll('aside dd')].at(-1)?.textContent;
    expect(trust()).toBe('not yet known');
    await session.rate('turn-1', 'up');
    await settle();
    expect(trust()).toBe('0.82');
  });

  it('has a twin in words', async () => {
    const { show, session } = await open();
    await ask('First?');
    await session.rate('turn-1', 'down');
    await show('#learning');
    const cells = [...document.querySelectorAll('tbody tr > *')].map((cell) =>
      cell.textContent?.trim(),
    );
    expect(cells.slice(0, 4)).toEqual(['1', 'First?', '2/3', 'disliked']);
    await userEvent.click(one('tbody a'));
    await settle();
    expect(location.hash).toBe('#turn/turn-1');
  });
});

describe('records', () => {
  it('are filtered, added and deleted by keyboard', async () => {
    const { show, engine } = await open();
    await show('#records');
    await userEvent.fill(one('input[type=search]'), 'horseradish');
    expect(document.querySelectorAll('.record')).toHaveLength(1);
    await userEvent.fill(one('input[type=search]'), '');
    one<HTMLButtonElement>('.bar-head button').focus();
    await userEvent.keyboard('{Enter}');
    expect(document.activeElement).toBe(one('input[name=name]'));
    await userEvent.keyboard('The Oak{Tab}Bath{Tab}Nobody{Tab}{Tab}It has one table.');
    await userEvent.click(one('.record-form [type=submit]'));
    await settle();
    expect(engine.rows.at(-1)).toMatchObject({ name: 'The Oak', location: 'Bath', lang: 'en' });
    await userEvent.fill(one('input[type=search]'), 'oak bath');
    const remove = one<HTMLButtonElement>('.record .remove');
    expect(remove.getAttribute('aria-label')).toBe('Delete “The Oak”');
    await userEvent.click(remove);
    await settle();
    expect(document.activeElement?.textContent?.trim()).toBe('Keep');
    expect(engine.rows.at(-1)?.name).toBe('The Oak');
    await userEvent.click(one('.sure .danger'));
    await settle();
    expect(engine.rows.some((row) => row.name === 'The Oak')).toBe(false);
    expect(one('.app ~ [role=status]').textContent).toBe('“The Oak” is deleted.');
  });
});

describe('before the model is ready', () => {
  it('searches while one types, and says so', async () => {
    await open({ isWaiting: true });
    expect(one('#composer-note').textContent).toBe('Searching by words until the model is ready');
    await userEvent.fill(box(), 'horseradish');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(one('.cards h2').textContent).toContain('The Eel and Lantern');
  });
});

describe('preferences', () => {
  it('change words, lang and colours at once', async () => {
    const { show } = await open();
    await show('#status');
    await userEvent.selectOptions(one('.settings select'), 'ja');
    await settle();
    expect(document.documentElement.lang).toBe('ja');
    expect(one('nav a').textContent).toBe('質問');
    await show('#ask');
    const picker = one<HTMLSelectElement>('.side select');
    expect(picker.labels?.[0]?.textContent).toContain('言語');
    expect(picker.getBoundingClientRect().width).toBeGreaterThanOrEqual(36);
    await show('#status');
    await userEvent.click(one('input[value=dark]'));
    await settle();
    expect(getComputedStyle(document.body).backgroundColor).toBe('rgb(20, 22, 26)');
  });
});

describe('targets', () => {
  it('are 36 pixels and more', async () => {
    const { show } = await open();
    await ask('Where?');
    for (const hash of ['#ask', '#records', '#learning', '#status']) {
      await show(hash);
      const small = [...document.querySelectorAll('button, select, input, nav a')]
        .map((element) => ({ element, box: element.getBoundingClientRect() }))
        .filter(({ element }) => element.getAttribute('type') !== 'radio')
        .filter(({ box: { width, height } }) => width > 0 && (width < 36 || height < 36));
      expect(small.map(({ element }) => element.outerHTML)).toEqual([]);
    }
  });
});
