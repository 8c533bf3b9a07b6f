/**
 * Erasing records with all that was made of them. What was made goes first and the records last, so that
 * a run that is cut finds everything again when it is repeated; then a last look, for what was being
 * written meanwhile.
 */
import { asWhorlError, throwIfAborted, WhorlError } from '../shared/errors.ts';
import type { CollectionDescription, MilvusRow } from '../shared/milvus-types.ts';
import { type Descendants, type Doomed, descendantsOf } from './lineage.ts';
import { sharedSerial } from './serial.ts';
import { quote, Sibling } from './siblings.ts';
import type { LoopStore } from './types.ts';

/** A record that was asked for; one that is gone may have left descendants. */
interface Wanted extends Doomed {
  readonly isThere: boolean;
}

/** Keys in one filter. */
const KEYS_AT_ONCE = 256;
/** Records read at a time. */
const PAGE = 1_024;

/** Which records: by key or by a filter. */
export interface EraseRequest {
  readonly collectionName: string;
  /** Primary keys; Int64 as digits, number or bigint. Keys that are not there are passed over. */
  readonly ids?: readonly (string | number | bigint)[];
  /** In Milvus's grammar. */
  readonly filter?: string;
  /** Whether what was made of the records goes with them. Default true. */
  readonly descendants?: boolean;
  readonly signal?: AbortSignal;
}

/** What was erased, counted. */
export interface EraseResult {
  readonly records: number;
  /** Stored answers made of them, and of these. */
  readonly answers: number;
  /** Turns that showed them or made such an answer. */
  readonly turns: number;
  /** Texts that enrichment wrote for them. */
  readonly enrichments: number;
}

export interface EraseParts {
  readonly store: LoopStore;
  /** Resolves when nothing of deleted rows of these collections is left in the storage and its copies. */
  readonly scrub: (
    collectionNames: readonly string[],
    call: { readonly signal: AbortSignal },
  ) => Promise<void>;
}

interface Call {
  readonly signal: AbortSignal;
}

const KNOWN = new Set(['collectionName', 'ids', 'filter', 'descendants', 'signal']);
const NEVER = new AbortController().signal;

/**
 * Erases; resolves when all of it is done. May be repeated after an error, which says how far it came.
 * Throws `invalid_option`, what Milvus says of the collection and the filter, `aborted`, and what the store says.
 */
export async function erase(request: EraseRequest, parts: EraseParts): Promise<EraseResult> {
  checkRequest(request);
  throwIfAborted(request.signal);
  const run = new Erasing(request, parts);
  const { store } = parts;
  const { collectionName } = request;
  const call = { signal: request.signal ?? NEVER };
  // No turn is kept and none is rated meanwhile.
  return sharedSerial(store, `${collectionName} answers`).run(
    () => sharedSerial(store, `${collectionName} ratings`).run(() => run.all(call), call.signal),
    call.signal,
  );
}

function checkRequest(request: EraseRequest): void {
  const unknown = Object.keys(request).find((name) => !KNOWN.has(name));
  if (unknown !== undefined) throw invalid(`there is no option "${unknown}"`);
  const { collectionName, ids, filter, descendants } = request;
  if (typeof collectionName !== 'string' || collectionName === '') {
    throw invalid('"collectionName" must name a collection');
  }
  if ((ids === undefined) === (filter === undefined))
    throw invalid('give "ids" or "filter", not both');
  if (ids !== undefined && (!Array.isArray(ids) || !ids.every(isKey))) {
    throw invalid('"ids" must be a list of primary keys');
  }
  if (filter !== undefined && (typeof filter !== 'string' || filter.trim() === '')) {
    throw invalid(
      '"filter" must be an expression; to erase all records, drop the collection or call eraseAll',
    );
  }
  if (descendants !== undefined && typeof descendants !== 'boolean') {
    throw invalid('"descendants" must be true or false');
  }
}

function isKey(id: unknown): boolean {
  return typeof id === 'string' || typeof id === 'bigint' || Number.isSafeInteger(id);
}

function invalid(message: string): WhorlError {
  return new WhorlError('invalid_option', `erase: ${message}. Nothing was erased.`);
}

class Erasing {
  readonly #request: EraseRequest;
  readonly #parts: EraseParts;
  readonly #done = { records: 0, answers: 0, turns: 0, enrichments: 0 };

  constructor(request: EraseRequest, parts: EraseParts) {
    this.#request = request;
    this.#parts = parts;
  }

  async all(call: Call): Promise<EraseResult> {
    const { collectionName, descendants = true } = this.#request;
    const { store, scrub } = this.#parts;
    let step = 'the records were looked for';
    try {
      const base = await describe(store, collectionName, call);
      const records = await this.#records(base, call);
      const lanes = descendants ? await this.#lanes(base) : null;
      step = 'what was made of the records was deleted';
      if (lanes !== null) await this.#deleteMade(records, lanes, call);
      step = 'the records were deleted';
      await this.#deleteKeys(
        base.name,
        base.key,
        records.map(({ id }) => id),
        call,
      );
      this.#done.records = records.filter(({ isThere }) => isThere).length;
      if (lanes !== null) await this.#deleteMade(records, lanes, call);
      step = 'what was left in the storage was scrubbed';
      const siblings = lanes === null ? [] : [lanes.generated.name, lanes.memory.name];
      await scrub([base.name, ...siblings], call);
      return { ...this.#done };
    } catch (error) {
      throw this.#cut(step, error);
    }
  }

  #cut(step: string, error: unknown): WhorlError {
    const cause = asWhorlError(error);
    const { records, answers, turns, enrichments } = this.#done;
    const { code, retryable, milvusCode } = cause;
    return new WhorlError(
      code,
      `Erasing ended while ${step}: ${cause.message} Deleted so far: ${records} records, ${answers} answers, ${turns} turns, ${enrichments} enrichments; what was deleted stays deleted, and its last traces in the storage go in the background. Call it again for the rest.`,
      { cause, retryable, ...(milvusCode === undefined ? {} : { milvusCode }) },
    );
  }

  async #lanes({ name, dimension }: Base) {
    const { store } = this.#parts;
    const dim = async () => dimension;
    return {
      generated: new Sibling(store, name, 'generated', dim),
      memory: new Sibling(store, name, 'memory', dim),
    };
  }

  /** The records that are to go, with their texts. */
  async #records(base: Base, call: Call): Promise<readonly Wanted[]> {
    const { ids, filter } = this.#request;
    if (filter !== undefined) return this.#matching(base, `(${filter})`, call);
    const keys = [...new Set((ids ?? []).map(String))];
    const found: Wanted[] = [];
    for (const some of slices(keys)) {
      found.push(...(await this.#matching(base, keyFilter(base.key, some), call)));
    }
    // One that is gone already may have left descendants: erasing was cut before.
    const present = new Set(found.map(({ id }) => id));
    return [
      ...found,
      ...keys.filter((id) => !present.has(id)).map((id) => ({ id, texts: [], isThere: false })),
    ];
  }

  async #matching(base: Base, filter: string, call: Call): Promise<Wanted[]> {
    const { key, textFields } = base;
    const found: Wanted[] = [];
    for (let after: string | null = null; ; ) {
      const rest: string = after === null ? '' : ` and ${key.name} > ${literal(key, after)}`;
      const page: readonly MilvusRow[] = await this.#parts.store.query(
        {
          collectionName: base.name,
          filter: `${filter}${rest}`,
          limit: PAGE,
          outputFields: [key.name, ...textFields],
        },
        call,
      );
      for (const row of page)
        found.push({ id: String(row[key.name]), texts: textsOf(row, textFields), isThere: true });
      if (page.length < PAGE) return found;
      after = found.at(-1)?.id ?? null;
    }
  }

  async #deleteMade(
    records: readonly Doomed[],
    lanes: { readonly generated: Sibling; readonly memory: Sibling },
    call: Call,
  ): Promise<void> {
    const made: Descendants = await descendantsOf(records, lanes, call);
    const key = { name: 'id', type: 'VarChar' } as const;
    await this.#deleteKeys(lanes.generated.name, key, [...made.answers], call);
    this.#done.answers += made.answers.size;
    // Events before their turns: what is left after a cut is found by the turn.
    await this.#deleteKeys(lanes.memory.name, key, [...made.events, ...made.enrichments], call);
    this.#done.enrichments += made.enrichments.size;
    await this.#deleteKeys(lanes.memory.name, key, [...made.turns], call);
    this.#done.turns += made.turns.size;
  }

  async #deleteKeys(collectionName: string, key: Key, ids: readonly string[], call: Call) {
    for (const some of slices(ids)) {
      throwIfAborted(call.signal);
      await this.#parts.store.delete({ collectionName, filter: keyFilter(key, some) }, call);
    }
  }
}

interface Key {
  readonly name: string;
  readonly type: string;
}

interface Base {
  readonly name: string;
  readonly key: Key;
  readonly textFields: readonly string[];
  readonly dimension: number;
}

async function describe(store: LoopStore, collectionName: string, call: Call): Promise<Base> {
  const found: CollectionDescription = await store.describeCollection({ collectionName }, call);
  const key = found.fields.find((field) => field.primaryKey);
  if (key === undefined) throw new WhorlError('internal', 'The collection has no primary key.');
  const vector = found.fields.find(({ type }) => type === 'FloatVector');
  const dim = vector?.params?.find((param) => param.key === 'dim')?.value;
  const textFields = found.fields.flatMap(({ name, type, primaryKey }) =>
    type === 'VarChar' && !primaryKey ? [name] : [],
  );
  return { name: collectionName, key, textFields, dimension: Number(dim) };
}

function textsOf(row: MilvusRow, fields: readonly string[]): string[] {
  return fields.flatMap((field) => {
    const value = row[field];
    return typeof value === 'string' ? [value] : [];
  });
}

function slices(ids: readonly string[]): string[][] {
  const count = Math.ceil(ids.length / KEYS_AT_ONCE);
  return Array.from({ length: count }, (_, i) =>
    ids.slice(i * KEYS_AT_ONCE, (i + 1) * KEYS_AT_ONCE),
  );
}

function keyFilter(key: Key, ids: readonly string[]): string {
  return `${key.name} in [${ids.map((id) => literal(key, id)).join(', ')}]`;
}

function literal(key: Key, id: string): string {
  if (key.type === 'VarChar') return quote(id);
  if (/^-?\d{1,19}$/.test(id)) return id;
  throw invalid(`"${id}" is no Int64`);
}
