/**
 * What the loop has learnt: the spiral large, its text twin, and the numbers.
 */
import { html, nothing, type TemplateResult } from 'lit';
import type { LoopSummary } from '../../loop/types.ts';
import { icons } from '../icons.ts';
import { tagOf } from '../language.ts';
import { turnHash } from '../route.ts';
import { countSentences, type TurnItem } from '../state.ts';
import { type Scene, shownTurn, spiralTurns, voteText } from './scene.ts';

/** The spiral with its legend; on the Ask screen it stands beside the turn. */
export function spiralPanel(scene: Scene): TemplateResult {
  const { words, state } = scene;
  const isRunning = state.running?.state === 'running';
  return html`<whorl-spiral .turns=${spiralTurns(scene)} .current=${shownTurn(scene)?.turn.id ?? null}
      .isRunning=${isRunning} .label=${words.spiral.label(state.turns.length)}></whorl-spiral>
    ${
      state.turns.length === 0
        ? html`<p class="meta">${words.spiral.empty}</p>`
        : html`<p class="legend">
            <span class="key up">${words.spiral.liked}</span>
            <span class="key unrated">${words.spiral.unrated}</span>
            <span class="key down">${words.spiral.disliked}</span>
          </p>
          <p class="meta">${words.spiral.size}</p>`
    }`;
}

/**
 * The summary of the loop in numbers a person can read. Before the first rating the trust is a prior
 * and says nothing about the memory, so no number stands there.
 */
export function summaryList(scene: Scene): TemplateResult | typeof nothing {
  const { state, words } = scene;
  const { summary } = state;
  if (!summary) return nothing;
  const row = (key: keyof LoopSummary, value: string) =>
    html`<dt>${words.learning.summary[key]}</dt><dd>${value}</dd>`;
  const { count, score } = scene.format;
  return html`<dl class="numbers">
    ${row('turns', count(summary.turns))}
    ${row('rated', count(summary.rated))}
    ${row('admitted', count(summary.admitted))}
    ${row('quarantined', count(summary.quarantined))}
    ${row('lambda', summary.rated > 0 ? score(summary.lambda) : words.learning.notYet)}
    ${summary.broken > 0 ? row('broken', count(summary.broken)) : nothing}
  </dl>`;
}

export function learningView(scene: Scene): TemplateResult {
  const { words } = scene;
  return html`<section class="learning">
    <h1>${words.learning.title}</h1>
    <p class="lead">${words.learning.lead}</p>
    <div class="pair">
      <section aria-labelledby="spiral-title">
        <h2 id="spiral-title">${words.spiral.title}</h2>
        ${spiralPanel(scene)}
      </section>
      <section aria-labelledby="numbers-title">
        <h2 id="numbers-title">${words.learning.numbers}</h2>
        ${summaryList(scene)}
      </section>
    </div>
    <section aria-labelledby="turns-title">
      <h2 id="turns-title">${words.learning.table}</h2>
      ${turnTable(scene)}
    </section>
  </section>`;
}

function turnTable(scene: Scene): TemplateResult {
  const { state, words } = scene;
  const { columns } = words.learning;
  if (state.turns.length === 0) return html`<p class="empty">${words.learning.none}</p>`;
  const rows = state.turns.map((item, index) => turnRow(scene, item, index + 1)).reverse();
  return html`<div class="table-wrap"><table>
    <thead><tr>
      <th scope="col">${columns.turn}</th><th scope="col">${columns.question}</th>
      <th scope="col">${columns.backed}</th><th scope="col">${columns.rating}</th>
      <th scope="col">${columns.when}</th>
    </tr></thead>
    <tbody>${rows}</tbody>
  </table></div>`;
}

function turnRow({ words, format }: Scene, item: TurnItem, n: number): TemplateResult {
  const { turn, vote } = item;
  const { grounded, claims, unchecked } = countSentences(turn);
  const backed = claims === 0 || unchecked === claims ? '–' : `${grounded}/${claims}`;
  const icon = vote === null ? nothing : icons[vote];
  return html`<tr>
    <td class="figure">${n}</td>
    <th scope="row" lang=${tagOf(turn.question)}><a class="turn-link" href=${turnHash(turn.id)}>${turn.question}</a></th>
    <td class="figure">${backed}</td>
    <td><span class="vote ${vote ?? 'unrated'}">${icon} ${voteText(words, vote)}</span></td>
    <td class="figure">${format.moment(turn.at)}</td>
  </tr>`;
}
