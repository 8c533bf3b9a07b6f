/** BM25 indexes of a collection: one for each set of text fields that was asked for, kept up to date. */
import { milvusError } from '../../src/shared/errors.ts';
import type { StoredRow } from './entity.ts';
import { LexicalIndex } from './lexical/lexical-index.ts';
import type { RowTable } from './rows.ts';
import type { CollectionSpec, FieldSpec } from './schema.ts';

interface LexicalSet {
  readonly fields: readonly FieldSpec[];
  readonly index: LexicalIndex;
}

export class LexicalFields {
  readonly #indexes = new Map<string, LexicalSet>();

  /** The index of a set of VarChar fields; built from all rows when it is asked for first. */
  of(fields: readonly string[], spec: CollectionSpec, rows: RowTable): LexicalIndex {
    const names = [...new Set(fields)].sort();
    const id = names.join(',');
    const known = this.#indexes.get(id);
    if (known !== undefined) return known.index;
    const sorted = textFields(names, spec);
    const index = new LexicalIndex();
    rows.each((row, stored) => index.add(row, textOf(stored, sorted)));
    this.#indexes.set(id, { fields: sorted, index });
    return index;
  }

  add(row: number, stored: StoredRow): void {
    for (const { fields, index } of this.#indexes.values()) index.add(row, textOf(stored, fields));
  }

  remove(row: number): void {
    for (const { index } of this.#indexes.values()) index.remove(row);
  }
}

function textOf(stored: StoredRow, fields: readonly FieldSpec[]): string {
  return fields
    .map((field) => (field.primary ? stored.key : stored.values[field.name]))
    .filter((value) => typeof value === 'string')
    .join('\n');
}

function textFields(names: readonly string[], spec: CollectionSpec): readonly FieldSpec[] {
  return names.map((name) => {
    const field = spec.fields.find((each) => each.name === name);
    if (field === undefined) throw milvusError(1100, `field ${name} not exist`);
    if (field.type === 'VarChar') return field;
    throw milvusError(1100, `words are searched in VarChar fields, ${name} is ${field.type}`);
  });
}
