/** How texts are handed to the model, and what is told meanwhile. */
import { expect, test } from 'vitest';
import type { CoreEmbedder } from '../../../workers/index/embedder.ts';
import { LetterEmbedder, openCore } from './core-fixture.ts';
import { collectionName, INNS } from './inns.ts';

test('long texts go to the model few at a time, so that others need not wait long', async () => {
  const { core, milvus, embedder } = await openCore();
  await milvus.createCollection({
    ...INNS,
    schema: {
      ...INNS.schema,
      fields: INNS.schema.fields.map((field) =>
        field.dataType === 'VarChar'
          ? { ...field, elementTypeParams: { max_length: 65_535 } }
          : field,
      ),
    },
  });
  const sizes: number[] = [];
  const embed = embedder.embed.bind(embedder);
  embedder.embed = (request, how) => {
    sizes.push(request.texts.length);
    return embed(request, how);
  };
  const lengths = [40_000, 6_000, 6_000, 6_000, 10];
  const data = lengths.map((length) => ({ text: 'x'.repeat(length), place: '' }));
  await milvus.insert({ collectionName, data });
  expect(sizes).toEqual([1, 2, 2]);
  await core.close();
});

test('progress of two embedded fields is one bar, told batch by batch', async () => {
  const embedder = new LetterEmbedder();
  const embed = embedder.embed.bind(embedder);
  embedder.embed = (request, options: Parameters<CoreEmbedder['embed']>[1]) => {
    options.onProgress?.(1);
    return embed(request, options);
  };
  const { core, milvus } = await openCore({ embedder });
  const { schema } = INNS;
  await milvus.createCollection({
    collectionName,
    schema: {
      ...schema,
      fields: [
        ...schema.fields,
        { fieldName: 'other', dataType: 'FloatVector', elementTypeParams: { dim: 16 } },
      ],
      functions: [
        ...schema.functions,
        {
          name: 'second',
          type: 'TextEmbedding',
          inputFieldNames: ['place'],
          outputFieldNames: ['other'],
        },
      ],
    },
    indexParams: ['vector', 'other'].map((fieldName) => ({ fieldName })),
  });
  const seen: unknown[] = [];
  const data = [1, 2, 3].map((n) => ({ text: `text ${n}`, place: `place ${n}` }));
  await milvus.insert({ collectionName, data }, { onProgress: (p) => seen.push(p) });
  expect(seen).toEqual([1, 3, 4, 6].map((done) => ({ done, total: 6 })));
  await core.close();
});
