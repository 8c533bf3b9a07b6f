import { afterEach, describe, expect, it } from 'vitest';
import { AnswerElement, compose } from '../../src/app/answer-element.ts';
import { MAX_MARKDOWN, renderMarkdown } from '../../src/app/markdown.ts';
import { markCitations, markUnsupported } from '../../src/app/marks.ts';
import type { SentenceVerdict } from '../../src/loop/types.ts';
import { HOSTILE } from '../fakes/hostile-markdown.ts';

/** `https://off.invalid` never resolves, but a request to it is seen by the resource timeline. */
const OFF = 'https://off.invalid/';

interface Watch {
  readonly executions: () => number;
  readonly requests: () => Promise<string[]>;
  readonly end: () => void;
}

/** Counts what a payload may reach: dialogs, a canary function, and requests to other origins. */
function watch(): Watch {
  let executions = 0;
  const hit = (): undefined => {
    executions += 1;
    return undefined;
  };
  const names = ['alert', 'confirm', 'prompt', 'print', 'pwned'] as const;
  const scope = window as unknown as Record<string, unknown>;
  const before = names.map((name) => [name, scope[name]] as const);
  for (const name of names) scope[name] = hit;
  performance.clearResourceTimings();
  const requests = async (): Promise<string[]> => {
    await new Promise((resolve) => setTimeout(resolve, 150));
    return performance
      .getEntriesByType('resource')
      .map((entry) => entry.name)
      .filter((name) => name.startsWith(OFF));
  };
  const end = (): void => {
    for (const [name, value] of before) scope[name] = value;
  };
  return { executions: () => executions, requests, end };
}

const ALLOWED = new Set(
  'P STRONG EM CODE PRE UL OL LI BLOCKQUOTE BR H3 H4 H5 H6 A SPAN'.split(' '),
);
const LINK = new Set(['href', 'rel', 'target', 'referrerpolicy']);

/** What is left of a payload that should not be. */
function residue(root: ParentNode): string[] {
  const found: string[] = [];
  for (const element of root.querySelectorAll('*')) {
    if (!ALLOWED.has(element.tagName)) found.push(`<${element.tagName}>`);
    for (const { name, value } of element.attributes) {
      const isHost = element.tagName === 'SPAN' && name === 'class' && value === 'host';
      const isLink = element.tagName === 'A' && LINK.has(name);
      if (!isHost && !isLink) found.push(`${element.tagName} ${name}=${value}`);
    }
    const href = element.getAttribute('href');
    if (href === null) continue;
    const url = new URL(href);
    if (!['http:', 'https:', 'mailto:'].includes(url.protocol)) found.push(`href ${href}`);
    if (url.search + url.hash + url.username + url.password !== '') found.push(`carries ${href}`);
    if (element.getAttribute('rel') !== 'noopener noreferrer nofollow') found.push(`rel ${href}`);
  }
  return found;
}

const place = document.createElement('div');
document.body.append(place);
afterEach(() => place.replaceChildren());

describe('the detector', () => {
  it('sees an execution and a request when nothing is sanitised', async () => {
    const seen = watch();
    place.innerHTML = `<img src="${OFF}x.png" onerror="pwned()">`;
    const requests = await seen.requests();
    await new Promise((resolve) => setTimeout(resolve, 300));
    seen.end();
    expect(requests.length + seen.executions()).toBeGreaterThan(0);
    expect(residue(place)).not.toEqual([]);
  });

  it('has payloads of every class, that do harm when they are not sanitised', () => {
    expect(HOSTILE.length).toBeGreaterThan(80);
    const raw = document.implementation.createHTMLDocument('');
    const harmful = HOSTILE.filter((payload) => {
      raw.body.innerHTML = payload;
      return raw.body.querySelector('*') !== null || /\]\(|\]:|<[a-z]/i.test(payload);
    });
    expect(harmful.length).toBeGreaterThan(HOSTILE.length * 0.9);
  });
});

describe('a hostile answer', () => {
  it('runs nothing, loads nothing, clobbers nothing', async () => {
    const seen = watch();
    const left: string[] = [];
    for (const payload of HOSTILE) {
      const answer = document.createElement('div');
      answer.append(renderMarkdown(payload));
      place.append(answer);
      for (const what of residue(answer)) left.push(`${what} <- ${payload}`);
    }
    const ids = [...place.querySelectorAll('[id],[name],[class]:not(.host)')];
    const requests = await seen.requests();
    seen.end();
    expect(left).toEqual([]);
    expect(ids).toEqual([]);
    expect(requests).toEqual([]);
    expect(seen.executions()).toBe(0);
  });

  it('does not either while it streams: every prefix', async () => {
    const seen = watch();
    const left: string[] = [];
    for (const payload of HOSTILE) {
      const text = `An inn. ${payload}\n\nAnd then.`;
      for (let end = 1; end <= Math.min(text.length, 400); end += 1) {
        const fragment = renderMarkdown(text.slice(0, end));
        left.push(...residue(fragment));
        if (end % 7 === 0) place.replaceChildren(fragment);
      }
    }
    const requests = await seen.requests();
    seen.end();
    expect(left).toEqual([]);
    expect(requests).toEqual([]);
    expect(seen.executions()).toBe(0);
  });

  it('cannot be made slow', () => {
    const bombs = [
      '>'.repeat(20_000),
      '- '.repeat(10_000),
      '['.repeat(20_000),
      '*a '.repeat(10_000),
      '**a_'.repeat(8_000),
      `${'`'.repeat(9_999)} a`,
      '![a]('.repeat(6_000),
      '<a '.repeat(9_000),
      Array.from({ length: 300 }, (_, n) => `${'  '.repeat(n)}- x`).join('\n'),
      'x'.repeat(MAX_MARKDOWN + 1),
    ];
    for (const bomb of bombs) {
      const start = performance.now();
      const fragment = renderMarkdown(bomb);
      expect(performance.now() - start, bomb.slice(0, 12)).toBeLessThan(1_500);
      expect(residue(fragment)).toEqual([]);
    }
  });
});

describe('an honest answer', () => {
  const html = (text: string): string => {
    const box = document.createElement('div');
    box.append(renderMarkdown(text));
    return box.innerHTML.trim();
  };

  it('keeps its shape', () => {
    expect(html('# An *inn*\n\n- one\n- **two**')).toBe(
      '<h3>An <em>inn</em></h3>\n<ul>\n<li>one</li>\n<li><strong>two</strong></li>\n</ul>',
    );
    expect(html('a | b\n--|--\n1 | 2')).toContain('1 | 2');
    expect(html('![the old bridge](https://off.invalid/x.png)')).toBe('<p>the old bridge</p>');
    expect(html('2 < 3 & 4 > 1')).toBe('<p>2 &lt; 3 &amp; 4 &gt; 1</p>');
  });

  it('says where a link goes and carries nothing there', () => {
    const box = document.createElement('div');
    box.append(renderMarkdown('[the house](https://inn.example/rooms?q=secret#part)'));
    const link = box.querySelector('a');
    expect(link?.href).toBe('https://inn.example/rooms');
    expect(link?.textContent).toBe('the house (inn.example)');
    expect(link?.rel).toBe('noopener noreferrer nofollow');
    expect(html('[run](javascript:alert(1))')).toBe('<p>run</p>');
  });

  it('does not let a definition turn citations into links', () => {
    const box = document.createElement('div');
    box.append(renderMarkdown('It has a fire [1].\n\n[1]: https://off.invalid/'));
    expect(box.querySelectorAll('a[href*="off.invalid"]').length).toBeLessThanOrEqual(1);
    expect(box.querySelector('p')?.textContent).toBe('It has a fire [1].');
  });
});

const target = (n: number) =>
  n <= 2 ? { hash: `#source-${n}`, label: `Source ${n}` } : { hash: null, label: `No source ${n}` };

const sentence = (text: string, state: SentenceVerdict['state']): SentenceVerdict => ({
  start: 0,
  end: text.length,
  text,
  state,
  cosine: null,
  recall: null,
  reason: '',
});

describe('marks', () => {
  it('turn numbers into links to their sources, outside code and links', () => {
    const box = document.createElement('div');
    box.append(renderMarkdown('Warm [1], dry [1, 2] and [9]. `a[1]` [x](https://a.example)[2]'));
    markCitations(box, target);
    const marks = [...box.querySelectorAll('.cite')];
    expect(marks.map((mark) => [mark.tagName, mark.textContent])).toEqual([
      ['A', '1'],
      ['A', '1'],
      ['A', '2'],
      ['SPAN', '9'],
      ['A', '2'],
    ]);
    expect(marks[0]?.getAttribute('aria-label')).toBe('Source 1');
    expect(box.querySelector('code')?.textContent).toBe('a[1]');
  });

  it('underline an unsupported sentence wherever its letters are', () => {
    const box = document.createElement('div');
    const text = 'The **Oak** is old [1]. It has *nine* rooms\nand a bath. It has nine rooms too.';
    box.append(renderMarkdown(text));
    const missed = markUnsupported(
      box,
      [
        sentence('The **Oak** is old [1].', 'grounded'),
        sentence('It has *nine* rooms\nand a bath.', 'unsupported'),
        sentence('It has nine rooms too.', 'grounded'),
      ],
      'no source',
    );
    expect(missed).toEqual([]);
    const marked = [...box.querySelectorAll('mark')].map((mark) => mark.textContent).join('|');
    expect(marked.replace(/\s+/g, ' ')).toBe('It has|nine|rooms|and a bath. (no source)');
    expect(box.querySelectorAll('mark .said')).toHaveLength(1);
  });

  it('mark the second of two equal sentences when it is the second that fails', () => {
    const box = document.createElement('div');
    box.append(renderMarkdown('It is warm.\n\nIt is warm.'));
    markUnsupported(
      box,
      [sentence('It is warm.', 'grounded'), sentence('It is warm.', 'unsupported')],
      'no',
    );
    const [first, second] = box.querySelectorAll('p');
    expect(first?.querySelector('mark')).toBeNull();
    expect(second?.querySelector('mark')?.textContent).toContain('It is warm.');
  });

  it('work without spaces between words', () => {
    const box = document.createElement('div');
    box.append(renderMarkdown('囲炉裏があります[1]。風呂は**三つ**です。'));
    const rest = markUnsupported(
      box,
      [
        sentence('囲炉裏があります[1]。', 'abstained'),
        sentence('風呂は**三つ**です。', 'unsupported'),
      ],
      '出典なし',
    );
    expect(rest).toEqual([]);
    expect(box.querySelectorAll('mark')).toHaveLength(3);
  });

  it('drop no sentence: what cannot be placed is shown beside the answer', () => {
    const fragment = compose({
      text: 'One.',
      sentences: [sentence('Never said.', 'unsupported')],
      target,
      hint: 'no source',
      elsewhere: 'No source says this:',
    });
    expect(fragment.querySelector('.unsure-note')?.textContent).toBe(
      'No source says this: Never said.',
    );
  });
});

describe('<whorl-answer>', () => {
  customElements.define('test-answer', AnswerElement);

  it('keeps finished blocks while the answer grows', async () => {
    const element = new AnswerElement();
    place.append(element);
    const content = { sentences: [], target, hint: '', elsewhere: '' };
    element.content = { ...content, text: 'First.\n\nSec' };
    await element.updateComplete;
    const [first, second] = element.querySelectorAll('p');
    element.content = { ...content, text: 'First.\n\nSecond [1]' };
    await element.updateComplete;
    const [again, grown] = element.querySelectorAll('p');
    expect(again).toBe(first);
    expect(grown).not.toBe(second);
    expect(grown?.querySelector('a.cite')?.textContent).toBe('1');
    element.content = null;
    await element.updateComplete;
    expect(element.childNodes).toHaveLength(0);
  });
});
