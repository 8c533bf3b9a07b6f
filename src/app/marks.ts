/**
 * Citations and unsupported sentences, marked in the rendered answer. Works on text nodes after
 * sanitising, so a mark is made by us and never by the model.
 *
 * Verdicts speak of offsets in the Markdown source, which rendering moves. A sentence is therefore
 * found again by its rendered letters, white space aside, in order.
 */
import type { SentenceVerdict } from '../loop/types.ts';
import { renderMarkdown } from './markdown.ts';

/** What a citation mark needs to know. */
export interface CitationTarget {
  /** Element id of the source; null when no source has this number. */
  readonly hash: string | null;
  readonly label: string;
}

const CITATION = /\[(\d{1,3}(?:\s*[,、，]\s*\d{1,3})*)\]/g;

interface Letters {
  /** All letters of the text nodes, without white space. */
  readonly text: string;
  /** For each UTF-16 unit of `text`: its node and offset. */
  readonly places: readonly { readonly node: Text; readonly offset: number }[];
}

function textNodes(root: Node): Text[] {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes: Text[] = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) nodes.push(node as Text);
  return nodes;
}

function lettersOf(root: Node): Letters {
  let text = '';
  const places: { node: Text; offset: number }[] = [];
  for (const node of textNodes(root)) {
    for (let offset = 0; offset < node.data.length; offset += 1) {
      const unit = node.data[offset] ?? '';
      if (/\s/.test(unit)) continue;
      text += unit;
      places.push({ node, offset });
    }
  }
  return { text, places };
}

/**
 * Wraps each unsupported sentence; `hint` is read to those who do not see the line. Returns the
 * sentences that could not be found in the rendered text, to be shown beside it: none is dropped.
 */
export function markUnsupported(
  root: Node,
  sentences: readonly SentenceVerdict[],
  hint: string,
): readonly string[] {
  const letters = lettersOf(root);
  const missed: string[] = [];
  const found: Letters['places'][number][][] = [];
  let from = 0;
  for (const sentence of sentences) {
    const wanted = lettersOf(renderMarkdown(sentence.text)).text;
    const at = wanted === '' ? -1 : letters.text.indexOf(wanted, from);
    if (at >= 0) from = at + wanted.length;
    if (sentence.state !== 'unsupported') continue;
    if (at < 0) missed.push(sentence.text);
    else found.push(letters.places.slice(at, from));
  }
  // From the last to the first, so that splitting a node leaves earlier offsets as they are.
  for (const places of found.reverse()) wrapPlaces(places, hint);
  return missed;
}

function wrapPlaces(places: Letters['places'], hint: string): void {
  const byNode = new Map<Text, { start: number; end: number }>();
  for (const { node, offset } of places) {
    const span = byNode.get(node);
    if (span) span.end = offset + 1;
    else byNode.set(node, { start: offset, end: offset + 1 });
  }
  const parts = [...byNode].reverse();
  for (const [index, [node, { start, end }]] of parts.entries()) {
    wrap(node, start, end, index === 0 ? hint : '');
  }
}

function wrap(node: Text, start: number, end: number, hint: string): void {
  const inner = node.splitText(start);
  inner.splitText(end - start);
  const mark = document.createElement('mark');
  mark.className = 'unsure';
  inner.replaceWith(mark);
  mark.append(inner);
  if (hint === '') return;
  const said = document.createElement('span');
  said.className = 'said';
  said.textContent = ` (${hint})`;
  mark.append(said);
}

/** Turns `[1]` and `[1, 2]` outside code into links to their sources. */
export function markCitations(root: Node, target: (n: number) => CitationTarget): void {
  for (const node of textNodes(root)) {
    if (node.parentElement?.closest('code, pre, a')) continue;
    const pieces = piecesOf(node.data, target);
    if (pieces.length > 0) node.replaceWith(...pieces);
  }
}

function piecesOf(data: string, target: (n: number) => CitationTarget): (string | Node)[] {
  const pieces: (string | Node)[] = [];
  let from = 0;
  for (const match of data.matchAll(CITATION)) {
    pieces.push(data.slice(from, match.index).replace(/[ \t]+$/, ''));
    const numbers = (match[1] ?? '').split(/\s*[,、，]\s*/).map(Number);
    pieces.push(...numbers.map((n) => citation(n, target(n))));
    from = match.index + match[0].length;
  }
  if (from > 0) pieces.push(data.slice(from));
  return pieces;
}

function citation(n: number, { hash, label }: CitationTarget): HTMLElement {
  const mark = document.createElement(hash === null ? 'span' : 'a');
  mark.className = hash === null ? 'cite cite-none' : 'cite';
  mark.textContent = String(n);
  mark.title = label;
  if (hash === null) return mark;
  mark.setAttribute('href', hash);
  mark.setAttribute('aria-label', label);
  return mark;
}
