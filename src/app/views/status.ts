/**
 * What runs, why, and where things are kept; and the two settings of the app.
 */
import { html, nothing, type TemplateResult } from 'lit';
import { version } from '../../../package.json';
import type { EmbedderInfo } from '../../shared/types.ts';
import { isLanguage, LANGUAGE_NAMES, LANGUAGE_TAGS, LANGUAGES } from '../language.ts';
import { isReadOnly, type Preferences } from '../state.ts';
import { modelCard } from './model.ts';
import type { Scene } from './scene.ts';

const THEMES = ['system', 'light', 'dark'] as const;

/** One line on the model, in the person's words. */
export function readinessText({ state, words }: Scene): string {
  const { embedder } = state.engine;
  if (embedder.state === 'failed') return words.status.modelFailed;
  if (embedder.state !== 'ready' || state.indexing.state === 'running') {
    return state.engine.store ? words.status.loading : words.status.starting;
  }
  return state.isOffline ? words.status.readyOffline : words.status.ready;
}

/** One line on whether anything stays. */
export function keepingText({ state, words }: Scene): string {
  const { store } = state.engine;
  if (!store) return '';
  if (isReadOnly(state)) return words.status.readOnly;
  return store.durability === 'durable' ? words.status.kept : words.status.notKept;
}

/** Names of things, the same in every language. */
const BACKENDS: { readonly [B in EmbedderInfo['backend']]: string } = {
  wasm: 'WebAssembly',
  webgpu: 'WebGPU (ONNX Runtime)',
  onnx: 'WebAssembly (ONNX Runtime)',
  custom: 'JavaScript',
};

export function statusView(scene: Scene): TemplateResult {
  const { words } = scene;
  return html`<section class="status-view">
    <h1>${words.status.title}</h1>
    <p class="lead">${readinessText(scene)}<br />${keepingText(scene)}</p>
    ${modelCard(scene)}
    <h2>${words.status.model}</h2>
    ${modelFacts(scene)}
    <h2>${words.status.storage}</h2>
    ${storageFacts(scene)}
    <h2>${words.status.answers}</h2>
    <p>${words.status.claude[scene.state.claude]}</p>
    <h2>${words.status.settings}</h2>
    ${settings(scene)}
    <p class="meta">Whorl ${version}</p>
  </section>`;
}

function fact(name: string, value: string | number): TemplateResult {
  return html`<dt>${name}</dt><dd>${value}</dd>`;
}

function modelFacts({ state, words }: Scene): TemplateResult {
  const { embedder, restarts } = state.engine;
  if (embedder.state === 'failed') {
    return html`<dl class="facts">${fact(words.status.why, embedder.message)}</dl>`;
  }
  if (embedder.state !== 'ready') return html`<p class="meta">${words.status.loading}</p>`;
  const { model, backend, why, dimension, weights, threads } = embedder;
  return html`<dl class="facts">
    ${fact(words.status.name, model)}
    ${fact(words.status.backend, BACKENDS[backend])}
    ${fact(words.status.why, why)}
    ${fact(words.status.dimension, dimension)}
    ${fact(words.status.weights, weights)}
    ${fact(words.status.threads, threads)}
    ${
      restarts.embed + restarts.index > 0
        ? fact(words.status.restarts, words.status.restartCount(restarts.embed, restarts.index))
        : nothing
    }
  </dl>`;
}

function storageFacts(scene: Scene): TemplateResult {
  const { state, words, format } = scene;
  const { store } = state.engine;
  if (!store) return html`<p class="meta">${words.status.starting}</p>`;
  return html`<dl class="facts">
    ${fact(words.status.where, words.status[store.storage])}
    ${store.why ? fact(words.status.why, store.why) : nothing}
    ${fact(words.status.role, words.status[roleWord(state)])}
    ${fact(words.nav.records, format.count(state.records.length))}
    ${fact(words.status.used, usedText(scene))}
    ${fact(words.status.persisted, promiseText(scene))}
  </dl>`;
}

/** Whether this tab writes, and how. */
function roleWord(state: Scene['state']): 'leader' | 'through' | 'readOnly' {
  if (isReadOnly(state)) return 'readOnly';
  return state.engine.store?.role === 'follower' ? 'through' : 'leader';
}

function usedText({ state, words, format }: Scene): string {
  const { usedBytes, quotaBytes } = state.room ?? { usedBytes: null, quotaBytes: null };
  if (usedBytes === null) return words.status.unknown;
  const used = format.bytes(usedBytes);
  return quotaBytes === null ? used : words.status.usedOf(used, format.bytes(quotaBytes));
}

function promiseText({ state, words }: Scene): string {
  if (!state.room) return words.status.unknown;
  return state.room.persisted ? words.status.promised : words.status.mayClear;
}

function settings({ words, preferences, prefer }: Scene): TemplateResult {
  const pickTheme = (event: Event): void => {
    const { value } = event.target as HTMLInputElement;
    prefer({ theme: value as Preferences['theme'] });
  };
  return html`<div class="settings">
    ${languagePicker({ words, preferences, prefer })}
    <fieldset class="choice" @change=${pickTheme}>
      <legend>${words.status.theme}</legend>
      ${THEMES.map(
        (theme) => html`<label><input type="radio" name="theme" value=${theme}
          .checked=${preferences.theme === theme} /><span>${words.status.themes[theme]}</span></label>`,
      )}
    </fieldset>
  </div>`;
}

/** Each language by its own name, so that whoever is lost finds the way back. */
export function languagePicker({
  words,
  preferences,
  prefer,
}: Pick<Scene, 'words' | 'preferences' | 'prefer'>): TemplateResult {
  const pick = (event: Event): void => {
    const { value } = event.target as HTMLSelectElement;
    if (isLanguage(value)) prefer({ language: value });
  };
  return html`<label class="field"><span>${words.status.language}</span>
    <select @change=${pick}>
      ${LANGUAGES.map(
        (code) =>
          html`<option value=${code} lang=${LANGUAGE_TAGS[code]} ?selected=${code === preferences.language}>${LANGUAGE_NAMES[code]}</option>`,
      )}
    </select>
  </label>`;
}
