/**
 * `<whorl-answer>`: a model's answer with its marks, also while it streams. Blocks that did not
 * change since the last picture stay as they are, so that a selection or the focus survives.
 */
import { type PropertyValues, ReactiveElement } from 'lit';
import type { SentenceVerdict } from '../loop/types.ts';
import { renderMarkdown } from './markdown.ts';
import { type CitationTarget, markCitations, markUnsupported } from './marks.ts';

export interface AnswerContent {
  readonly text: string;
  /** Empty while the answer streams. */
  readonly sentences: readonly SentenceVerdict[];
  readonly target: (n: number) => CitationTarget;
  /** Said after an unsupported sentence. */
  readonly hint: string;
  /** Introduces unsupported sentences that cannot be marked in place. */
  readonly elsewhere: string;
}

export class AnswerElement extends ReactiveElement {
  static override properties = { content: { attribute: false } };
  declare content: AnswerContent | null;

  constructor() {
    super();
    this.content = null;
  }

  protected override createRenderRoot(): this {
    return this;
  }

  protected override update(changed: PropertyValues): void {
    super.update(changed);
    const next = this.content ? compose(this.content) : document.createDocumentFragment();
    replaceChanged(this, next);
  }
}

/** The answer as it is shown: sanitised, then marked. */
export function compose(content: AnswerContent): DocumentFragment {
  const fragment = renderMarkdown(content.text);
  const missed = markUnsupported(fragment, content.sentences, content.hint);
  for (const sentence of missed) {
    const note = document.createElement('p');
    note.className = 'unsure-note';
    note.textContent = `${content.elsewhere} ${sentence}`;
    fragment.append(note);
  }
  markCitations(fragment, content.target);
  return fragment;
}

function replaceChanged(host: Element, next: DocumentFragment): void {
  const wanted = [...next.childNodes];
  const present = [...host.childNodes];
  let same = 0;
  while (same < wanted.length && present[same]?.isEqualNode(wanted[same] ?? null)) same += 1;
  for (const old of present.slice(same)) old.remove();
  host.append(...wanted.slice(same));
}
