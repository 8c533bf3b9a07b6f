/**
 * One honest bar: the bytes of all files of the model, then the records on their way into the index.
 */
import { html, nothing, type TemplateResult } from 'lit';
import type { DownloadProgress } from '../../shared/types.ts';
import type { Scene } from './scene.ts';

export function modelCard(scene: Scene): TemplateResult | typeof nothing {
  const { state, words } = scene;
  const { embedder } = state.engine;
  if (state.indexing.state === 'running') {
    const { done, total } = state.indexing;
    return card(scene, words.model.indexing(done, total), done, total, '');
  }
  if (embedder.state === 'failed' || embedder.state === 'ready') return nothing;
  const progress = embedder.state === 'loading' ? embedder.progress : null;
  if (!progress) return card(scene, words.model.stage.start, 0, 0, '');
  return card(
    scene,
    stageText(scene, progress),
    progress.loadedBytes,
    progress.totalBytes,
    bytesText(scene, progress),
  );
}

function card(
  { words }: Scene,
  stage: string,
  done: number,
  total: number,
  detail: string,
): TemplateResult {
  const bar =
    total > 0
      ? html`<progress aria-label=${stage} max=${total} .value=${done}></progress>`
      : html`<progress aria-label=${stage}></progress>`;
  return html`<section class="model" aria-label=${words.model.title}>
    <p class="model-line"><b>${stage}</b><span>${detail}</span></p>
    ${bar}
    <p class="meta">${words.model.once}</p>
  </section>`;
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
