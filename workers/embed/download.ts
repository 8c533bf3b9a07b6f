/**
 * A packed model from an address: the manifest, then each file that is wanted, verified, kept, resumed.
 * Fetch, cache and clock come from outside.
 */
import { isWhorlError, throwIfAborted, type WhorlError } from '../../src/shared/errors.ts';
import type { DownloadProgress } from '../../src/shared/types.ts';
import type { AssetCache } from './asset-cache.ts';
import { downloadFile, type FileContext, type PieceSink, streamFile } from './download-file.ts';
import { ProgressMeter } from './download-progress.ts';
import { corrupt, type DownloadDeps, guarded, openBody } from './download-response.ts';
import { KeptPieces } from './kept-pieces.ts';
import {
  type FileRole,
  fileOf,
  graphOf,
  MAX_MANIFEST_BYTES,
  type ModelFile,
  type ModelManifest,
  parseManifest,
} from './manifest.ts';
import { PieceKeeper } from './piece-keeper.ts';
import { unlessSilent } from './silence.ts';

export interface ModelDownloadDeps extends DownloadDeps {
  /** Null: nothing is kept between visits. */
  readonly cache: AssetCache | null;
}

export interface ModelDownloadOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DownloadProgress) => void;
}

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

/** Files that run a model. */
type RunRole = Extract<FileRole, 'tokenizer' | 'graph' | 'weights'>;

/**
 * All that ONNX Runtime needs of a model, small files first: an error in them costs no long wait.
 *
 * @param base Absolute address with a trailing slash.
 * @throws WhorlError what {@link openModel} and {@link ModelFiles.bytes} throw.
 */
export async function downloadModel(
  base: string,
  deps: ModelDownloadDeps,
  options: ModelDownloadOptions,
): Promise<DownloadedModel> {
  const files = await openModel(base, deps, options);
  files.want(['tokenizer', 'graph', 'weights']);
  const tokenizer = await files.bytes('tokenizer');
  const graph = await files.bytes('graph');
  const weights = await files.bytes('weights');
  await files.keep();
  const { manifest, meter, note } = files;
  return { manifest, tokenizer, graph, weights, meter, note };
}

/**
 * Reads the manifest; the files are read by what it answers with.
 *
 * @throws WhorlError `aborted`, `network`, `asset_missing`, `asset_corrupt`, `unsupported`.
 */
export async function openModel(
  base: string,
  deps: ModelDownloadDeps,
  { signal, onProgress }: ModelDownloadOptions,
): Promise<ModelFiles> {
  const keeper = new PieceKeeper(deps.cache, base);
  const former = readFormer(keeper);
  const loaded = await loadManifest(base, deps, former, signal);
  const context = { base, deps, keeper, signal };
  return new ModelFiles(loaded, await former, context, onProgress);
}

interface LoadedManifest {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly manifest: ModelManifest;
}

/** What the last visit kept, with the first pieces of its files on their way. */
interface FormerVisit extends LoadedManifest {
  readonly kept: readonly KeptPieces[];
}

/** The files of one model, while it is started. */
export class ModelFiles {
  readonly manifest: ModelManifest;
  readonly manifestBytes: Uint8Array<ArrayBuffer>;
  readonly #context: Omit<FileContext, 'meter'>;
  readonly #onProgress: (progress: DownloadProgress) => void;
  readonly #kept: Map<string, KeptPieces>;
  readonly #unchanged: boolean;
  #meter: ProgressMeter;

  constructor(
    { bytes, manifest }: LoadedManifest,
    former: FormerVisit | null,
    context: Omit<FileContext, 'meter'>,
    onProgress: (progress: DownloadProgress) => void,
  ) {
    this.manifest = manifest;
    this.manifestBytes = bytes;
    this.#context = context;
    this.#onProgress = onProgress;
    this.#meter = new ProgressMeter(0, onProgress);
    this.#unchanged = former !== null && sameBytes(former.bytes, bytes);
    const known = former?.kept.filter(({ file }) => manifest.files.some((own) => same(own, file)));
    this.#kept = new Map(known?.map((kept) => [kept.file.path, kept]));
  }

  /** Reports what follows, on the bar of the files that are wanted. */
  get meter(): ProgressMeter {
    return this.#meter;
  }

  /** Why the model is not kept on this device; null while it is. */
  get note(): string | null {
    return this.#context.keeper.note;
  }

  /** Says which files will be read: they are the whole of the bar, which begins anew. */
  want(roles: readonly RunRole[]): void {
    const files = roles.map((role) => this.#file(role));
    const total = files.reduce((sum, file) => sum + file.bytes, 0);
    this.#meter = new ProgressMeter(total, this.#onProgress);
  }

  /** Begins to read what is kept of a file, so that it is there when it is wanted. */
  prefetch(role: RunRole): void {
    this.#keptOf(this.#file(role)).prefetch();
  }

  /**
   * A whole file.
   *
   * @throws WhorlError `aborted`, `network`, `asset_missing`, `asset_corrupt`, `asset_incomplete`;
   * `unsupported` for the graph of a model that has none.
   */
  bytes(role: RunRole): Promise<Uint8Array<ArrayBuffer>> {
    return this.#read(role, (file, context, kept) => downloadFile(file, context, kept));
  }

  /** A file piece by piece, in order; throws like {@link bytes}, and what the sink throws. */
  stream(role: RunRole, sink: PieceSink): Promise<void> {
    return this.#read(role, (file, context, kept) => streamFile(file, context, sink, kept));
  }

  /** Keeps the manifest of a model whose wanted files are all here; what the former one kept beyond it is deleted. */
  async keep(): Promise<void> {
    const { keeper, signal } = this.#context;
    if (!this.#unchanged) await keeper.keepManifest(this.manifestBytes, this.manifest);
    throwIfAborted(signal);
  }

  async #read<T>(
    role: RunRole,
    read: (file: ModelFile, context: FileContext, kept: KeptPieces) => Promise<T>,
  ): Promise<T> {
    const file = this.#file(role);
    const kept = this.#keptOf(file);
    // What was read ahead is read once.
    this.#kept.delete(file.path);
    return read(file, { ...this.#context, meter: this.#meter }, kept);
  }

  #file(role: RunRole): ModelFile {
    return role === 'graph' ? graphOf(this.manifest) : fileOf(this.manifest, role);
  }

  #keptOf(file: ModelFile): KeptPieces {
    const kept = this.#kept.get(file.path) ?? new KeptPieces(file, this.#context.keeper);
    this.#kept.set(file.path, kept);
    return kept;
  }
}

/** Begins to read the files of the last visit: mostly they are those that the network's manifest names, too. */
async function readFormer(keeper: PieceKeeper): Promise<FormerVisit | null> {
  const bytes = await keeper.manifest();
  if (!bytes) return null;
  try {
    const manifest = parseManifest(bytes);
    const roles = ['tokenizer', 'weights'] as const;
    const kept = roles.map((role) => new KeptPieces(fileOf(manifest, role), keeper));
    for (const pieces of kept) pieces.prefetch();
    return { bytes, manifest, kept };
  } catch {
    // An older version's manifest, or a spoilt one: as if there were none.
    return null;
  }
}

/**
 * The manifest from the network, so that a new model is noticed; the kept one where the network or
 * the answer is no use (offline, a server's failure, a sign-in page). A plain "not there" stands.
 */
async function loadManifest(
  base: string,
  deps: ModelDownloadDeps,
  former: Promise<FormerVisit | null>,
  signal: AbortSignal,
): Promise<LoadedManifest> {
  try {
    const bytes = await fetchManifest(base, deps, signal);
    const known = await former;
    if (known && sameBytes(known.bytes, bytes)) return known;
    return { bytes, manifest: parseManifest(bytes) };
  } catch (error) {
    throwIfAborted(signal);
    const code = isWhorlError(error) ? (error as WhorlError).code : 'internal';
    const kept = code === 'network' || code === 'asset_corrupt' ? await former : null;
    if (!kept) throw error;
    return kept;
  }
}

function same(one: ModelFile, other: ModelFile): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
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
    const next = () => unlessSilent(reader.read(), deps);
    const { done, value } = await guarded(next, name, signal);
    if (done) break;
    length += value.length;
    if (length > MAX_MANIFEST_BYTES) {
      void reader.cancel().catch(() => {});
      throw corrupt(name, `it is longer than ${MAX_MANIFEST_BYTES} bytes`);
    }
    chunks.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
