/** The schema most pages want, as a body for `createCollection`. */
import type { CreateCollectionBody, FieldSchema } from '../shared/milvus-types.ts';

export interface TextCollectionOptions {
  /** Further VarChar fields. Default none; other keys of a row go to the dynamic field. */
  readonly fields?: readonly string[];
  /** Field whose text is embedded. Default `text`. */
  readonly textField?: string;
  /** Dimension of the model. Default 384 (MiniLM). */
  readonly dimension?: number;
}

function varChar(fieldName: string): FieldSchema {
  return { fieldName, dataType: 'VarChar', elementTypeParams: { max_length: 65_535 } };
}

/**
 * A collection of texts: `id` (Int64, given by the store), the text field, `vector` filled from it by
 * the model, cosine, HNSW, and the dynamic field on.
 */
export function textCollection(
  collectionName: string,
  options: TextCollectionOptions = {},
): CreateCollectionBody {
  const { fields = [], textField = 'text', dimension = 384 } = options;
  return {
    collectionName,
    schema: {
      autoID: true,
      enableDynamicField: true,
      fields: [
        { fieldName: 'id', dataType: 'Int64', isPrimary: true },
        varChar(textField),
        ...fields.map(varChar),
        { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: dimension } },
      ],
      functions: [
        {
          name: 'embed',
          type: 'TextEmbedding',
          inputFieldNames: [textField],
          outputFieldNames: ['vector'],
        },
      ],
    },
    indexParams: [{ fieldName: 'vector', metricType: 'COSINE', indexType: 'HNSW' }],
  };
}
