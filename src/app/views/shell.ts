/**
 * The frame around every screen: navigation, status line, problems, the composer, the spiral.
 */
import { html, nothing, type TemplateResult } from 'lit';
import { icons, mark } from '../icons.ts';
import type { ProblemWords } from '../messages/types.ts';
import { VIEWS, type View } from '../route.ts';
import { isIndexed, type Problem } from '../state.ts';
import { askView } from './ask.ts';
import { learningView, spiralPanel, summaryList } from './learning.ts';
import type { Scene } from './scene.ts';
import { keepingText, languagePicker, readinessText, statusView } from './status.ts';

/** Problems that only a fresh page can cure. */
const RELOAD = new Set(['worker_start_failed', 'storage_lost', 'storage_too_new']);

export function shellView(scene: Scene): TemplateResult {
  const { route, words } = scene;
  return html`<a class="skip" href="#main" @click=${skipToMain}>${words.nav.skip}</a>
    <div class="app" data-view=${route.view}>
      ${navView(scene)}
      <main id="main" tabindex="-1">
        ${scene.state.problem ? problemView(scene, scene.state.problem) : nothing}
        ${screen(scene)}
      </main>
      ${route.view === 'ask' ? asideView(scene) : nothing}
      ${route.view === 'ask' ? html`<whorl-composer .scene=${scene}></whorl-composer>` : nothing}
    </div>`;
}

function screen(scene: Scene): TemplateResult {
  const screens: { readonly [view in View]: () => TemplateResult } = {
    ask: () => askView(scene),
    records: () => html`<whorl-records .scene=${scene}></whorl-records>`,
    learning: () => learningView(scene),
    status: () => statusView(scene),
  };
  return screens[scene.route.view]();
}

/** The address is the route, so the link moves the focus by itself. */
function skipToMain(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function navView(scene: Scene): TemplateResult {
  const { words, route, state } = scene;
  const isRunning = state.running?.state === 'running';
  return html`<header class="side">
    <a class="brand" href="#ask" aria-label="Whorl">${mark(isRunning)}<span>Whorl</span></a>
    <nav aria-label=${words.nav.label}>
      ${VIEWS.map(
        (view) => html`<a href="#${view}" aria-current=${route.view === view ? 'page' : nothing}
          title=${words.nav[view]}>${icons[view]}<span>${words.nav[view]}</span></a>`,
      )}
    </nav>
    <div class="side-foot">
      ${statusLine(scene)}
      <div class="pick-language">${icons.language}${languagePicker(scene)}</div>
    </div>
  </header>`;
}

function statusLine(scene: Scene): TemplateResult {
  const { state, words } = scene;
  const { embedder, store } = state.engine;
  const tone = embedder.state === 'failed' ? 'bad' : isIndexed(state) ? 'good' : 'busy';
  return html`<div class="status-line">
    <p><span class="light ${tone}" aria-hidden="true"></span><b>${readinessText(scene)}</b></p>
    ${store ? html`<p>${keepingText(scene)}</p>` : nothing}
    <p>${words.status.recordCount(state.records.length)}</p>
  </div>`;
}

function problemView(scene: Scene, problem: Problem): TemplateResult {
  const { words, session } = scene;
  const { what, next } = wordsOf(scene, problem);
  const { retry } = problem;
  const button =
    RELOAD.has(problem.code) && !isBegunAnew(problem)
      ? html`<button class="button" @click=${() => location.reload()}>${icons.retry} ${words.problem.reload}</button>`
      : retry
        ? html`<button class="button" @click=${() => again(scene, problem, retry)}>${icons.retry} ${words.problem.retry}</button>`
        : nothing;
  return html`<section class="problem" role="alert" aria-label=${words.problem.title}>
    ${icons.warn}
    <div>
      <p><b>${what}</b> ${next}</p>
      <details><summary>${words.problem.details}</summary><p><code>${problem.code}</code> <span lang="en">${problem.detail}</span></p></details>
      ${button}
    </div>
    <button class="button quiet icon-only" aria-label=${words.problem.dismiss} @click=${() => session.dismiss()}>${icons.close}</button>
  </section>`;
}

function wordsOf({ words }: Scene, problem: Problem): ProblemWords {
  if (isBegunAnew(problem)) return words.problem.begunAnew;
  return words.problem.byCode[problem.code] ?? words.problem.other;
}

/** Seen while filling the index, so the page is at it already. */
function isBegunAnew({ code, during, retry }: Problem): boolean {
  return code === 'storage_lost' && during === 'index' && retry === null;
}

/** A question is asked where its answer will be seen; anything else is repeated where one is. */
function again({ session, ask }: Scene, { question }: Problem, retry: () => void): void {
  session.dismiss();
  if (question === undefined) retry();
  else ask(question);
}

function asideView(scene: Scene): TemplateResult {
  const { words } = scene;
  return html`<aside aria-labelledby="aside-title">
    <div>
      <h2 id="aside-title">${words.spiral.title}</h2>
      ${spiralPanel(scene)}
    </div>
    ${
      scene.state.turns.length === 0
        ? nothing
        : html`<div>
            <h2>${words.learning.numbers}</h2>
            ${summaryList(scene)}
            <p><a class="as-list" href="#learning">${words.spiral.asList}</a></p>
          </div>`
    }
  </aside>`;
}
