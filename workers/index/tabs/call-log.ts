/**
 * What became of a call that somebody else may have made. Its identity is in the log entry of its commit;
 * with the entry and the call, the answer that was lost can be given again.
 */
import { WhorlError } from '../../../src/shared/errors.ts';
import type { MilvusEnvelope } from '../../../src/shared/milvus-types.ts';
import { IMPORT, importAnswer } from '../archive-request.ts';
import { isObject } from '../body.ts';
import { parseRows } from '../entity.ts';
import { keyText } from '../keys.ts';
import { parseIds } from '../mutate.ts';
import { type CollectionRecord, type LogRecord, parseHead } from '../records.ts';
import type { Storage } from '../storage/storage.ts';
import { wantedFilter } from '../wanted-filter.ts';

const READS: ReadonlySet<string> = new Set([
  'collections/describe',
  'collections/get_load_state',
  'collections/has',
  'collections/list',
  'entities/get',
  'entities/query',
  'entities/search',
  'whorl/candidates',
]);

/** Whether a call commits nothing, so that no log tells of it, and making it twice does no harm. */
export function isRead(endpoint: string): boolean {
  return READS.has(endpoint);
}

/** `absent`: nothing of it was or will be committed by an earlier leader. `cut`: the log does not reach back that far. */
export type CallFate = LogRecord | 'absent' | 'cut';

/**
 * Looks for a call that was first sent when the storage was at sequence `since`. Only who leads may conclude
 * from `absent`: commits of all earlier leaders are either seen here or refused for their epoch.
 */
export function findCall(storage: Storage, call: string, since: number): Promise<CallFate> {
  return storage.read(['head', 'log'], async (tx) => {
    const { sequence } = parseHead(await tx.get('head', 'head'));
    const behind = sequence - since;
    if (behind === 0) return 'absent';
    // Behind by less than nothing: the storage was lost and came back from an older copy.
    if (behind < 0) return 'cut';
    const entries = await tx.scan('log', { lower: since + 1, upper: sequence });
    const found = entries.find(({ value }) => isObject(value) && value.call === call);
    if (found !== undefined) return found.value as unknown as LogRecord;
    return entries.length === behind ? 'absent' : 'cut';
  });
}

/** Whether a call that reached nobody in time was made is not known, and guessing could make it twice. */
export function outcomeUnknown(why: string): WhorlError {
  return new WhorlError(
    'outcome_unknown',
    `${why} Whether this change was made cannot be told any more; it was made whole or not at all, and not twice. Read what it was to change before making it again.`,
  );
}

/**
 * The answer to a call that was committed. `record`: of the collection that it changed; undefined where that
 * was dropped since. Throws `outcome_unknown` where it takes the collection to know what the answer was.
 */
export function answerOf(
  call: { readonly endpoint: string; readonly body: unknown },
  entry: LogRecord,
  record: CollectionRecord | undefined,
): MilvusEnvelope {
  const { endpoint, body } = call;
  if (endpoint === IMPORT) return importAnswer(body);
  if (!endpoint.startsWith('entities/')) return { code: 0, data: {} };
  if (record === undefined) {
    throw outcomeUnknown('The change was made, and then its collection was dropped.');
  }
  if (endpoint === 'entities/delete') {
    return { code: 0, data: { deleteCount: deletedBy(body, entry, record) } };
  }
  const mode = endpoint === 'entities/insert' ? 'insert' : 'upsert';
  const ids = idsOf(body, mode, entry, record);
  return { code: 0, data: { [`${mode}Count`]: ids.length, [`${mode}Ids`]: ids } };
}

function idsOf(
  body: unknown,
  mode: 'insert' | 'upsert',
  { added, lastAutoId }: LogRecord,
  { spec }: CollectionRecord,
): readonly string[] {
  // Generated keys of one commit are one run.
  if (lastAutoId !== undefined) {
    const first = lastAutoId - BigInt(added) + 1n;
    return Array.from({ length: added }, (_, i) => String(first + BigInt(i)));
  }
  const { data } = isObject(body) ? body : { data: [] };
  return parseRows(data, spec, mode).rows.map(({ key }) => keyText(key ?? 0n));
}

/** Milvus counts the keys that were named, whether they were there or not, and else the rows that went. */
function deletedBy(body: unknown, { removed }: LogRecord, { spec }: CollectionRecord): number {
  if (!isObject(body)) return removed;
  const filter = wantedFilter(body, spec);
  if (filter === null) return parseIds(body.id, spec).length;
  return filter.keysOnly && filter.keys !== null ? filter.keys.length : removed;
}
