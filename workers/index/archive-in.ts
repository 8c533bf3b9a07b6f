/**
 * Checked collections taken into the store: all of them or none.
 *
 * Rows and vectors are put piece by piece under numbers that no collection has, where nobody looks. One last
 * transaction names the new collections and drops those that they replace. An import that is cut before it
 * leaves the store as it was; what it had put by is dropped when it fails, or when a tab next takes the lead
 * (`archive-leftovers.ts`).
 */
import type {
  ArchivedCollection,
  ImportedCollection,
  ImportResult,
  TakeInRequest,
} from '../../src/shared/archive-types.ts';
import { throwIfAborted, WhorlError } from '../../src/shared/errors.ts';
import { archiveInvalid } from '../archive/limits.ts';
import { generatedKey } from '../archive/row-lines.ts';
import { parseSchemaText } from '../archive/schema-text.ts';
import { vectorTrouble } from '../archive/vector-spaces.ts';
import { type Piece, piecesOfRows } from './archive-pieces.ts';
import { collectionName } from './body.ts';
import { toChunks } from './chunks.ts';
import type { CallScope } from './endpoints.ts';
import { keyBytes, type PrimaryKey } from './keys.ts';
import { MAX_COLLECTIONS } from './manage.ts';
import { looseAfter, untidied } from './pages.ts';
import type { CollectionRecord } from './records.ts';
import { type CollectionSpec, functionOf } from './schema.ts';
import { notLeader } from './store.ts';

/** One collection of the archive, and what becomes of it. */
interface Wanted {
  readonly archived: ArchivedCollection;
  readonly spec: CollectionSpec;
  readonly action: ImportedCollection['action'];
}

/** A collection that is complete, but not yet named. */
interface Staged extends Wanted {
  readonly record: CollectionRecord;
  /** Of the last row. */
  readonly lastKey: PrimaryKey | null;
}

/**
 * Rejects with `not_leader`, `invalid_option` (a name that the archive has not), Milvus error 1100 (a name
 * that is taken, or none), `storage_full`, `aborted`: nothing is kept then. With `outcome_unknown` where
 * the storage was lost in the last step.
 */
export async function takeIn(scope: CallScope, request: TakeInRequest): Promise<ImportResult> {
  const { ledger } = scope;
  ledger.requireLeader();
  const wanted = await ledger.view(async () => plan(scope, request));
  const coming = wanted.filter(({ action }) => action !== 'skipped');
  const total = coming.reduce((sum, { archived }) => sum + archived.count, 0);
  const staging = new Staging(scope, total);
  try {
    for (const each of coming) await staging.add(each);
    await staging.name(request);
  } catch (error) {
    if (!(await staging.discard())) throw error;
  }
  staging.settle();
  return { collections: wanted.map(outcomeOf) };
}

function outcomeOf({ archived, spec, action }: Wanted): ImportedCollection {
  const rows = action === 'skipped' ? 0 : archived.count;
  return { from: archived.name, name: spec.name, rows, action };
}

/** What happens to each collection, by the names that are taken now. */
function plan(scope: CallScope, request: TakeInRequest): readonly Wanted[] {
  const { collections, onConflict, rename } = request;
  const stranger = rename.find(([from]) => !collections.some(({ name }) => name === from));
  if (stranger !== undefined) {
    throw new WhorlError(
      'invalid_option',
      `import: "rename" names the collection "${stranger[0]}", which the file has not. Nothing was imported.`,
    );
  }
  const renamed = new Map(rename);
  const wanted = collections.map((archived): Wanted => {
    const name = collectionName({ collectionName: renamed.get(archived.name) ?? archived.name });
    const spec = { ...parseSchemaText(archived.schema, `schema of ${archived.name}`), name };
    const trouble = vectorTrouble(spec, archived.vectors, archived.count);
    if (trouble !== null) throw archiveInvalid(archived.name, trouble);
    const taken = scope.ledger.find(name) !== undefined;
    if (taken && onConflict === 'refuse') throw takenName(name);
    const action = !taken ? 'created' : onConflict === 'skip' ? 'skipped' : 'replaced';
    return { archived, spec, action };
  });
  checkNames(scope, wanted);
  return wanted;
}

function takenName(name: string): WhorlError {
  return new WhorlError(
    'invalid_option',
    `import: there is a collection "${name}" already. Nothing was imported; rename the one in the file, or choose "replace" or "skip".`,
  );
}

function checkNames({ ledger }: CallScope, wanted: readonly Wanted[]): void {
  const names = new Set(wanted.map(({ spec }) => spec.name));
  if (names.size !== wanted.length) {
    throw new WhorlError(
      'invalid_option',
      'import: two collections would get the same name. Nothing was imported; rename one of them.',
    );
  }
  const more = wanted.filter(({ action }) => action === 'created').length;
  if (ledger.size + more > MAX_COLLECTIONS) {
    throw new WhorlError(
      'too_large',
      `import: there would be ${ledger.size + more} collections, at most ${MAX_COLLECTIONS}. Nothing was imported; drop some, or import fewer.`,
    );
  }
}

/** The collections of one import, from their first piece to their name. */
class Staging {
  readonly #scope: CallScope;
  readonly #total: number;
  readonly #epoch: number;
  readonly #numbers: number[] = [];
  readonly #staged: Staged[] = [];
  #rows = 0;

  /** `total`: rows that will come. */
  constructor(scope: CallScope, total: number) {
    this.#scope = scope;
    this.#total = total;
    this.#epoch = scope.ledger.head.epoch;
  }

  #report(done: number): void {
    this.#scope.report?.({ done, total: this.#total });
  }

  /** Runs a change while this tab is the writer that began the import: another one has swept behind it. */
  #write<T>(work: () => Promise<T>): Promise<T> {
    const { ledger, signal } = this.#scope;
    return ledger.write(async () => {
      throwIfAborted(signal);
      if (ledger.head.epoch !== this.#epoch) throw notLeader();
      return work();
    });
  }

  /** Puts all rows of a collection by. */
  async add(wanted: Wanted): Promise<void> {
    const { archived, spec } = wanted;
    let record: CollectionRecord | null = null;
    let lastKey: PrimaryKey | null = null;
    for await (const piece of piecesOfRows(archived, spec)) {
      record = await this.#put(wanted, record, piece);
      lastKey = piece.rows.at(-1)?.key ?? lastKey;
    }
    if (record !== null) this.#staged.push({ ...wanted, record, lastKey });
  }

  async #put(
    wanted: Wanted,
    before: CollectionRecord | null,
    { first, rows, vectors }: Piece,
  ): Promise<CollectionRecord> {
    const { ledger } = this.#scope;
    return this.#write(async () => {
      const record = grown(before ?? this.#fresh(wanted), first, rows.length);
      await ledger.commit({
        kind: 'import',
        collection: record.id,
        record,
        staged: true,
        added: rows.map(({ key, values, dynamic }, i) => ({
          key: keyBytes(key),
          record: { row: first + i, values, dynamic },
        })),
        chunks: toChunks(
          record,
          rows.map((_, i) => first + i),
          vectors,
        ),
        onWritten: (written) => this.#report(this.#rows + written),
      });
      this.#rows += rows.length;
      this.#report(this.#rows);
      return record;
    });
  }

  /** A record under a number of its own, which no other change will take. */
  #fresh({ archived, spec }: Wanted): CollectionRecord {
    const id = this.#scope.ledger.head.nextCollection;
    this.#numbers.push(id);
    const spaces = archived.vectors.map(({ field, fingerprint }) => [
      field,
      { fingerprint, generation: 0 },
    ]);
    const vectors = Object.fromEntries(spaces) as CollectionRecord['vectors'];
    return { id, spec, loaded: archived.loaded, nextRow: 0, vectors };
  }

  /** The last step: all new collections get their names, and those that they replace go. */
  async name(request: TakeInRequest): Promise<void> {
    const { ledger, embedder } = this.#scope;
    await this.#write(async () => {
      const old = this.#staged.flatMap(({ spec }) => ledger.find(spec.name) ?? []);
      const [taken] = old;
      if (taken !== undefined && request.onConflict !== 'replace') throw takenName(taken.name);
      const [last, ...others] = [...this.#staged].reverse();
      if (last === undefined) return;
      await ledger.commit({
        ...this.#scope.call,
        kind: 'import',
        collection: last.record.id,
        record: last.record,
        also: [
          ...old.map(({ record }) => ({ collection: record.id, record: null })),
          ...others.reverse().map(({ record }) => ({ collection: record.id, record })),
        ],
        lastAutoId: this.#lastAutoId(ledger.head.lastAutoId),
      });
      if (old.length > 0) embedder.erased?.('all');
    });
  }

  /** Keys that are generated from now on are above those that came. */
  #lastAutoId(present: bigint): bigint {
    const keys = this.#staged.flatMap(({ spec, lastKey }) =>
      spec.autoId && lastKey !== null ? [generatedKey(lastKey)] : [],
    );
    return keys.reduce((highest, key) => (key > highest ? key : highest), present);
  }

  /** Drops what was put by. True where the collections have their names all the same: the import succeeded. */
  async discard(): Promise<boolean> {
    const { ledger } = this.#scope;
    if (this.#numbers.length === 0) return false;
    try {
      return await ledger.write(async () => {
        const known = new Set(ledger.collections.map(({ record }) => record.id));
        if (this.#numbers.some((id) => known.has(id))) return true;
        // Whoever took over has swept, or will.
        if (ledger.head.epoch !== this.#epoch) return false;
        for (const collection of this.#numbers) {
          await ledger.commit({ kind: 'drop', collection, record: null });
        }
        return false;
      });
    } catch {
      // The storage is full, lost or another tab's: what is left is swept when the lead is next taken.
      return false;
    }
  }

  /** Vectors of another model than the present one are embedded again, as after a change of the model. */
  settle(): void {
    const { ledger, fingerprint, differs } = this.#scope;
    const present = fingerprint();
    for (const { spec, archived } of this.#staged) {
      const collection = ledger.find(spec.name);
      if (collection === undefined || present === null) continue;
      for (const vectors of archived.vectors) {
        const isEmbedded = functionOf(spec, vectors.field) !== undefined;
        if (isEmbedded && vectors.fingerprint !== null && vectors.fingerprint !== present) {
          differs(collection, vectors.field, present);
        }
      }
    }
  }
}

function grown(record: CollectionRecord, first: number, rows: number): CollectionRecord {
  const next = { ...record, nextRow: first + rows };
  return untidied(next, looseAfter(record.spec, first, first + rows));
}
