/** Everything retrieval considers for one question, with the parts of its score. */
import { milvusError } from '../../src/shared/errors.ts';
import type { Candidate, CandidatesRequest, CandidatesResult } from '../../src/shared/types.ts';
import { hasBit } from './bitmap.ts';
import { invalid, textList } from './body.ts';
import { type Collection, searchedField } from './collection.ts';
import type { CallScope } from './endpoints.ts';
import { copyVector, parseWantedKey } from './entity.ts';
import { compileFilter } from './filter/compile.ts';
import { keyText } from './keys.ts';
import { parseProjection, projectRow, withKey } from './project.ts';
import { openVectors, vectorAt } from './read.ts';
import type { RowTable, Selection } from './rows.ts';
import { dimensionOf, type FieldSpec, keyField } from './schema.ts';
import { checkSpace, selectRows } from './search.ts';
import { StaleView } from './store.ts';
import { cosine, type VectorField } from './vector-field.ts';

const DEFAULT_DEPTH = 100;
const MAX_DEPTH = 1_000;

interface Wanted {
  readonly depth: number;
  readonly vector: Float32Array | null;
  readonly shifted: Float32Array | null;
}

/**
 * The `depth` nearest by vector, the `depth` nearest by the shifted vector, the `depth` best by words
 * and the rows of `include`, without repeats, by row number; only rows that the filter accepts. The
 * cosines are exact and do not depend on the index's metric.
 */
export function candidates(
  scope: CallScope,
  request: CandidatesRequest,
): Promise<CandidatesResult> {
  const { ledger } = scope;
  return ledger.view(async () => {
    const collection = ledger.require(request.collectionName);
    collection.requireLoaded('search');
    const { spec } = collection.record;
    const field = searchedField(collection.record, request.annsField);
    const wanted = parseWanted(request, field);
    const dense = wanted.vector !== null || wanted.shifted !== null;
    if (dense) checkSpace(scope, collection, field, null);
    const names = textList(request as never, 'outputFields') ?? ['*'];
    const projection = parseProjection(names, spec, { starVectors: false });
    const rows = await ledger.rows(collection);
    const vectors = dense ? await ledger.vectors(collection, field.name) : null;
    const shown = await openVectors(scope, collection, projection);
    if (collection.rows !== rows || vectors?.closed) throw new StaleView();
    const filter = request.filter ? compileFilter(request.filter, spec) : null;
    const selection = selectRows(rows, filter);
    const found = gather({ collection, rows, vectors, selection, request, wanted });
    return {
      candidates: found.rows.map((row, i): Candidate => {
        const stored = rows.at(row);
        if (stored === undefined) throw new StaleView();
        const rest = projectRow(stored, projection, (each) => vectorAt(shown, each, row));
        const own = vectors?.vector(row) ?? null;
        return {
          id: keyText(stored.key),
          row: withKey(stored, spec, rest),
          cosine: own && wanted.vector ? cosine(wanted.vector, own) : null,
          shifted: own && wanted.shifted ? cosine(wanted.shifted, own) : null,
          bm25: found.bm25[i] ?? 0,
        };
      }),
      maxBm25: found.maxBm25,
    };
  });
}

function parseWanted(request: CandidatesRequest, field: FieldSpec): Wanted {
  const depth = request.depth ?? DEFAULT_DEPTH;
  if (!Number.isSafeInteger(depth) || depth < 1 || depth > MAX_DEPTH) {
    throw invalid(`"depth" must be a whole number from 1 to ${MAX_DEPTH}, got ${String(depth)}`);
  }
  if (typeof request.text !== 'string') throw invalid('"text" must be a string');
  return {
    depth,
    vector: optionalVector(request.vector, field, 'vector'),
    shifted: optionalVector(request.shifted, field, 'shifted'),
  };
}

function optionalVector(raw: unknown, field: FieldSpec, name: string): Float32Array | null {
  if (raw === undefined || raw === null) return null;
  const vector = new Float32Array(dimensionOf(field));
  copyVector(raw, vector, (why) => invalid(`"${name}": ${why}`));
  return vector;
}

function gather(from: {
  readonly collection: Collection;
  readonly rows: RowTable;
  readonly vectors: VectorField | null;
  readonly selection: Selection | null;
  readonly request: CandidatesRequest;
  readonly wanted: Wanted;
}): { readonly rows: readonly number[]; readonly bm25: Float32Array; readonly maxBm25: number } {
  const { collection, rows, vectors, selection, request, wanted } = from;
  const { depth } = wanted;
  const accepts = (row: number): boolean =>
    selection === null ? rows.isLive(row) : hasBit(selection.bitmap, row);
  const found = new Set<number>();
  const matching = selection?.count ?? rows.count;
  for (const query of [wanted.vector, wanted.shifted]) {
    if (query === null || vectors === null || matching === 0) continue;
    const limit = Math.min(depth, matching);
    for (const row of vectors.nearest(query, { limit, selection }).rows) found.add(row);
  }
  const words = collection.words(request.textFields);
  for (const row of words.search(request.text, depth, accepts).rows) found.add(row);
  for (const id of request.include ?? []) {
    const row = rows.find(includedKey(id, collection));
    if (row !== undefined && accepts(row)) found.add(row);
  }
  const ordered = [...found].sort((a, b) => a - b);
  return {
    rows: ordered,
    bm25: words.score(request.text, Uint32Array.from(ordered)),
    maxBm25: words.search(request.text, 1).scores[0] ?? 0,
  };
}

function includedKey(id: unknown, collection: Collection) {
  if (typeof id !== 'string') throw milvusError(1100, '"include" must be a list of strings');
  return parseWantedKey(id, keyField(collection.record.spec), '"include"');
}
