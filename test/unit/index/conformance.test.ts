/**
 * Answers recorded from Milvus servers, against this store. Cases of level `must` that need only what
 * the store has are run, filters also of the levels `current` and `derived`; those that need more are
 * counted by their reason.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isWhorlError, type WhorlError } from '../../../src/shared/errors.ts';
import { openCore, type TestCore } from './core-fixture.ts';

const FOLDER = new URL('../../../../shared/conformance/', import.meta.url);
const ABSENT = !existsSync(FOLDER) && 'the recorded answers (../shared/conformance) are not here';

interface Failure {
  readonly acceptCodes: readonly number[];
  readonly messageContains: readonly string[];
}
interface Expectation {
  readonly ids?: readonly string[];
  readonly rows?: readonly Row[];
  readonly hits?: readonly (readonly Hit[])[];
  readonly data?: unknown;
  readonly code?: number;
}
interface Step {
  readonly op: string;
  readonly request: Row;
  readonly expect?: Expectation;
  readonly error?: Failure;
}
interface Case extends Step {
  readonly name: string;
  readonly collection?: string;
  readonly level: string;
  readonly steps?: readonly Step[];
}
interface Hit {
  readonly id?: string;
  readonly distance: number;
  readonly entity?: Row;
}
type Row = { readonly [key: string]: unknown };
interface Dataset {
  readonly name: string;
  readonly create: {
    readonly collectionName: string;
    readonly schema?: { readonly fields: readonly Row[] };
  };
  readonly rows?: readonly Row[];
  readonly rowsOf?: string;
}

/** Reads a fixture; `{"$int64": digits}` becomes a bigint. */
function load<T>(file: string): T {
  const text = readFileSync(new URL(file, FOLDER), 'utf8');
  return JSON.parse(text, (_, value: unknown) => {
    const digits = (value as { $int64?: string } | null)?.$int64;
    return digits === undefined ? value : BigInt(digits);
  }) as T;
}

function servedCases(group: string): readonly Case[] {
  const { cases } = load<{ readonly cases: readonly Case[] }>(`${group}.json`);
  const levels = group.startsWith('filter') ? FILTER_LEVELS : ['must'];
  return cases.filter((each) => levels.includes(each.level));
}

// ---------------------------------------------------------------------------------------------
// What the store has not yet

const FILTER_LEVELS = ['must', 'current', 'derived', 'lite'];

/** Step operations and fields of other endpoints. */
const LATER_OPS =
  /^(indexes|aliases|partitions|databases|jobs)\/|collections\/(rename|flush|get_stats|refresh_load)/;

const EXCEPTIONS: { readonly [name: string]: string } = {
  'mutate/insert-row-23':
    'a check of the Python client; over REST Int64 values may be digits (README, get/ids-07)',
};

function laterStep({ op }: Step): string | undefined {
  return LATER_OPS.test(op) ? op : undefined;
}

const big = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);

// ---------------------------------------------------------------------------------------------
// Comparing

function same(actual: unknown, expected: unknown): boolean {
  if (
    typeof actual === 'string' &&
    (typeof expected === 'number' || typeof expected === 'bigint')
  ) {
    return actual === String(expected);
  }
  if (typeof actual === 'number' && typeof expected === 'number') {
    return Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected));
  }
  if (actual instanceof Float32Array) return same([...actual], expected);
  if (Array.isArray(actual) && Array.isArray(expected)) {
    return actual.length === expected.length && actual.every((each, i) => same(each, expected[i]));
  }
  if (isRow(actual) && isRow(expected)) {
    const names = [...new Set([...Object.keys(actual), ...Object.keys(expected)])];
    return names.every((name) => same(actual[name], expected[name]));
  }
  return actual === expected;
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function expectRows(actual: readonly Row[], expected: readonly Row[]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((row, i) => {
    expect(same(row, expected[i]), JSON.stringify([row, expected[i]], big)).toBe(true);
  });
}

function without(row: Row, names: readonly string[]): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name)));
}

/** Equal distances may come in any order, also across the cut. */
function expectHits(actual: readonly Row[], expected: readonly Hit[], keyName: string): void {
  expect(actual.length).toBe(expected.length);
  const last = expected.at(-1)?.distance;
  expected.forEach((hit, i) => {
    expect(Math.abs((actual[i]?.distance as number) - hit.distance)).toBeLessThanOrEqual(2e-5);
    const twin = actual.find((each) => each[keyName] === hit.id);
    const tied = expected.some(
      (other, j) => j !== i && Math.abs(other.distance - hit.distance) < 2e-5,
    );
    const atCut = last !== undefined && Math.abs(hit.distance - last) < 2e-5;
    if (hit.id === undefined || (twin === undefined && (tied || atCut))) return;
    expect(twin, `hit ${hit.id}`).toBeDefined();
    const fields = without(
      twin ?? {},
      hit.entity && keyName in hit.entity ? ['distance'] : ['distance', keyName],
    );
    expect(same(fields, hit.entity ?? {}), JSON.stringify([fields, hit.entity], big)).toBe(true);
  });
}

async function expectFailure(call: Promise<unknown>, failure: Failure): Promise<void> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(isWhorlError(error), String(error)).toBe(true);
  const { milvusCode, message } = error as WhorlError;
  if (failure.acceptCodes.length > 0) expect(failure.acceptCodes).toContain(milvusCode);
  for (const part of failure.messageContains) expect(message).toContain(part);
}

// ---------------------------------------------------------------------------------------------
// Running

async function openDataset(name: string): Promise<TestCore> {
  const opened = await openCore();
  const { create, rows, rowsOf } = load<Dataset>(`datasets/${name}.json`);
  await opened.milvus.createCollection(create as never);
  const data = rows ?? load<Dataset>(`datasets/${rowsOf}.json`).rows ?? [];
  if (data.length > 0) {
    await opened.milvus.insert({ collectionName: create.collectionName, data: data as never });
  }
  await opened.milvus.loadCollection({ collectionName: create.collectionName });
  return opened;
}

const datasets = new Map<string, Promise<TestCore>>();
function dataset(name: string): Promise<TestCore> {
  const known = datasets.get(name) ?? openDataset(name);
  datasets.set(name, known);
  return known;
}

async function runStep({ core }: TestCore, step: Step): Promise<void> {
  const endpoint = step.op.includes('/') ? step.op : `entities/${step.op}`;
  const call = core.milvus(endpoint, step.request);
  if (step.error !== undefined) return expectFailure(call, step.error);
  const { data, topks } = await call;
  const { ids, rows, hits, data: wanted } = step.expect ?? {};
  const list = data as readonly Row[];
  if (ids) expect(list.map((row) => Object.values(row)[0]).sort()).toEqual([...ids].sort());
  if (rows) expectRows(list, rows);
  if (hits) {
    let from = 0;
    hits.forEach((each, i) => {
      const mine = list.slice(from, from + (topks?.[i] ?? 0));
      from += mine.length;
      expectHits(mine, each, step.request.collectionName === 'strpk' ? 'pk' : 'id');
    });
  }
  if (wanted !== undefined) expectData(data, wanted);
}

function expectData(actual: unknown, wanted: unknown): void {
  if (Array.isArray(wanted) && Array.isArray(actual)) {
    expect(actual.length).toBe(wanted.length);
    for (const [i, each] of wanted.entries()) expectData(actual[i], each);
    return;
  }
  if (!isRow(wanted) || !isRow(actual)) {
    expect(same(actual, wanted), JSON.stringify([actual, wanted], big)).toBe(true);
    return;
  }
  if ('$count' in wanted) throw new Error('compare counts at the list');
  for (const [name, value] of Object.entries(wanted)) {
    const own = actual[name];
    if (isRow(value) && '$count' in value) expect((own as unknown[]).length).toBe(value.$count);
    else if (name === 'params' && Array.isArray(own)) {
      expectData(Object.fromEntries(own.map((p: Row) => [p.key, p.value])), value);
    } else expectData(own, value);
  }
}

describe.skipIf(ABSENT)(
  `recorded answers of Milvus${ABSENT ? ` (skipped: ${ABSENT})` : ''}`,
  () => {
    const run = {
      filter: 0,
      'filter-invalid': 0,
      query: 0,
      get: 0,
      search: 0,
      'search-invalid': 0,
      taverns: 0,
    };
    const steps = { mutate: 0, admin: 0 };
    const later: { [reason: string]: number } = {};

    for (const group of Object.keys(run) as (keyof typeof run)[]) {
      for (const each of ABSENT ? [] : servedCases(group)) {
        run[group] += 1;
        test(each.name, async () => runStep(await dataset(each.collection ?? ''), each));
      }
    }

    for (const group of Object.keys(steps) as (keyof typeof steps)[]) {
      for (const each of ABSENT ? [] : servedCases(group)) {
        const reason = EXCEPTIONS[each.name] ?? each.steps?.map(laterStep).find(Boolean);
        if (reason !== undefined) {
          later[reason] = (later[reason] ?? 0) + 1;
          continue;
        }
        steps[group] += 1;
        test(each.name, async () => {
          const opened = await openCore();
          for (const step of each.steps ?? []) await runStep(opened, step);
          await opened.core.close();
        });
      }
    }

    test('as many cases ran as the fixtures have for what is here', () => {
      expect({ ...run, ...steps }).toMatchInlineSnapshot(`
        {
          "admin": 21,
          "filter": 267,
          "filter-invalid": 88,
          "get": 9,
          "mutate": 46,
          "query": 35,
          "search": 61,
          "search-invalid": 14,
          "taverns": 1,
        }
      `);
      expect(later).toMatchInlineSnapshot(`
        {
          "a check of the Python client; over REST Int64 values may be digits (README, get/ids-07)": 1,
          "aliases/alter": 1,
          "aliases/create": 3,
          "aliases/describe": 1,
          "collections/flush": 1,
          "collections/rename": 2,
          "indexes/create": 12,
          "indexes/describe": 2,
          "indexes/list": 4,
          "partitions/create": 3,
          "partitions/drop": 1,
          "partitions/list": 1,
        }
      `);
    });
  },
);
