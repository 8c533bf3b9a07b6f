/** Further names of collections. An alias is one collection's at a time; every call takes it as a name. */
import { milvusError, throwIfAborted } from '../../src/shared/errors.ts';
import { collectionName, invalid, parseBody } from './body.ts';
import type { Collection } from './collection.ts';
import type { CallScope } from './endpoints.ts';
import type { CollectionRecord } from './records.ts';

/** Aliases of one collection. */
const MAX_ALIASES = 1_024;

export interface AliasDescription {
  readonly dbName: string;
  readonly collectionName: string;
  readonly aliasName: string;
}

/** Giving a collection the alias that it has already succeeds. */
export async function createAlias(scope: CallScope, raw: unknown): Promise<void> {
  const body = parseBody(raw, ['collectionName', 'aliasName']);
  const [name, alias] = [collectionName(body), collectionName(body, 'aliasName')];
  const { ledger } = scope;
  await ledger.write(async () => {
    throwIfAborted(scope.signal);
    const { record } = ledger.require(name);
    const known = ledger.find(alias);
    if (known?.name === alias) throw conflict(alias);
    if (known?.record.id === record.id) return;
    if (known !== undefined) {
      throw milvusError(
        1602,
        `alias already exists and is that of another collection[database=default][alias=${alias}]`,
      );
    }
    const next = named(record, [...aliasesOf(record), alias]);
    await ledger.commit({ ...scope.call, kind: 'alter', collection: record.id, record: next });
  });
}

/** Moves an alias to another collection, in one change. */
export async function alterAlias(scope: CallScope, raw: unknown): Promise<void> {
  const body = parseBody(raw, ['collectionName', 'aliasName']);
  const [name, alias] = [collectionName(body), collectionName(body, 'aliasName')];
  const { ledger } = scope;
  await ledger.write(async () => {
    throwIfAborted(scope.signal);
    const { record } = ledger.require(name);
    const former = owner(ledger.find(alias), alias).record;
    if (former.id === record.id) return;
    const next = named(record, [...aliasesOf(record), alias]);
    const bereft = { collection: former.id, record: without(former, alias) };
    const change = { kind: 'alter', collection: record.id, record: next, also: [bereft] } as const;
    await ledger.commit({ ...scope.call, ...change });
  });
}

/** Dropping an alias that is not there succeeds. */
export async function dropAlias(scope: CallScope, raw: unknown): Promise<void> {
  const alias = collectionName(parseBody(raw, ['aliasName']), 'aliasName');
  const { ledger } = scope;
  await ledger.write(async () => {
    throwIfAborted(scope.signal);
    const known = ledger.find(alias);
    if (known === undefined || known.name === alias) return;
    const { record } = known;
    const next = without(record, alias);
    await ledger.commit({ ...scope.call, kind: 'alter', collection: record.id, record: next });
  });
}

export function describeAlias(scope: CallScope, raw: unknown): Promise<AliasDescription> {
  const alias = collectionName(parseBody(raw, ['aliasName']), 'aliasName');
  return scope.ledger.view(async () => {
    const { name } = owner(scope.ledger.find(alias), alias);
    return { dbName: 'default', collectionName: name, aliasName: alias };
  });
}

/** Of one collection, or of all where none is named. */
export function listAliases(scope: CallScope, raw: unknown): Promise<readonly string[]> {
  const body = parseBody(raw ?? {}, ['collectionName']);
  const name = body.collectionName === undefined ? null : collectionName(body);
  const { ledger } = scope;
  return ledger.view(async () => {
    const chosen = name === null ? ledger.collections : [ledger.require(name)];
    return chosen.flatMap(({ record }) => aliasesOf(record));
  });
}

export function aliasesOf({ aliases }: CollectionRecord): readonly string[] {
  return aliases ?? [];
}

function named(record: CollectionRecord, aliases: readonly string[]): CollectionRecord {
  if (aliases.length > MAX_ALIASES) throw invalid(`at most ${MAX_ALIASES} aliases a collection`);
  return { ...record, aliases };
}

function without(record: CollectionRecord, alias: string): CollectionRecord {
  return { ...record, aliases: aliasesOf(record).filter((each) => each !== alias) };
}

function owner(known: Collection | undefined, alias: string): Collection {
  if (known !== undefined && known.name !== alias) return known;
  throw milvusError(1600, `alias not found[database=default][alias=${alias}]`);
}

function conflict(alias: string): Error {
  return milvusError(1601, `alias and collection name conflict[database=default][alias=${alias}]`);
}
