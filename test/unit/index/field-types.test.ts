/** Lists, nulls and defaults: what a schema may say, what a row may hold, and how it comes back. */
import { describe, expect, test } from 'vitest';
import { openCore, type TestCore } from './core-fixture.ts';

const collectionName = 'kinds';
const FIELDS = [
  { fieldName: 'id', dataType: 'Int64', isPrimary: true },
  {
    fieldName: 'far',
    dataType: 'Array',
    elementDataType: 'Int64',
    elementTypeParams: { max_capacity: 2 },
  },
  {
    fieldName: 'words',
    dataType: 'Array',
    elementDataType: 'VarChar',
    elementTypeParams: { max_capacity: 2, max_length: 4 },
    nullable: true,
  },
  { fieldName: 'beds', dataType: 'Int8', defaultValue: 3 },
  { fieldName: 'big', dataType: 'Int64', nullable: true },
  {
    fieldName: 'note',
    dataType: 'VarChar',
    elementTypeParams: { max_length: 20 },
    nullable: true,
    defaultValue: '-',
  },
  { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 2 } },
] as const;

async function opened(): Promise<TestCore> {
  const made = await openCore();
  await made.milvus.createCollection({
    collectionName,
    schema: { fields: FIELDS },
    indexParams: [{ fieldName: 'vector', metricType: 'L2', indexType: 'FLAT' }],
  });
  return made;
}

const vector = [0, 1];
const outputFields = ['far', 'words', 'beds', 'big', 'note'];

async function matching({ milvus }: TestCore, filter: string): Promise<readonly number[]> {
  const rows = await milvus.query({ collectionName, filter, outputFields: ['id'] });
  return rows.map(({ id }) => Number(id));
}

describe('lists, nulls and defaults', () => {
  test('come back as they went in; what is missing is null or the default', async () => {
    const made = await opened();
    const data = [
      {
        id: 1,
        far: [1, '9007199254740993'],
        words: ['é', 'ab'],
        beds: 5,
        big: 7,
        note: 'x',
        vector,
      },
      { id: 2, far: [], beds: null, note: null, vector },
    ];
    await made.milvus.insert({ collectionName, data });
    const rows = await made.milvus.query({ collectionName, filter: '', outputFields });
    expect(rows).toEqual([
      { id: '1', far: [1, '9007199254740993'], words: ['é', 'ab'], beds: 5, big: '7', note: 'x' },
      { id: '2', far: [], words: null, beds: 3, big: null, note: '-' },
    ]);
    expect(await matching(made, 'array_contains(words, "ab")')).toEqual([1]);
    expect(await matching(made, 'not array_contains(words, "ab")')).toEqual([]);
    expect(await matching(made, 'far[1] == 9007199254740993')).toEqual([1]);
    expect(await matching(made, 'far == []')).toEqual([2]);
    expect(await matching(made, 'not (big > 1)')).toEqual([]);
    expect(await matching(made, 'not (big > 1) or big is null')).toEqual([2]);
    expect(await matching(made, 'big in [7] or note == "-"')).toEqual([1, 2]);
    await made.core.close();
  });

  test('a schema is described as it was made', async () => {
    const made = await opened();
    const { fields } = await made.milvus.describeCollection({ collectionName });
    const named = Object.fromEntries(fields.map((field) => [field.name, field]));
    expect(named.words).toMatchObject({
      type: 'Array',
      elementType: 'VarChar',
      nullable: true,
      params: [
        { key: 'max_capacity', value: '2' },
        { key: 'max_length', value: '4' },
      ],
    });
    expect(named.beds).toMatchObject({ nullable: false, defaultValue: 3 });
    await made.core.close();
  });

  test.each<[string, object, string]>([
    ['too many', { far: [1, 2, 3] }, 'exceeds max capacity (2)'],
    ['another type', { far: ['x'] }, 'unable to cast "x" of element 0'],
    ['a null inside', { far: [1, null] }, 'element 1'],
    ['no list', { far: 1 }, 'to Array'],
    ['too long a text', { words: ['éééé'] }, 'exceeds max length (4)'],
    ['null where it may not be', { far: null }, 'not nullable'],
  ])('a row with %s is refused, and nothing is kept', async (_, wrong, part) => {
    const made = await opened();
    const data = [
      { id: 1, far: [], vector },
      { id: 2, far: [], vector, ...wrong },
    ];
    await expect(made.milvus.insert({ collectionName, data })).rejects.toThrow(part);
    expect(await matching(made, '')).toEqual([]);
    await made.core.close();
  });

  test.each<[object, string]>([
    [{ dataType: 'Array', elementTypeParams: { max_capacity: 2 } }, 'element type'],
    [
      { dataType: 'Array', elementDataType: 'JSON', elementTypeParams: { max_capacity: 2 } },
      'JSON',
    ],
    [{ dataType: 'Array', elementDataType: 'Bool' }, 'maximum capacity'],
    [
      { dataType: 'Array', elementDataType: 'Bool', elementTypeParams: { max_capacity: 4_097 } },
      'maximum capacity',
    ],
    [
      { dataType: 'Array', elementDataType: 'VarChar', elementTypeParams: { max_capacity: 1 } },
      'max_length',
    ],
    [{ dataType: 'Int8', elementDataType: 'Bool' }, 'belongs to fields of type Array'],
    [{ dataType: 'Int8', defaultValue: 300 }, 'out of the range'],
    [{ dataType: 'JSON', defaultValue: {} }, 'default value'],
    [{ dataType: 'FloatVector', elementTypeParams: { dim: 2 }, nullable: true }, 'nullable'],
    [{ dataType: 'Int64', isPrimary: true, nullable: true }, 'nullable'],
  ])('a field %o is refused', async (field, part) => {
    const made = await openCore();
    const [key, ...rest] = FIELDS;
    const wrong = { fieldName: 'wrong', ...field };
    const fields = 'isPrimary' in field ? [wrong, ...rest] : [key, wrong, ...rest];
    const create = made.milvus.createCollection({ collectionName, schema: { fields } as never });
    await expect(create).rejects.toThrow(part);
    await made.core.close();
  });
});
