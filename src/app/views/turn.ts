/**
 * A stored turn: question, answer with its marks, verdict in words, rating, sources, what was sent.
 */
import { html, nothing, type TemplateResult } from 'lit';
import type { TurnRecord } from '../../loop/types.ts';
import { icons } from '../icons.ts';
import { tagOf } from '../language.ts';
import type { TurnItem } from '../state.ts';
import { citationTargets, hitList, thumbs } from './hits.ts';
import { type Scene, verdictParts } from './scene.ts';

export function turnView(scene: Scene, item: TurnItem): TemplateResult {
  const { words } = scene;
  const { turn } = item;
  return html`<article class="turn" data-turn=${turn.id}>
    <p class="meta">${metaText(scene, item)}</p>
    <h1 class="question" lang=${tagOf(turn.question)}>${turn.question}</h1>
    <section class="answer" aria-label=${words.turn.answer}>
      ${turn.extractive ? html`<p class="offline">${icons.offline}<span>${quotedText(scene, turn)}</span></p>` : nothing}
      <whorl-answer lang=${tagOf(turn.answer)} .content=${{
        text: turn.answer,
        sentences: turn.verdict.sentences,
        target: citationTargets(scene, sentHits(turn)),
        hint: words.turn.unsupported,
        elsewhere: words.turn.notPlaced,
      }}></whorl-answer>
      ${verdictBar(scene, item)}
    </section>
    ${
      turn.hits.length > 0
        ? hitList(scene, turn.hits, item)
        : html`<p class="empty">${words.turn.noSources}</p>`
    }
    ${sentDialog(scene, turn)}
  </article>`;
}

/** That the answer is quoted, and why, where the loop knows it. */
function quotedText({ words }: Scene, { instead }: TurnRecord): string {
  if (instead === undefined) return words.turn.offline;
  return instead.code === 'no_key' ? words.turn.offlineNoKey : words.turn.offlineAway;
}

/** Hits in the order of the numbers that were sent: number n is at n - 1. */
function sentHits(turn: TurnRecord): TurnRecord['hits'] {
  const byId = new Map(turn.hits.map((hit) => [hit.id, hit]));
  const sent = [...turn.prompt.sources].sort((a, b) => a.number - b.number);
  const inOrder = sent.every((source, index) => turn.hits[index]?.id === source.id);
  if (inOrder) return turn.hits.slice(0, sent.length);
  return sent.flatMap((source) => byId.get(source.id) ?? []);
}

function metaText({ state, words, format }: Scene, item: TurnItem): string {
  const { turn } = item;
  const number = state.turns.indexOf(item) + 1;
  const { embed, retrieve, generate, evaluate } = turn.timings;
  // Until the answer stood there. A record cannot hold how long its own storing took, so with that
  // stage the number would be another one after a reload.
  const answered = embed + retrieve + generate + evaluate;
  return [
    words.turn.number(number),
    words.turn.answeredIn(format.duration(answered)),
    words.turn.retrieval(format.duration(embed + retrieve)),
    turn.retrieval === 'lexical' ? words.turn.byWordsOnly : '',
    format.moment(turn.at),
  ]
    .filter(Boolean)
    .join(' · ');
}

function verdictBar(scene: Scene, item: TurnItem): TemplateResult {
  const { words, session } = scene;
  const { verdict } = item.turn;
  const { strong, rest } = verdictParts(words, item);
  return html`<div class="verdict">
    <p>
      <span><b>${strong}</b>${rest}</span>
      ${verdict.citationValidity < 1 ? html`<span class="bad">${icons.warn} ${words.verdict.badCitations}</span>` : nothing}
      <span class="decision" title=${verdict.reason}>${words.verdict.decision[verdict.decision]}</span>
    </p>
    <div class="actions">
      <button class="button quiet" aria-haspopup="dialog" @click=${openSent}>${icons.letter} ${words.sent.open}</button>
      <button class="button quiet icon-only" aria-label=${words.turn.askAgain} title=${words.turn.askAgain}
        @click=${() => scene.ask(item.turn.question)}>${icons.retry}</button>
      ${thumbs(scene, item.vote, words.rate.answer, (vote) => void session.rate(item.turn.id, vote))}
    </div>
  </div>`;
}

function openSent(event: Event): void {
  const turn = (event.currentTarget as Element).closest('.turn');
  turn?.querySelector<HTMLDialogElement>('dialog.sent')?.showModal();
}

function sentDialog(scene: Scene, turn: TurnRecord): TemplateResult {
  const { words, format } = scene;
  const { prompt } = turn;
  const close = (event: Event): void => (event.currentTarget as Element).closest('dialog')?.close();
  const closeOutside = (event: Event): void => {
    if (event.target === event.currentTarget) (event.currentTarget as HTMLDialogElement).close();
  };
  return html`<dialog class="sent" aria-labelledby="sent-title" @click=${closeOutside}>
    <div class="sheet">
      <header>
        <h2 id="sent-title">${words.sent.title}</h2>
        <button class="button quiet icon-only" aria-label=${words.sent.close} @click=${close}>${icons.close}</button>
      </header>
      <p>${turn.extractive ? words.sent.nowhere : words.sent.toClaude(turn.model)}</p>
      <p class="meta">${words.sent.tokens(format.count(prompt.tokens))}</p>
      <h3>${words.sent.system}</h3>
      <pre tabindex="0">${prompt.system}</pre>
      ${prompt.messages.map(
        ({ role, content }) => html`<h3>${words.sent[role]}</h3>
          <pre tabindex="0">${content}</pre>`,
      )}
    </div>
  </dialog>`;
}
