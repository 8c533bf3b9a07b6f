/** Entry of the embed worker: the one file here that touches the worker's globals. */
import { serve } from '../../src/shared/link.ts';
import type { EmbedContract } from '../../src/shared/types.ts';
import { cacheStorageAssets } from './asset-cache.ts';
import { embedHandlers } from './handlers.ts';
import { ownKernels } from './kernel-source.ts';
import { type EmbedderDeps, startEmbedder } from './start-embedder.ts';
import { EmbedderHolder } from './starter.ts';
import { breathe, now, wait } from './timing.ts';

declare const self: DedicatedWorkerGlobalScope;

const deps: EmbedderDeps = {
  fetch: (input, init) => fetch(input, init),
  // Absent where the page is no secure context.
  cache: typeof caches === 'undefined' ? null : cacheStorageAssets(caches),
  importModule: (url) => import(/* @vite-ignore */ url),
  gpu: navigator.gpu,
  kernels: ownKernels,
  wait,
  breathe,
  now,
};

const holder = new EmbedderHolder((request, options) => startEmbedder(request, deps, options));
serve<EmbedContract>(embedHandlers(holder), self);
