/** What the loop's methods take, checked: unknown names are refused, bounds are kept. */
import { type ErrorCode, WhorlError } from '../shared/errors.ts';
import type { AskOptions, EnrichOptions, Generator, LoopOptions } from './types.ts';

/** Characters of a question; it must fit its field in UTF-8. */
export const MAX_QUESTION = 4_000;
export const MAX_HITS = 50;
const DEFAULT_HITS = 5;
const DEFAULT_BUDGET = 2_000;
const MIN_BUDGET = 64;
/** Twice this, in the prompt and in its list of sources, must fit a stored turn. */
const MAX_BUDGET = 8_000;
const DEFAULT_CONCURRENCY = 2;
const MAX_CONCURRENCY = 16;
const DEFAULT_MAX_TOKENS = 1_024;
const MAX_MAX_TOKENS = 8_192;
const MAX_TEMPLATE = 32_768;

function invalid(where: string, message: string, code: ErrorCode = 'invalid_option'): WhorlError {
  return new WhorlError(code, `${where}: ${message}`);
}

/** Refuses options that do not exist, by name. */
export function refuseUnknown(where: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown !== undefined) throw invalid(where, `there is no option "${unknown}".`);
}

function integer(where: string, name: string, value: number, low: number, high: number): number {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw invalid(where, `"${name}" must be an integer of ${low}..${high}, not ${value}.`);
}

function fieldName(where: string, name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(where, `"${name}" must name a field.`);
}

function fieldNames(where: string, name: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw invalid(where, `"${name}" must be an array of field names.`);
  return value.map((each) => fieldName(where, name, each));
}

function generator(where: string, value: unknown): Generator {
  const given = value as Partial<Generator> | null | undefined;
  if (typeof given?.generate === 'function' && typeof given.name === 'string')
    return given as Generator;
  throw invalid(where, '"generator" must be a generator, such as claude(...) or extractive().');
}

export interface CheckedLoop {
  readonly collectionName: string;
  readonly textField: string;
  readonly lexicalFields: readonly string[] | null;
  readonly annsField: string | null;
  readonly generator: Generator;
  readonly tokenBudget: number;
}

export function checkLoop(options: LoopOptions): CheckedLoop {
  const where = 'loop';
  refuseUnknown(where, options, [
    'collectionName',
    'textField',
    'lexicalFields',
    'annsField',
    'generator',
    'tokenBudget',
  ]);
  const { lexicalFields, annsField } = options;
  return {
    collectionName: fieldName(where, 'collectionName', options.collectionName),
    textField: fieldName(where, 'textField', options.textField),
    lexicalFields:
      lexicalFields === undefined ? null : fieldNames(where, 'lexicalFields', lexicalFields),
    annsField: annsField === undefined ? null : fieldName(where, 'annsField', annsField),
    generator: generator(where, options.generator),
    tokenBudget: integer(
      where,
      'tokenBudget',
      options.tokenBudget ?? DEFAULT_BUDGET,
      MIN_BUDGET,
      MAX_BUDGET,
    ),
  };
}

/** Hits, 1..50. */
export function checkLimit(where: string, limit: number | undefined): number {
  return integer(where, 'limit', limit ?? DEFAULT_HITS, 1, MAX_HITS);
}

/** A question: trimmed, 1..4,000 characters. */
export function checkQuestion(where: string, question: string): string {
  if (typeof question !== 'string') throw invalid(where, 'the question must be a text.');
  const trimmed = question.toWellFormed().trim();
  if (trimmed === '') throw invalid(where, 'the question is empty.');
  if (trimmed.length > MAX_QUESTION)
    throw invalid(
      where,
      `the question has ${trimmed.length} characters; at most ${MAX_QUESTION} are taken.`,
      'too_large',
    );
  return trimmed;
}

const ASK = ['limit', 'onToken', 'onStage', 'onHits', 'signal', 'generator'];

export function checkAsk(options: AskOptions): void {
  refuseUnknown('ask', options, ASK);
  if (options.generator !== undefined) generator('ask', options.generator);
}

function checkRows(where: string, rows: readonly unknown[]): void {
  if (!Array.isArray(rows)) throw invalid(where, '"rows" must be an array of records.');
  const bad = rows.findIndex((row) => typeof row !== 'object' || row === null);
  if (bad >= 0) throw invalid(where, `record ${bad} of "rows" is not a record.`);
}

export type CheckedEnrich = EnrichOptions &
  Required<Pick<EnrichOptions, 'concurrency' | 'maxTokens'>>;

export function checkEnrich(options: EnrichOptions): CheckedEnrich {
  const where = 'enrich';
  refuseUnknown(where, options, [
    'rows',
    'template',
    'into',
    'concurrency',
    'tokenBudget',
    'maxTokens',
    'mention',
    'signal',
    'onProgress',
  ]);
  checkRows(where, options.rows);
  if (options.mention !== undefined) fieldNames(where, 'mention', options.mention);
  if (typeof options.template !== 'string' || options.template.length > MAX_TEMPLATE)
    throw invalid(where, `"template" must be a text of at most ${MAX_TEMPLATE} characters.`);
  fieldName(where, 'into', options.into);
  const budget = options.tokenBudget;
  if (budget !== undefined) integer(where, 'tokenBudget', budget, 0, Number.MAX_SAFE_INTEGER);
  const { concurrency = DEFAULT_CONCURRENCY, maxTokens = DEFAULT_MAX_TOKENS } = options;
  return {
    ...options,
    concurrency: integer(where, 'concurrency', concurrency, 1, MAX_CONCURRENCY),
    maxTokens: integer(where, 'maxTokens', maxTokens, 1, MAX_MAX_TOKENS),
  };
}
