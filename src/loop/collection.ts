/** The collection that is asked, as far as the loop needs to know it. */
import { WhorlError } from '../shared/errors.ts';
import type { CollectionDescription } from '../shared/milvus-types.ts';
import type { CheckedLoop } from './options.ts';

export interface BaseCollection {
  readonly name: string;
  readonly keyField: string;
  readonly autoId: boolean;
  readonly textField: string;
  /** VarChar fields beside the text: their words count, and they are sent as headings. */
  readonly headingFields: readonly string[];
  readonly annsField: string;
  readonly dimension: number;
  /** Text field from which a function fills the vector; null where the loop must embed. */
  readonly embeddedFrom: string | null;
  readonly fields: readonly { readonly name: string; readonly type: string }[];
  readonly dynamic: boolean;
}

/** Reads a description. Throws `invalid_option` for a field that is not there or of another type. */
export function baseCollection(
  description: CollectionDescription,
  options: CheckedLoop,
): BaseCollection {
  const { fields } = description;
  const key = fields.find((field) => field.primaryKey);
  if (!key) throw new WhorlError('internal', 'The collection has no primary key.');
  const annsField = vectorField(description, options.annsField);
  const texts = fields.filter((field) => field.type === 'VarChar' && !field.primaryKey);
  const names = texts.map((field) => field.name);
  const lexicalFields = options.lexicalFields ?? names;
  for (const name of [options.textField, ...lexicalFields])
    if (!names.includes(name)) throw noField(options.collectionName, name, 'VarChar', names);
  const filling = description.functions.find((one) => one.outputFieldNames.includes(annsField));
  const dim = fields
    .find((field) => field.name === annsField)
    ?.params?.find((param) => param.key === 'dim')?.value;
  return {
    name: options.collectionName,
    keyField: key.name,
    autoId: description.autoId || key.autoId,
    textField: options.textField,
    headingFields: lexicalFields.filter((name) => name !== options.textField),
    annsField,
    dimension: Number(dim),
    embeddedFrom: filling?.inputFieldNames[0] ?? null,
    fields: fields.map(({ name, type }) => ({ name, type })),
    dynamic: description.enableDynamicField,
  };
}

function vectorField({ fields }: CollectionDescription, asked: string | null): string {
  const vectors = fields.filter((field) => field.type === 'FloatVector').map(({ name }) => name);
  const [first] = vectors;
  if (asked !== null) {
    if (vectors.includes(asked)) return asked;
    throw new WhorlError(
      'invalid_option',
      `loop: there is no vector field "${asked}"; there are: ${vectors.join(', ')}.`,
    );
  }
  if (first !== undefined && vectors.length === 1) return first;
  throw new WhorlError(
    'invalid_option',
    `loop: the collection has ${vectors.length} vector fields; say which one by "annsField".`,
  );
}

function noField(collection: string, name: string, type: string, names: readonly string[]) {
  return new WhorlError(
    'invalid_option',
    `loop: the collection "${collection}" has no ${type} field "${name}"; it has: ${names.join(', ')}.`,
  );
}
