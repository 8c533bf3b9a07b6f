/**
 * The Ask screen: a running turn, hits found without an answer, a stored turn, or the welcome.
 */
import { html, nothing, type TemplateResult } from 'lit';
import { icons, mark } from '../icons.ts';
import { LANGUAGE_TAGS, tagOf } from '../language.ts';
import { type Found, isIndexed, type RecordItem, type RunningTurn } from '../state.ts';
import { citationTargets, hitList } from './hits.ts';
import { modelCard } from './model.ts';
import { draftText, type Scene, shownTurn } from './scene.ts';
import { turnView } from './turn.ts';

const PREVIEW = 6;

export function askView(scene: Scene): TemplateResult {
  const { state, route } = scene;
  const card = isIndexed(state) ? nothing : modelCard(scene);
  if (route.turnId === null && state.running) return runningView(scene, state.running);
  if (route.turnId === null && state.found) return html`${card}${foundView(scene, state.found)}`;
  const item = shownTurn(scene);
  if (item) return turnView(scene, item);
  if (route.turnId !== null) return state.loaded ? missingView(scene) : html`${card}`;
  return welcomeView(scene);
}

function runningView(scene: Scene, running: RunningTurn): TemplateResult {
  const { words } = scene;
  return html`<article class="turn">
    <p class="meta">
      ${
        running.state === 'running'
          ? html`${mark(true)} <span>${words.turn.stage[running.stage]}</span>`
          : html`${icons.warn} <span>${endText(scene, running)}</span>`
      }
    </p>
    <h1 class="question" lang=${tagOf(running.question)}>${running.question}</h1>
    ${partialAnswer(scene, running)}
    ${running.hits.length > 0 ? hitList(scene, running.hits, null) : nothing}
  </article>`;
}

/** How an answer ended that was not kept. */
function endText({ words }: Scene, { state, text, draft }: RunningTurn): string {
  if (draft !== null) return draftText(words, draft);
  if (state === 'stopped') return words.turn.stopped;
  return text === '' ? words.turn.unanswered : words.turn.cut;
}

/** What has arrived so far. A problem brings its own button, so there is one way to go on, not two. */
function partialAnswer(scene: Scene, running: RunningTurn): TemplateResult {
  const { words, state, session } = scene;
  const isRunning = running.state === 'running';
  const again =
    isRunning || state.problem
      ? nothing
      : html`<p class="again"><button class="button" @click=${() => session.retry()}>${icons.retry} ${words.turn.retry}</button></p>`;
  if (!isRunning && running.text === '') return html`${again}`;
  return html`<section class="answer" aria-label=${words.turn.answer} aria-busy=${isRunning}>
      ${
        running.text === ''
          ? html`<div class="lines" aria-hidden="true"><i></i><i></i><i></i></div>`
          : html`<whorl-answer lang=${tagOf(running.text)} .content=${{
              text: running.text,
              sentences: [],
              target: citationTargets(scene, running.hits),
              hint: words.turn.unsupported,
              elsewhere: words.turn.notPlaced,
            }}></whorl-answer>`
      }
    </section>
    ${again}`;
}

function foundView(scene: Scene, found: Found): TemplateResult {
  const { words, state, session } = scene;
  return html`<section>
    ${found.by === 'meaning' ? html`<p class="meta">${words.found.byMeaning}</p>` : nothing}
    <h1 class="question" lang=${tagOf(found.query)}>${words.found.title(found.query)}</h1>
    ${
      state.waiting === null
        ? nothing
        : html`<p class="note">${words.found.waiting}
            <button class="button quiet" @click=${() => session.stopWaiting()}>${words.found.dontWait}</button>
          </p>`
    }
    ${found.items.length === 0 ? html`<p class="empty">${words.found.nothing}</p>` : nothing}
    <ol class="cards">
      ${found.items.map(({ record }) => html`<li>${recordCard(scene, record, 2)}</li>`)}
    </ol>
  </section>`;
}

function missingView({ words }: Scene): TemplateResult {
  return html`<section class="empty">
    <h1 class="question">${words.turn.missing}</h1>
    <p><a class="button" href="#ask">${words.turn.newest}</a></p>
  </section>`;
}

function welcomeView(scene: Scene): TemplateResult {
  const { words, state, ask } = scene;
  const { records } = state;
  return html`<section class="welcome">
    <h1>${words.welcome.title}</h1>
    <p class="lead">${words.welcome.lead(records.length)}</p>
    ${isIndexed(state) ? nothing : modelCard(scene)}
    <h2>${words.welcome.tryThese}</h2>
    <ul class="examples">
      ${words.welcome.examples.map(
        (example) => html`<li>
          <button class="example" @click=${() => ask(example)}>
            <span>${example}</span>${icons.send}
          </button>
        </li>`,
      )}
    </ul>
    <h2>${words.welcome.someRecords}</h2>
    <ul class="cards two">
      ${preview(records, scene).map((record) => html`<li>${recordCard(scene, record, 3)}</li>`)}
    </ul>
    <p><a href="#records">${words.welcome.allRecords(records.length)}</a></p>
  </section>`;
}

/** A few records: two in the person's language first, then one of each other language. */
function preview(records: readonly RecordItem[], scene: Scene): readonly RecordItem[] {
  const own = records.filter((record) => record.lang === scene.preferences.language);
  const first = own.slice(0, PREVIEW - 3);
  const others = records.filter((record) => record.lang !== scene.preferences.language);
  const seen = new Set<string>();
  const one = others.filter(({ lang }) => !seen.has(lang) && seen.add(lang));
  return [...first, ...one].slice(0, PREVIEW);
}

/** `level`: of its heading; one below what stands over it. */
export function recordCard(scene: Scene, record: RecordItem, level: 2 | 3): TemplateResult {
  const { words } = scene;
  const title = html`${record.name}<span class="place">${record.location}</span>`;
  return html`<article class="card" lang=${LANGUAGE_TAGS[record.lang]}>
    ${level === 2 ? html`<h2>${title}</h2>` : html`<h3>${title}</h3>`}
    <p class="clamp">${record.description}</p>
    ${
      record.famous_visitor === ''
        ? nothing
        : html`<p class="visitor"><span lang=${LANGUAGE_TAGS[scene.preferences.language]}>${words.hit.visitor}</span> ${record.famous_visitor}</p>`
    }
  </article>`;
}
