/** Embedding by way of a cache: only what it does not know goes on, equal texts of one call once. */
import type { EmbedOptions } from './embed-job.ts';
import type { EmbeddingCache } from './embedding-cache.ts';
import { throwIfAborted } from './errors.ts';
import { giveWay } from './give-way.ts';
import { textDigest } from './text-digest.ts';
import type { EmbedRequest, EmbedResult } from './types.ts';

/** Milliseconds of taking digests without a look at what else the thread has to do. */
const GIVE_WAY_MS = 4;

type Embed = (request: EmbedRequest, options: EmbedOptions) => Promise<EmbedResult>;

/** What of a call the cache cannot answer. */
interface Missing {
  /** Digest of each text of the call. */
  readonly digests: readonly string[];
  /** Each missing text once. */
  readonly texts: readonly string[];
  /** Digest to its place in `texts`. */
  readonly places: ReadonlyMap<string, number>;
  /** Copies of what the cache knew, by digest: it may be gone when the rest has come. */
  readonly known: ReadonlyMap<string, Float32Array>;
}

/**
 * As `embed` would answer; `tokens` counts only what went through an encoder. Progress counts what was known
 * as done.
 */
export async function embedThroughCache(
  cache: EmbeddingCache,
  embed: Embed,
  request: EmbedRequest,
  options: EmbedOptions = {},
): Promise<EmbedResult> {
  if (!cache.enabled || request.texts.length === 0) return embed(request, options);
  // What is erased from here on is not kept.
  const { epoch } = cache;
  const digests = await digestsOf(request.texts, options.signal);
  const { fingerprint, dimension } = cache;
  const missing = missingOf(cache, request.texts, digests);
  const { texts, known } = missing;
  if (texts.length === 0 && fingerprint !== null) {
    options.onProgress?.(request.texts.length);
    return { vectors: joined(missing, null, dimension), dimension, fingerprint, tokens: 0 };
  }
  const before = request.texts.length - texts.length;
  const onProgress = (done: number): void => options.onProgress?.(before + done);
  const fresh = await embed({ ...request, texts }, { ...options, onProgress });
  if (known.size > 0 && fresh.fingerprint !== fingerprint) {
    // Another model runs than the one whose vectors were kept.
    cache.clear();
    return embedThroughCache(cache, embed, request, options);
  }
  // What was erased meanwhile must not come back by a call that had begun before.
  if (cache.epoch === epoch) keep(cache, missing, fresh);
  if (texts.length === request.texts.length) return fresh;
  return { ...fresh, vectors: joined(missing, fresh.vectors, fresh.dimension) };
}

/** 65,536 long texts take a second, in which a page must not stand still. */
async function digestsOf(
  texts: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const digests: string[] = [];
  let since = performance.now();
  for (const text of texts) {
    digests.push(textDigest(text));
    if (performance.now() - since < GIVE_WAY_MS) continue;
    await giveWay();
    throwIfAborted(signal);
    since = performance.now();
  }
  return digests;
}

function missingOf(
  cache: EmbeddingCache,
  all: readonly string[],
  digests: readonly string[],
): Missing {
  const texts: string[] = [];
  const places = new Map<string, number>();
  const known = new Map<string, Float32Array>();
  digests.forEach((digest, index) => {
    if (known.has(digest) || places.has(digest)) return;
    const vector = cache.read(digest);
    if (vector !== null) known.set(digest, vector.slice());
    else places.set(digest, texts.push(all[index] ?? '') - 1);
  });
  return { digests, texts, places, known };
}

function joined(
  { digests, places, known }: Missing,
  fresh: Float32Array | null,
  dimension: number,
): Float32Array<ArrayBuffer> {
  const vectors = new Float32Array(digests.length * dimension);
  digests.forEach((digest, index) => {
    const row = known.get(digest) ?? rowOf(fresh, places.get(digest) ?? 0, dimension);
    vectors.set(row, index * dimension);
  });
  return vectors;
}

function rowOf(vectors: Float32Array | null, row: number, dimension: number): Float32Array {
  return vectors?.subarray(row * dimension, (row + 1) * dimension) ?? new Float32Array(dimension);
}

function keep(cache: EmbeddingCache, missing: Missing, fresh: EmbedResult): void {
  for (const [digest, place] of missing.places) {
    cache.write(digest, rowOf(fresh.vectors, place, fresh.dimension), fresh.fingerprint);
  }
}
