import { milvusError, type WhorlError } from '../../../src/shared/errors.ts';

const MAX_QUOTED = 400;

function quoted(text: string): string {
  return text.length <= MAX_QUOTED ? text : `${text.slice(0, MAX_QUOTED)}...`;
}

/** Error 1100 in the form of Milvus, with the line (from 1) and column (from 0) of the trouble. */
export function filterError(text: string, at: number, detail: string): WhorlError {
  const before = text.slice(0, at).split('\n');
  const column = before.at(-1)?.length ?? 0;
  return milvusError(
    1100,
    `failed to create query plan: cannot parse expression: ${quoted(text)}, error: line ${before.length}:${column} ${detail}`,
  );
}

/** Error 1100 for a filter that parses but is no condition. */
export function notBoolean(text: string, type: string): WhorlError {
  return milvusError(
    1100,
    `failed to create query plan: predicate is not a boolean expression: ${quoted(text)}, data type: ${type}`,
  );
}
