/**
 * Options of the vector index, checked: unknown ones are refused by name, numbers have bounds.
 */
import { WhorlError } from '../../../src/shared/errors.ts';
import type { MetricType } from '../../../src/shared/milvus-types.ts';
import { EXACT_BELOW } from './plan.ts';

/** `L2` is the squared distance; `HAMMING` counts the bits that differ. */
export type IndexMetric = MetricType | 'HAMMING';

/** Row-major: float32 coordinates; for `HAMMING` bits, eight a byte. */
export type Vectors = Float32Array | Uint8Array;

export interface VectorIndexOptions {
  /** Coordinates a vector, 2..4,096; for `HAMMING` bits, a multiple of 8. */
  readonly dimension: number;
  readonly metric: IndexMetric;
  readonly indexType: 'FLAT' | 'HNSW';
  /** Links a node in an upper layer, twice as many in the lowest; 2..512, default 32. */
  readonly M?: number;
  /** Nodes looked at for the links of a new one; 1..32,768, default 200. */
  readonly efConstruction?: number;
  /** Searches among at most so many rows are exact; default 10,000. */
  readonly exactBelow?: number;
  /** Draws the levels of the graph; any 32-bit number, default 1. */
  readonly seed?: number;
  /**
   * Keep int8 codes and not the float32 vectors: a third of the memory. Scores are then those of the codes
   * (recall@10 of MiniLM vectors about .99 at best), and so is what `vector` returns. Default false.
   */
  readonly codesOnly?: boolean;
  /** Bytes of WASM memory that the index may take; default 4 GiB, all there is. */
  readonly maxBytes?: number;
}

export interface VectorSearchOptions {
  /** Hits, at least 1; fewer are returned where fewer rows match. */
  readonly limit: number;
  /** Nodes that a walk keeps: more find more and take longer; 1..65,536, default 384, more above 20,000 rows. */
  readonly ef?: number;
  /** Rows that may be returned: bit `i & 31` of word `i >>> 5` is row i; a word for each 32 rows. Default all. */
  readonly allowed?: Uint32Array;
  /** Bits set in `allowed`; counted when absent. */
  readonly allowedCount?: number;
  /** Compare all rows that may be returned. Default false. */
  readonly exact?: boolean;
  /** Walk the graph, as far as there is one, even where comparing is cheaper. Default false; for measurements. */
  readonly walk?: boolean;
  /** Sift by sign bits, where there are some, even where another way is cheaper. Default false; for measurements. */
  readonly sift?: boolean;
}

export type CheckedIndexOptions = Required<VectorIndexOptions>;

const MAX_BYTES = 2 ** 32;

const INDEX_OPTIONS = new Set([
  'dimension',
  'metric',
  'indexType',
  'M',
  'efConstruction',
  'exactBelow',
  'seed',
  'codesOnly',
  'maxBytes',
]);
const SEARCH_OPTIONS = new Set(['limit', 'ef', 'allowed', 'allowedCount', 'exact', 'walk', 'sift']);

/** An integer between bounds, or `invalid_option`. */
export function integer(name: string, value: unknown, least: number, most: number): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) {
    return value as number;
  }
  throw new WhorlError(
    'invalid_option',
    `${name} must be an integer from ${least} to ${most}, but is ${String(value)}. Nothing was changed.`,
  );
}

function boolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new WhorlError(
    'invalid_option',
    `${name} must be true or false, but is ${String(value)}. Nothing was changed.`,
  );
}

function oneOf<T extends string>(name: string, value: unknown, values: readonly T[]): T {
  const found = values.find((known) => known === value);
  if (found !== undefined) return found;
  throw new WhorlError(
    'invalid_option',
    `${name} must be ${values.join(', ')}, but is ${String(value)}. Nothing was changed.`,
  );
}

function refuseUnknown(where: string, options: object, known: ReadonlySet<string>): void {
  for (const name of Object.keys(options)) {
    if (known.has(name)) continue;
    throw new WhorlError(
      'invalid_option',
      `${where} has no option "${name}". Nothing was changed.`,
    );
  }
}

function dimensionFor(metric: IndexMetric, value: unknown): number {
  const dimension = integer('dimension', value, 2, 4096);
  if (metric !== 'HAMMING' || dimension % 8 === 0) return dimension;
  throw new WhorlError(
    'invalid_option',
    `dimension must be a multiple of 8 for HAMMING, but is ${dimension}. Nothing was changed.`,
  );
}

/** All options of an index, with their defaults. */
export function checkIndexOptions(options: VectorIndexOptions): CheckedIndexOptions {
  refuseUnknown('The vector index', options, INDEX_OPTIONS);
  const metric = oneOf('metric', options.metric, ['IP', 'COSINE', 'L2', 'HAMMING']);
  return {
    dimension: dimensionFor(metric, options.dimension),
    metric,
    indexType: oneOf('indexType', options.indexType, ['FLAT', 'HNSW']),
    M: integer('M', options.M ?? 32, 2, 512),
    efConstruction: integer('efConstruction', options.efConstruction ?? 200, 1, 32_768),
    exactBelow: integer('exactBelow', options.exactBelow ?? EXACT_BELOW, 0, 2 ** 31),
    seed: integer('seed', options.seed ?? 1, 0, 2 ** 32 - 1),
    codesOnly: boolean('codesOnly', options.codesOnly ?? false) || metric === 'HAMMING',
    maxBytes: integer('maxBytes', options.maxBytes ?? MAX_BYTES, 0, MAX_BYTES),
  };
}

/** Refuses search options that are unknown, out of bounds, or do not cover the rows. */
export function checkSearchOptions(options: VectorSearchOptions, rows: number): void {
  refuseUnknown('A vector search', options, SEARCH_OPTIONS);
  integer('limit', options.limit, 1, 2 ** 31);
  if (options.ef !== undefined) integer('ef', options.ef, 1, 65_536);
  if (options.allowedCount !== undefined) integer('allowedCount', options.allowedCount, 0, rows);
  if (options.allowed !== undefined) checkBitmap('allowed', options.allowed, rows);
}

/** Refuses a bitmap that does not cover the rows. */
export function checkBitmap(name: string, bitmap: Uint32Array, rows: number): void {
  const words = Math.ceil(rows / 32);
  if (bitmap.length >= words) return;
  throw new WhorlError(
    'invalid_option',
    `${name} has ${bitmap.length} words, but ${rows} rows need ${words}. Nothing was done.`,
  );
}
