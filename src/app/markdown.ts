/**
 * A model's answer as DOM. The text is untrusted: it is parsed as Markdown, reduced to an allow-list
 * of elements and attributes, and its links are made plain. What comes out can run nothing, load
 * nothing, and clobber nothing.
 *
 * The only file that touches DOMPurify; the result is a fragment, so no HTML string reaches a sink.
 */
import DOMPurify, { type Config } from 'dompurify';
import { Marked, type Token } from 'marked';

/** Longest answer that is rendered as Markdown, in UTF-16 units; beyond it, plain text. */
export const MAX_MARKDOWN = 40_000;

/**
 * Most marks of one kind (emphasis, brackets, backticks, angles). Marked matches emphasis in
 * quadratic time: 16,000 marks take 9 s, 1,000 take .04 s. No answer has a tenth of that.
 */
const MAX_MARKS = 1_000;

/** Deepest nesting of quotes and lists; deeper text is shown as it is. */
const MAX_DEPTH = 32;

const TAGS = [
  ...['p', 'strong', 'em', 'code', 'pre', 'ul', 'ol', 'li', 'blockquote', 'br'],
  ...['h3', 'h4', 'h5', 'h6', 'a'],
];

const PROFILE: Config & { RETURN_DOM_FRAGMENT: true } = {
  ALLOWED_TAGS: TAGS,
  ALLOWED_ATTR: ['href'],
  ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:)/i,
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  ALLOW_UNKNOWN_PROTOCOLS: false,
  SANITIZE_NAMED_PROPS: true,
  RETURN_DOM_FRAGMENT: true,
};

/**
 * Link definitions (`[1]: https://...`) would turn citations into links, images would vanish with
 * their words, and tables are not in the profile: their source text is kept instead.
 */
const marked = new Marked({
  async: false,
  gfm: true,
  breaks: true,
  tokenizer: { def: () => undefined, table: () => undefined },
  renderer: { image: ({ text }) => escapeHtml(text), hr: () => '', checkbox: () => '' },
  walkTokens: lowerHeadings,
});

/** Answers start below the page's own headings: `#` is level 3. */
function lowerHeadings(token: Token): void {
  if (token.type === 'heading') token.depth = Math.min(6, token.depth + 2);
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** The answer as sanitised DOM. Total for any string: what cannot be parsed is shown as text. */
export function renderMarkdown(text: string): DocumentFragment {
  if (text.length > MAX_MARKDOWN || hasTooManyMarks(text) || isTooDeep(text)) return plain(text);
  const fragment = DOMPurify.sanitize(parse(text), PROFILE);
  for (const link of fragment.querySelectorAll('a')) tameLink(link);
  return fragment;
}

function parse(text: string): string {
  try {
    return marked.parse(text, { async: false });
  } catch {
    // Marked throws on nothing that is known; a person must still see the answer.
    return escapeHtml(text);
  }
}

function plain(text: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  for (const part of text.split(/\n{2,}/)) {
    const paragraph = document.createElement('p');
    paragraph.textContent = part;
    fragment.append(paragraph);
  }
  return fragment;
}

function hasTooManyMarks(text: string): boolean {
  return [/[*_]+/g, /\[/g, /`+/g, /</g].some((mark) => (text.match(mark)?.length ?? 0) > MAX_MARKS);
}

/** Nested quotes and lists cost the parser a call each; a line of thousands of `>` is no answer. */
function isTooDeep(text: string): boolean {
  const opening = /^(?:[ \t]*(?:>|[-*+][ \t]|\d{1,9}[.)][ \t]))*/gm;
  for (const [line] of text.matchAll(opening)) {
    if ((line.match(/>|[-*+]|\d+[.)]/g)?.length ?? 0) > MAX_DEPTH) return true;
    if (line.replace(/[^\t ]/g, '').length > MAX_DEPTH * 8) return true;
  }
  return false;
}

/**
 * A link says where it goes, loses query and fragment (which could carry what was in the prompt
 * away), and tells the target nothing. A link that is no URL becomes its text.
 */
function tameLink(link: HTMLAnchorElement): void {
  const target = targetOf(link.getAttribute('href'));
  if (!target) {
    link.replaceWith(...link.childNodes);
    return;
  }
  target.search = '';
  target.hash = '';
  target.username = '';
  target.password = '';
  link.setAttribute('href', target.href);
  link.setAttribute('rel', 'noopener noreferrer nofollow');
  link.setAttribute('referrerpolicy', 'no-referrer');
  link.setAttribute('target', '_blank');
  const host = target.protocol === 'mailto:' ? target.pathname : target.host;
  if (link.textContent?.trim() !== host) {
    const shown = document.createElement('span');
    shown.className = 'host';
    shown.textContent = ` (${host})`;
    link.append(shown);
  }
}

function targetOf(href: string | null): URL | null {
  if (href === null || !URL.canParse(href)) return null;
  const url = new URL(href);
  return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url : null;
}
