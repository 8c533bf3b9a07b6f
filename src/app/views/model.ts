/**
 * One honest bar: the bytes of all files of the model, then the records on their way into the index.
 */
import { html, nothing, type TemplateResult } from 'lit';
import type { DownloadProgress } from '../../shared/types.ts';
import type { Scene } from './scene.ts';

interface Progress {
  readonly stage: string;
  readonly done: number;
  /** 0 while the size is not known yet. */
  readonly total: number;
  readonly detail: string;
}

/** The bar with what it says; nothing where nothing is on its way. */
export function modelCard(scene: Scene): TemplateResult | typeof nothing {
  const { words } = scene;
  const progress = progressOf(scene);
  if (!progress) return nothing;
  return html`<section class="model" aria-label=${words.model.title}>
    <p class="model-line"><b>${progress.stage}</b><span>${progress.detail}</span></p>
    ${bar(progress)}
    <p class="meta">${words.model.once}</p>
  </section>`;
}

/** The bar alone, for places where a card would push away what is being read. */
export function modelBar(scene: Scene): TemplateResult | typeof nothing {
  const progress = progressOf(scene);
  return progress ? bar(progress) : nothing;
}

function progressOf(scene: Scene): Progress | null {
  const { state, words } = scene;
  const { embedder } = state.engine;
  if (state.indexing.state === 'running') {
    const { done, total } = state.indexing;
    return { stage: words.model.indexing(done, total), done, total, detail: '' };
  }
  if (embedder.state === 'failed' || embedder.state === 'ready') return null;
  const progress = embedder.state === 'loading' ? embedder.progress : null;
  if (!progress) return { stage: words.model.stage.start, done: 0, total: 0, detail: '' };
  return {
    stage: stageText(scene, progress),
    done: progress.loadedBytes,
    total: progress.totalBytes,
    detail: bytesText(scene, progress),
  };
}

function bar({ stage, done, total }: Progress): TemplateResult {
  return total > 0
    ? html`<progress aria-label=${stage} max=${total} .value=${done}></progress>`
    : html`<progress aria-label=${stage}></progress>`;
}

function stageText({ words }: Scene, progress: DownloadProgress): string {
  const isCached = progress.stage === 'download' && progress.fromCache;
  return isCached ? words.model.stage.cache : words.model.stage[progress.stage];
}

function bytesText(
  { words, format }: Scene,
  { loadedBytes, totalBytes }: DownloadProgress,
): string {
  return words.model.bytes(format.bytes(loadedBytes), format.bytes(totalBytes));
}
