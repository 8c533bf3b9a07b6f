/**
 * A packed model from an address: the manifest, then each file that is needed to run, verified,
 * kept, resumed. Fetch, cache and clock come from outside.
 */
import { isWhorlError, throwIfAborted, type WhorlError } from '../../src/shared/errors.ts';
import type { DownloadProgress } from '../../src/shared/types.ts';
import type { AssetCache } from './asset-cache.ts';
import { downloadFile } from './download-file.ts';
import { ProgressMeter } from './download-progress.ts';
import { corrupt, type DownloadDeps, guarded, openBody } from './download-response.ts';
import {
  type FileRole,
  fileOf,
  MAX_MANIFEST_BYTES,
  type ModelManifest,
  parseManifest,
} from './manifest.ts';
import { PieceKeeper } from './piece-keeper.ts';

export interface ModelDownloadDeps extends DownloadDeps {
  /** Null: nothing is kept between visits. */
  readonly cache: AssetCache | null;
}

export interface ModelDownloadOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DownloadProgress) => void;
}

/** Roles that are needed to run, small files first: an error in them costs no long wait. */
const NEEDED: readonly FileRole[] = ['tokenizer', 'graph', 'weights'];

export interface DownloadedModel {
  readonly manifest: ModelManifest;
  readonly tokenizer: Uint8Array<ArrayBuffer>;
  readonly graph: Uint8Array<ArrayBuffer>;
  readonly weights: Uint8Array<ArrayBuffer>;
  /** Reports the stages that follow on the same bar. */
  readonly meter: ProgressMeter;
  /** Why the model is not kept on this device; null when it is. */
  readonly note: string | null;
}

/**
 * Loads a model.
 *
 * @param base Absolute address with a trailing slash.
 * @throws WhorlError `aborted`, `network`, `asset_missing`, `asset_corrupt`, `asset_incomplete`,
 * `unsupported`.
 */
export async function downloadModel(
  base: string,
  deps: ModelDownloadDeps,
  { signal, onProgress }: ModelDownloadOptions,
): Promise<DownloadedModel> {
  const keeper = new PieceKeeper(deps.cache, base);
  const { bytes, manifest } = await loadManifest(base, deps, keeper, signal);
  const files = NEEDED.map((role) => fileOf(manifest, role));
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  const meter = new ProgressMeter(total, onProgress);
  const contents: Uint8Array<ArrayBuffer>[] = [];
  for (const file of files) {
    contents.push(await downloadFile(file, { base, deps, keeper, meter, signal }));
  }
  await keeper.keepManifest(bytes, manifest);
  throwIfAborted(signal);
  const [tokenizer, graph, weights] = contents as [
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>,
  ];
  return { manifest, tokenizer, graph, weights, meter, note: keeper.note };
}

interface LoadedManifest {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly manifest: ModelManifest;
}

/**
 * The manifest from the network, so that a new model is noticed; the kept one where the network or
 * the answer is no use (offline, a server's failure, a sign-in page). A plain "not there" stands.
 */
async function loadManifest(
  base: string,
  deps: ModelDownloadDeps,
  keeper: PieceKeeper,
  signal: AbortSignal,
): Promise<LoadedManifest> {
  try {
    const bytes = await fetchManifest(base, deps, signal);
    return { bytes, manifest: parseManifest(bytes) };
  } catch (error) {
    throwIfAborted(signal);
    const code = isWhorlError(error) ? (error as WhorlError).code : 'internal';
    const kept = code === 'network' || code === 'asset_corrupt' ? await keeper.manifest() : null;
    if (!kept) throw error;
    return { bytes: kept, manifest: parseManifest(kept) };
  }
}

async function fetchManifest(
  base: string,
  deps: DownloadDeps,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const name = 'manifest.json';
  const { reader } = await openBody(deps, {
    url: base + name,
    name,
    bytes: MAX_MANIFEST_BYTES,
    from: 0,
    to: MAX_MANIFEST_BYTES,
    cache: 'no-cache',
    signal,
  });
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await guarded(() => reader.read(), name, signal);
    if (done) break;
    length += value.length;
    if (length > MAX_MANIFEST_BYTES) {
      void reader.cancel().catch(() => {});
      throw corrupt(name, `it is longer than ${MAX_MANIFEST_BYTES} bytes`);
    }
    chunks.push(value);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
